// The keyboard, where no field has it.

import { reach, remove, undo } from "./deletions.js";
import { $ } from "./dom.js";
import { focused, move } from "./list.js";
import { dismiss } from "./notices.js";
import { skip, step, toggle } from "./player.js";

const SKIP_S = 5;
const [help, search] = [$("keys"), $("search")];

/** @type {Record<string, (event: KeyboardEvent) => unknown>} A key is taken unless its call says false. */
const KEYS = {
  " ": ({ target }) => !target.matches("button, #file") && toggle(),
  ArrowLeft: ({ shiftKey, repeat }) => (shiftKey ? repeat || step(-1) : skip(-SKIP_S)),
  ArrowRight: ({ shiftKey, repeat }) => (shiftKey ? repeat || step(1) : skip(SKIP_S)),
  ArrowUp: () => move(-1),
  ArrowDown: () => move(1),
  Tab: ({ shiftKey }) => !shiftKey && reach(),
  Delete: () => Boolean(focused()) && remove(focused()),
  u: () => undo(),
  "^z": ({ shiftKey }) => !shiftKey && undo(),
  Escape: dismiss,
  "/": () => search.select(),
  "?": () => help.showModal(),
};

/** A key by what is on it; where that is a letter of another alphabet, by what a Latin keyboard has there. */
function nameOf({ key = "", code, ctrlKey, metaKey }) {
  const name = key.length > 1 ? key : (key > "~" ? code.at(-1) ?? key : key).toLowerCase();
  return ctrlKey || metaKey ? `^${name}` : name;
}

/** Do what a key is for in the search; false if it is for nothing. */
function find(name) {
  if (name === "ArrowDown" || name === "Enter") move(1);
  else if (name === "Escape" && !search.value) search.blur();
  else return false;
  return true;
}

/** Do what a key is for elsewhere; false if it is for nothing. */
function act(name, event) {
  // A key that is held down moves and seeks on; any other is one press, also Enter on a link or a button.
  if (event.repeat && (name in KEYS || name === "Enter") && !/^(Arrow|Tab)/.test(name)) return true;
  if (help.open || !KEYS[name] || (event.target.matches("select, #volume") && name !== "^z")) return false;
  return KEYS[name](event) !== false;
}

function press(event) {
  const name = nameOf(event);
  if (!event.altKey && (event.target === search ? find(name) : act(name, event))) event.preventDefault();
}

export function begin() {
  document.addEventListener("keydown", press);
  $("help").onclick = () => help.showModal();
}
