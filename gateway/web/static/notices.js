// Lines that say what happened: announced, and there until they are dismissed or their time is over.

import { $ } from "./dom.js";

const place = $("notices");
// They are the first in the order of Tab, and are seen above the player.
new ResizeObserver(([{ target }]) => document.documentElement.style.setProperty("--foot", `${target.offsetHeight}px`)).observe($("foot"));

/** A line; one that has `seconds` is only hidden when it is dismissed, and ends in its time. Its `show` begins anew. */
export function note({ name, text, action, onAction, onEnd, seconds, refused = false }) {
  const line = $("notice").content.firstElementChild.cloneNode(true);
  const part = (selector) => line.querySelector(selector);
  let [timer, held, before] = [0, false, null];
  const hide = () => {
    const inside = line.contains(document.activeElement);
    line.remove();
    if (inside) before?.focus();
  };
  const end = () => {
    hide();
    clearTimeout(timer);
    onEnd?.();
  };
  const wait = (holds = held) => {
    held = holds;
    clearTimeout(timer);
    if (seconds && !held) timer = setTimeout(end, seconds * 1000);
  };
  const show = (what) => {
    if (!line.isConnected) place[action ? "prepend" : "append"](line); // what can be done comes first
    part(".name").textContent = what.name ?? "";
    part("strong").textContent = what.text;
    wait();
  };
  const act = () => {
    onAction();
    end();
  };
  const dismissed = () => {
    hide();
    wait(false);
  };
  if (action) Object.assign(part(".action"), { textContent: action, hidden: false, onclick: act });
  part(".close").onclick = seconds ? dismissed : end;
  // A reader, or a hand on its way to the button, has all the time.
  for (const event of ["pointerenter", "focusin"]) line.addEventListener(event, () => wait(true));
  for (const event of ["pointerleave", "focusout"]) line.addEventListener(event, () => wait(false));
  line.addEventListener("focusin", ({ relatedTarget }) => {
    if (!line.contains(relatedTarget)) before = relatedTarget;
  });
  line.classList.add(refused ? "refused" : "taken");
  line.setAttribute("role", refused ? "alert" : "status");
  if (text) show({ name, text });
  return { line, show, end };
}

/** Dismiss the lowest; false if there is none. */
export function dismiss() {
  const last = place.lastElementChild;
  last?.querySelector(".close").click();
  return Boolean(last);
}
