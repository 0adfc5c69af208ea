// How the player goes on: its speed, in which order, whether again, and until when.

import { $ } from "../web/dom.js";
import { keep } from "../web/storage.js";

const audio = $("audio");
const [speed, shuffle, repeat, sleep] = [$("speed"), $("shuffle"), $("repeat"), $("sleep")];
/** Places of the list in a random order, for as long as the list has so many rows. */
let deck = [];
let bedtime = 0;

export const repeatsOne = () => repeat.value === "one";

/** @param {number} count how many rows there are */
function deal(count) {
  if (deck.length === count) return;
  deck = [...Array(count).keys()];
  for (let at = count - 1; at > 0; at -= 1) {
    const other = Math.floor(Math.random() * (at + 1));
    [deck[at], deck[other]] = [deck[other], deck[at]];
  }
}

/**
 * The place that follows (1) or comes before (-1) another; undefined at the end.
 * @param {number} place @param {number} by @param {number} count how many rows there are
 */
export function follow(place, by, count) {
  if (!count) return undefined;
  if (shuffle.checked) deal(count);
  const at = (shuffle.checked ? deck.indexOf(place) : place) + by;
  const next = repeat.value === "all" ? (at + count) % count : at;
  return shuffle.checked ? deck[next] : next >= 0 && next < count ? next : undefined;
}

/** Play at this speed from now on. */
export function setSpeed(value) {
  speed.value = [...speed.options].some((option) => Number(option.value) === value) ? String(value) : "1";
  audio.defaultPlaybackRate = audio.playbackRate = Number(speed.value);
}

/** Whether the sleep timer ends here, at the end of a file. */
export function sleepsNow() {
  const ends = sleep.value === "end";
  if (ends) sleep.value = "";
  return ends;
}

function arm() {
  clearTimeout(bedtime);
  const minutes = Number(sleep.value);
  if (!minutes) return;
  bedtime = setTimeout(() => {
    audio.pause();
    sleep.value = "";
  }, minutes * 60_000);
}

export function begin() {
  speed.addEventListener("change", () => setSpeed(Number(speed.value)));
  sleep.addEventListener("change", arm);
  repeat.value = keep("repeat") ?? "";
  shuffle.checked = keep("shuffle") !== null;
  repeat.addEventListener("change", () => keep("repeat", repeat.value));
  shuffle.addEventListener("change", () => {
    deck = [];
    keep("shuffle", shuffle.checked ? "1" : null);
  });
}
