// Which rows this browser cannot play: they say so, so that one need not try.

import { $ } from "../web/dom.js";
import { say } from "../web/words.js";
import { rows } from "./list.js";

const audio = new Audio();
const answers = new Map();

function canPlay(type) {
  if (!answers.has(type)) answers.set(type, audio.canPlayType(type) !== "");
  return answers.get(type);
}

/** A row that can only be downloaded here. */
export function markUnplayable(row) {
  if (row) row.querySelector(".name").dataset.badge = say("download only");
}

/** Look at the rows that are here. */
function look() {
  for (const row of rows()) if (!canPlay(row.dataset.type)) markUnplayable(row);
}

export function begin() {
  $("files").addEventListener("rows", look);
  look();
}
