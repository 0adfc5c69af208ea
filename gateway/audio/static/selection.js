// Several files at once: picked by their boxes, then downloaded as one archive or deleted with one offer to undo.

import { $ } from "../web/dom.js";
import { count } from "../web/words.js";
import { remove } from "./deletions.js";
import { focus, hrefOf, identityOf, nameOf, rows } from "./list.js";
import { rename } from "./rename.js";

const [list, bar, switcher] = [$("files"), $("selection"), $("select")];
/** The rows that are picked, by their addresses. */
const picked = new Map();
/** The row of the last click, where a range begins. */
let anchor = null;

const boxOf = (row) => row.querySelector(".pick input");

function set(row, on) {
  boxOf(row).checked = on;
  if (on) picked.set(hrefOf(row), row);
  else picked.delete(hrefOf(row));
}

function show() {
  const picking = picked.size > 0 || switcher.getAttribute("aria-pressed") === "true";
  list.classList.toggle("picking", picking);
  bar.classList.toggle("on", picking);
  $("picked").textContent = count(picked.size, "{n} file selected|{n} files selected");
  for (const button of bar.querySelectorAll(".some")) button.disabled = !picked.size;
  bar.querySelector(".rename-one").disabled = picked.size !== 1;
}

/** Pick the rows from the last one that was clicked to this one, or leave them out, as this one is. */
function extend(row) {
  const shown = rows();
  const [from, to] = [shown.indexOf(anchor), shown.indexOf(row)].sort((a, b) => a - b);
  if (from < 0) return;
  for (const each of shown.slice(from, to + 1)) set(each, boxOf(row).checked);
}

/** Pick a row, or leave it out. */
export function pick(row) {
  set(row, !boxOf(row).checked);
  anchor = row;
  show();
}

/** Pick every row that is shown; false if none is picked by now: then the key is the browser's. */
export function pickAll() {
  if (!picked.size) return false;
  for (const row of rows()) set(row, true);
  show();
  return true;
}

/** Pick nothing; false if nothing was. */
export function clear() {
  const any = list.classList.contains("picking");
  for (const row of picked.values()) boxOf(row).checked = false;
  picked.clear();
  switcher.setAttribute("aria-pressed", "false");
  show();
  return any;
}

/** Delete the rows that are picked; false if none is. */
export function removePicked() {
  const going = [...picked.values()];
  clear();
  if (going.length) remove(...going);
  return going.length > 0;
}

/** Rows that have come: what was picked stays so, also under another name; a search or a long list may hide the rest. */
function adopt() {
  if (!picked.size) return;
  const away = new Map([...picked].filter(([, row]) => !row.isConnected).map(([href, row]) => [identityOf(row), href]));
  for (const row of list.querySelectorAll(".file")) {
    const before = picked.has(hrefOf(row)) ? hrefOf(row) : away.get(identityOf(row));
    if (!before) continue;
    picked.delete(before);
    set(row, true);
  }
  show();
}

/** A form of all names, as a URL could not hold them; the boxes alone would miss rows that are not on the page. */
function download(event) {
  event.preventDefault();
  const form = Object.assign(document.createElement("form"), { method: "post", action: bar.action, hidden: true });
  for (const row of picked.values()) {
    form.append(Object.assign(document.createElement("input"), { name: "name", value: nameOf(row) }));
  }
  document.body.append(form);
  form.submit();
  form.remove();
}

export function begin() {
  list.addEventListener("click", (event) => {
    if (!event.target.matches(".pick input")) return;
    const row = event.target.closest(".file");
    set(row, event.target.checked);
    if (event.shiftKey && anchor) extend(row);
    anchor = row;
    show();
  });
  // A range of rows, not of text.
  list.addEventListener("mousedown", (event) => event.shiftKey && event.target.closest(".pick") && event.preventDefault());
  switcher.onclick = () => {
    if (clear()) return;
    switcher.setAttribute("aria-pressed", "true");
    show();
  };
  bar.reset(); // a browser may remember boxes from before
  bar.hidden = false; // without scripts it would have nothing to select
  list.addEventListener("gone", ({ detail }) => picked.delete(detail) && show());
  bar.addEventListener("submit", download);
  bar.querySelector(".delete-all").onclick = removePicked;
  bar.querySelector(".rename-one").onclick = () => {
    const [row] = picked.values();
    clear();
    focus(row);
    rename(row);
  };
  bar.querySelector(".close").onclick = clear;
  new MutationObserver(adopt).observe(list, { childList: true, subtree: true });
}
