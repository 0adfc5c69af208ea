// Lines that say what happened: announced, and there until they are dismissed or their time is over.

import { $ } from "./dom.js";

const place = $("notices");

/**
 * @param {{name?: string, text: string, action?: string, onAction?: () => void, onEnd?: () => void,
 *   seconds?: number, refused?: boolean}} what `onEnd` is called when it goes without its action
 * @returns {(text?: string) => void} says something else in its place, or takes it away
 */
export function note({ name = "", text, action, onAction, onEnd, seconds, refused = false }) {
  const line = $("notice").content.firstElementChild.cloneNode(true);
  const part = (selector) => line.querySelector(selector);
  let timer = 0;
  const end = (call) => {
    clearTimeout(timer);
    if (!line.isConnected) return;
    line.remove();
    call?.();
  };
  const wait = () => {
    clearTimeout(timer);
    if (seconds) timer = setTimeout(end, seconds * 1000, onEnd);
  };
  part(".name").textContent = name;
  if (action) Object.assign(part(".action"), { textContent: action, hidden: false, onclick: () => end(onAction) });
  part(".close").onclick = () => end(onEnd);
  // Who reads or reaches for it has all the time.
  for (const event of ["pointerenter", "focusin"]) line.addEventListener(event, () => clearTimeout(timer));
  for (const event of ["pointerleave", "focusout"]) line.addEventListener(event, wait);
  line.classList.add(refused ? "refused" : "taken");
  line.setAttribute("role", refused ? "alert" : "status");
  place.append(line);
  part("strong").textContent = text;
  wait();
  return (next) => {
    if (!next) end(onEnd);
    else part("strong").textContent = next;
  };
}

/** Dismiss the newest; false if there is none. */
export function dismiss() {
  const last = place.lastElementChild;
  last?.querySelector(".close").click();
  return Boolean(last);
}
