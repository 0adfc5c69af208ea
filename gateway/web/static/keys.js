// The keyboard, where no field has it, and the help that lists its keys.

import { $ } from "./dom.js";
import { dismiss } from "./notices.js";

const TEXT = "textarea, [type='text'], [type='search'], [type='url'], [type='number']";
/** Fields with keys of their own; they take no letters, so that Ctrl+… goes to the page. */
const CHOICE = "select, [data-own-keys]";
const [help, search] = [$("keys"), $("search")];

/** A key by what is on it; where that is a letter of another alphabet, by what a Latin keyboard has there. */
function nameOf({ key = "", code, ctrlKey, metaKey }) {
  const name = key.length > 1 ? key : ((key > "~" && /^(?:Key|Digit)(.)$/.exec(code)?.[1]) || key).toLowerCase();
  return ctrlKey || metaKey ? `^${name}` : name;
}

/**
 * Take the keys of a page, and those of every page: `/` searches, Esc dismisses the lowest notice, `?` opens the help.
 * A key is left to the browser if its call says false. One that is held down counts once, but for arrows and Tab.
 * The calls of `keys` are by name, `^z` with Ctrl or Cmd; those of `searching` are for the search field.
 */
export function listen(keys, searching = {}) {
  const elsewhere = { Escape: dismiss, "/": () => search !== null && search.select(), "?": () => help.showModal(), ...keys };
  const inside = { Escape: () => !search.value && search.blur(), ...searching };

  function act(name, { target, repeat }) {
    if (target === search) return inside[name];
    if (target.matches(TEXT)) return null;
    if (repeat && (elsewhere[name] || name === "Enter") && !/^(Arrow|Tab)/.test(name)) return () => {};
    if (document.querySelector("dialog[open]") || (target.matches(CHOICE) && name[0] !== "^")) return null;
    return elsewhere[name];
  }
  document.addEventListener("keydown", (event) => {
    const call = !event.altKey && act(nameOf(event), event);
    if (call && call(event) !== false) event.preventDefault();
  });
  $("help").onclick = () => help.showModal();
}
