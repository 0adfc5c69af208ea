// Another name for a file: typed where the old one stands.

import { $ } from "../web/dom.js";
import { say } from "../web/words.js";
import { apiOf, focus, hrefOf, nameOf, refresh, rowOf } from "./list.js";
import { mark } from "./player.js";

/** How much of a name is selected: what stands before its ending. */
const stemOf = (name) => name.replace(/(?<=.)\.[^.\s]{1,5}$/, "").length;

/** Open the field in a row; it stays open until the name is saved or Esc, also while the list changes around it. */
export function rename(row) {
  if (row.querySelector(".renaming")) return;
  const form = $("renaming").content.firstElementChild.cloneNode(true);
  const [input, reason] = [form.querySelector("input"), form.querySelector(".reason")];
  const close = () => {
    form.remove();
    focus(row);
  };
  input.value = nameOf(row);
  row.append(form);
  input.focus();
  input.setSelectionRange(0, stemOf(input.value));
  form.querySelector(".close").onclick = close;
  form.addEventListener("keydown", (event) => {
    event.stopPropagation(); // the keys of the page are not for a field
    if (event.key === "Escape") close();
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (input.value === nameOf(row)) return close();
    form.inert = true;
    const { url, problem } = await save(row, input.value);
    form.inert = false;
    reason.textContent = problem ?? "";
    input.setAttribute("aria-invalid", Boolean(problem));
    if (problem) return input.focus();
    form.remove();
    await refresh();
    mark();
    if (document.activeElement === document.body) focus(rowOf(url)); // not from a field that has it by now
  });
}

/** Ask the server for it, for the file as the page knows it. */
async function save(row, name) {
  const headers = { "Content-Type": "application/json", "If-Match": `"${row.dataset.key}"` };
  const asked = { method: "PATCH", headers, body: JSON.stringify({ name }) };
  const answer = await fetch(apiOf(hrefOf(row)), asked).catch(() => null);
  if (!answer) return { problem: say("The server cannot be reached.") };
  if (answer.status === 412) return { problem: say("The file has changed.") };
  const { url, detail } = await answer.json().catch(() => ({}));
  return answer.ok ? { url } : { problem: detail ? say(detail) : say("The server answered {status}.", answer) };
}

export function begin() {
  $("files").addEventListener("click", ({ target }) => target.matches(".rename") && rename(target.closest(".file")));
}
