// Deletions: a row is hidden at once, its file deleted some seconds after the last one, unless that is undone.

import { $ } from "../web/dom.js";
import { note } from "../web/notices.js";
import { count, say } from "../web/words.js";
import { apiOf, filter, focus, hrefOf, nameOf, refresh, removed, rowOf, rows } from "./list.js";

const UNDO_S = 8;
const list = $("files");
/** What can be undone, the last one at the end: the rows of each deletion. One offer is for all of them. */
let waiting = [];
let offer = null;
/** Where the last deletion left the focus. */
let landed = null;

/** One file by its name, several by their number. */
const about = (some, one, more) =>
  some.length > 1 ? { text: count(some.length, more) } : { name: nameOf(some[0]), text: say(one) };

function tell() {
  offer ??= note({ action: say("Undo"), onAction: () => undo(Infinity), onEnd: finish, seconds: UNDO_S });
  offer.show(about(waiting.flat(), "deleted", "{n} file deleted|{n} files deleted"));
}

/** Hide rows, and delete their files unless that is undone. */
export function remove(...going) {
  const near = rows();
  const at = near.indexOf(going[0]);
  waiting.push(going);
  for (const row of going) removed.add(row);
  filter();
  tell();
  const next = near.slice(at + 1).find((row) => !row.hidden) ?? near.slice(0, Math.max(at, 0)).findLast((row) => !row.hidden);
  if (next) focus(next);
  else document.activeElement.blur();
  landed = document.activeElement;
  for (const row of going) list.dispatchEvent(new CustomEvent("gone", { detail: hrefOf(row) }));
}

/** Undo the last deletions, so many of them; false if there is none. */
export function undo(number = 1) {
  const back = waiting.splice(-number).flat();
  if (!back.length) return false;
  for (const row of back) removed.delete(row);
  filter();
  if (waiting.length) tell();
  else offer.end();
  const gone = back.filter((row) => !rowOf(hrefOf(row)));
  const forms = "{n} file is no longer there.|{n} files are no longer there.";
  if (gone.length) note({ ...about(gone, "is no longer there.", forms), refused: true });
  focus(rowOf(hrefOf(back[0])));
  return true;
}

/** Go to the offer from where the last deletion left the focus; false from elsewhere. */
export function reach() {
  if (!offer?.line.isConnected || document.activeElement !== landed) return false;
  offer.line.querySelector(".action").focus();
  return true;
}

/** Delete the files that wait. */
async function finish() {
  const going = waiting.flat();
  [waiting, offer] = [[], null];
  if (!going.length) return;
  const reasons = await Promise.all(going.map(destroy));
  await refresh(); // a list that was asked for before may still have them
  const kept = going.filter((_, at) => reasons[at]);
  for (const row of going) {
    if (kept.includes(row)) removed.delete(row);
    else row.remove();
  }
  filter();
  if (!kept.length) return;
  const { name, text } = about(kept, "was not deleted.", "{n} file was not deleted.|{n} files were not deleted.");
  note({ name, text: [text, ...new Set(reasons.filter(Boolean))].join(" "), refused: true });
}

/** Delete a file, unless another has deleted or replaced it. @returns {Promise<string>} why it is still there */
async function destroy(row) {
  const headers = { "If-Match": `"${row.dataset.key}"` };
  const answer = await fetch(apiOf(hrefOf(row)), { method: "DELETE", headers, keepalive: true }).catch(() => null);
  if (!answer) return say("The server cannot be reached.");
  if (answer.ok || [404, 412].includes(answer.status)) return "";
  const { detail } = await answer.json().catch(() => ({}));
  return detail ? say(detail) : say("The server answered {status}.", answer);
}

export function begin() {
  // The second click of a double one would meet the row that has moved up.
  list.addEventListener("click", ({ target, detail }) => {
    if (target.matches(".delete") && detail < 2) remove(target.closest(".file"));
  });
  // A page that is left has not undone it.
  window.addEventListener("pagehide", () => offer?.end());
}
