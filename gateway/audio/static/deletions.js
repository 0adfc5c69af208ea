// Deletions: a row is hidden at once, its file deleted some seconds after the last one, unless that is undone.

import { $ } from "./dom.js";
import { apiOf, filter, focus, hrefOf, nameOf, refresh, removed, rowOf, rows } from "./list.js";
import { note } from "./notices.js";
import { count, say } from "./words.js";

const UNDO_S = 8;
const list = $("files");
/** The rows whose deletion can be undone, the last one at the end; one offer is for all of them. */
let waiting = [];
let offer = null;
/** Where the last deletion left the focus. */
let landed = null;

/** One file by its name, several by their number. */
const about = (some, one, more) =>
  some.length > 1 ? { text: count(some.length, more) } : { name: nameOf(some[0]), text: say(one) };

function tell() {
  offer ??= note({ action: say("Undo"), onAction: () => undo(Infinity), onEnd: finish, seconds: UNDO_S });
  offer.show(about(waiting, "deleted", "{n} file deleted|{n} files deleted"));
}

/** Hide a row, and delete its file unless that is undone. */
export function remove(row) {
  const near = rows();
  const at = near.indexOf(row);
  waiting.push(row);
  removed.add(row);
  filter();
  tell();
  if (near.length > 1) focus(near[at + 1] ?? near[at - 1]);
  else document.activeElement.blur();
  landed = document.activeElement;
  list.dispatchEvent(new CustomEvent("gone", { detail: hrefOf(row) }));
}

/** Undo the last deletions, so many of them; false if there is none. */
export function undo(number = 1) {
  const back = waiting.splice(-number);
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

/** Delete the files that wait. What another has deleted or replaced meanwhile has a row of its own, or none. */
async function finish() {
  const going = waiting.filter((row) => row.isConnected);
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

/** Delete a file. @returns {Promise<string>} why it is still there */
async function destroy(row) {
  const answer = await fetch(apiOf(hrefOf(row)), { method: "DELETE", keepalive: true }).catch(() => null);
  if (!answer) return say("The server cannot be reached.");
  if (answer.ok || answer.status === 404) return "";
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
