// What the server draws anew as the task goes on: pictures, recent tasks; at the end the rest of the page too.

import { $ } from "../web/dom.js";
import { ask } from "./feed.js";

/** Take over what is in a part; what is opened in it stays open, and the focus where it is. */
function replace(old, fresh) {
  if (!old || !fresh) return;
  const held = document.activeElement;
  const isHeld = old.contains(held);
  for (const details of fresh.querySelectorAll("details")) details.open = old.querySelector("[open]");
  old.replaceChildren(...fresh.childNodes);
  const links = [...old.querySelectorAll("a, summary")];
  if (isHeld) (links.find(({ href }) => href === held.href) ?? links[0]).focus({ preventScroll: true });
}

/** Draw the pictures anew. */
export async function redraw() {
  const page = new DOMParser().parseFromString(await ask(location.href), "text/html");
  const isLate = page.getElementById("stop") && !$("stop");
  for (const id of isLate ? [] : ["pictures", "recent", "blocked"]) replace($(id), page.getElementById(id));
  return page;
}

/** Take over all that shows the end, and give the line that says it. */
export async function finish() {
  const page = await redraw();
  if (document.activeElement.closest("#stop")) $("status").focus();
  for (const id of ["stop", "progress"]) $(id)?.remove();
  document.querySelector(".under").append(page.getElementById("recheck") ?? "");
  return page.getElementById("status");
}
