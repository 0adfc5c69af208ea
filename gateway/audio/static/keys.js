// The keyboard, where no field has it.

import { $ } from "./dom.js";
import { focused, move, remove } from "./list.js";
import { dismiss } from "./notices.js";
import { skip, step, toggle } from "./player.js";

const SKIP_S = 5;
const [help, search] = [$("keys"), $("search")];

/** @type {Record<string, (event: KeyboardEvent) => unknown>} A key is taken unless its call says false. */
const KEYS = {
  " ": ({ target }) => !target.matches("button, #file") && toggle(),
  ArrowLeft: ({ shiftKey }) => (shiftKey ? step(-1) : skip(-SKIP_S)),
  ArrowRight: ({ shiftKey }) => (shiftKey ? step(1) : skip(SKIP_S)),
  ArrowUp: () => move(-1),
  ArrowDown: () => move(1),
  Delete: () => Boolean(focused()) && remove(focused()),
  Escape: dismiss,
  "/": () => search.select(),
  "?": () => help.showModal(),
};

function press(event) {
  const { key, target } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
  if (target === search) {
    if (key === "ArrowDown" || key === "Enter") move(1);
    else if (key === "Escape" && !search.value) search.blur();
    else return;
  } else if (target.matches("select, #volume") || !KEYS[key] || KEYS[key](event) === false) return;
  event.preventDefault();
}

export function begin() {
  document.addEventListener("keydown", press);
  $("help").onclick = () => help.showModal();
}
