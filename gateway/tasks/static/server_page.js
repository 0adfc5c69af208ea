// What the server draws anew as the task goes on: pictures, recent tasks; at the end the rest of the page too.

import { $ } from "../web/dom.js";

/** The page as the server has it now. */
async function load() {
  const answer = await fetch(location.href);
  if (!answer.ok) throw new Error(String(answer.status));
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

/** Take over a part, unless it has the focus; what is opened in it stays open. */
function replace(page, id) {
  const [old, fresh] = [$(id), page.getElementById(id)];
  if (!old || !fresh || old.contains(document.activeElement)) return;
  const open = old.querySelector("details[open]");
  for (const details of fresh.querySelectorAll("details")) details.open = open;
  old.replaceWith(fresh);
}

/** Draw the pictures anew. */
export async function redraw() {
  const page = await load();
  for (const id of ["pictures", "recent", "messages"]) replace(page, id);
  return page;
}

/** Take over all that shows the end, and give the line that says it. */
export async function finish() {
  const page = await redraw();
  for (const id of ["stop", "progress", "recheck"]) $(id)?.remove();
  const again = page.getElementById("recheck");
  if (again) document.querySelector(".under").append(again);
  return page.getElementById("status");
}
