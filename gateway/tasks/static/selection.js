// Which URLs are shown, in which order: chosen by the filter, by chips and headings; kept in the address.

import { $, root } from "../web/dom.js";
import { say } from "../web/words.js";

const main = $("content");
const search = $("search");
const selectionOf = ({ show = "", q = "", sort = "" }) => ({ show, q, sort });
const { task } = main.dataset;
const path = `${root}/tasks/${task}`;
const api = `${root}/api/v1/tasks/${task}/probes`;
let selection = selectionOf(main.dataset);
let onChange = null;

/** The selection that is shown. */
export const read = () => selection;

/** An address with the parts of a selection that are not empty. */
function locate(place, values) {
  const query = new URLSearchParams(Object.entries(values).filter(([, value]) => value)).toString();
  return query ? `${place}?${query}` : place;
}
const here = (changes) => locate(path, { ...selection, ...changes });

/** Let all links of the page lead on from the selection. */
export function mark() {
  for (const chip of document.querySelectorAll(".chip")) {
    chip.href = here({ show: chip.dataset.show });
    chip.ariaCurrent = chip.dataset.show === selection.show || null;
  }
  for (const link of document.querySelectorAll(".head a")) {
    const { sort: name } = link.dataset;
    const directions = { [name]: "ascending", [`-${name}`]: "descending" };
    link.parentElement.ariaSort = directions[selection.sort] ?? null;
    link.href = here({ sort: selection.sort === name ? `-${name}` : name });
  }
  for (const link of $("exports").querySelectorAll("a")) {
    link.href = locate(api, { ...selection, format: link.dataset.format });
  }
  const again = $("recheck");
  if (!again) return;
  again.action = locate(`${path}/recheck`, { show: selection.show || "bad", q: selection.q });
  const isBad = ["", "bad"].includes(selection.show);
  again.querySelector("button").textContent = isBad ? say("Check bad again") : say("Check these again");
}

function choose(changes) {
  selection = { ...selection, ...changes };
  history.replaceState(null, "", here({}));
  mark();
  onChange();
}

/** The links of this page that lead to a selection are followed without loading it. */
function follow(event) {
  const link = event.target.closest("a");
  const { ctrlKey, metaKey, shiftKey, altKey } = event;
  const isElsewhere = link?.href.split("?")[0] !== location.href.split("?")[0];
  if (isElsewhere || ctrlKey || metaKey || shiftKey || altKey) return;
  event.preventDefault();
  const chosen = selectionOf(Object.fromEntries(new URLSearchParams(link.search)));
  search.value = chosen.q;
  choose(chosen);
}

/** `call` is called after each change. */
export function begin(call) {
  onChange = call;
  search.addEventListener("input", () => choose({ q: search.value }));
  if (search.value !== selection.q) choose({ q: search.value }); // typed before the scripts were there
  search.form.addEventListener("submit", (event) => event.preventDefault());
  main.addEventListener("click", follow);
  if (location.pathname !== path) history.replaceState(null, "", here({})); // an action that was refused
}
