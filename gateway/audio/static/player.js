// One player at the foot: what plays, where it is, what comes next.

import { $, root } from "../web/dom.js";
import { note } from "../web/notices.js";
import { keep } from "../web/storage.js";
import { say } from "../web/words.js";
import { describe } from "./details.js";
import { find, hrefOf, hrefTo, identify, identityOf, nameOf, placeOf, rowOf, rows } from "./list.js";
import * as modes from "./modes.js";
import * as places from "./places.js";
import { markUnplayable } from "./playable.js";

const session = navigator.mediaSession;
const audio = $("audio");
const [list, player, seek, wave, volume] = [$("files"), $("player"), $("seek"), $("wave"), $("volume")];
const pageTitle = document.title;
const SAVE_S = 5;
/** What is in the player: nothing while `href` is empty. */
let [href, name, etag] = ["", "", ""];
/** Its place in the list. */
let place = 0;
let savedAt = 0;
let stop = new AbortController();

/** 0:07, 3:12, 1:02:03. */
function clock(seconds) {
  if (!Number.isFinite(seconds)) return "–";
  const whole = Math.floor(seconds);
  const two = (n) => String(n).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return `${hours ? `${hours}:${two(minutes)}` : minutes}:${two(whole % 60)}`;
}

const start = () => audio.play().catch(() => {}); // the error event says why
const pauseOrGo = () => (audio.paused ? start() : audio.pause());

/** Put a file into the player, at a second of it. */
function load(file, second = 0, speed = audio.playbackRate) {
  ({ href, name, etag } = file);
  stop.abort();
  stop = new AbortController();
  audio.src = second ? `${href}#t=${second}` : href;
  modes.setSpeed(speed);
  savedAt = second;
  show();
}

/** Play a row from its beginning; a long one from where it was left. */
function play(row) {
  if (!row) return;
  place = placeOf(row);
  const left = places.find(row.dataset.key);
  load({ href: hrefOf(row), name: nameOf(row), etag: row.dataset.key }, left?.second, left?.speed);
  start();
}

/** Play a row; the one that is in the player stops, or goes on. */
export const choose = (row) => (row && hrefOf(row) === href ? pauseOrGo() : play(row));

/** Play or stop what is in the player, or begin with the first row. */
export const toggle = () => (href ? pauseOrGo() : play(rows()[0]));

/** Play the row that follows (1) or comes before (-1) the one at hand. */
export async function step(by) {
  if (by < 0 && audio.currentTime > 3) {
    audio.currentTime = 0;
    return;
  }
  const row = rowOf(href);
  if (row) place = placeOf(row);
  const at = row || by < 0 ? place : place - 1; // what has taken the place of one that is gone follows it
  const next = modes.follow(at, by, Number(list.dataset.matching));
  if (next !== undefined) play(await find(next, by));
}

/** At the end of a file: again, the next one, or silence. */
function end() {
  save();
  if (modes.sleepsNow()) return;
  if (!modes.repeatsOne()) step(1);
  else start();
}

/** Keep where the file is. */
function save() {
  if (!href || !audio.duration) return;
  savedAt = audio.currentTime;
  places.save({ etag, href, name, second: savedAt, speed: audio.playbackRate, length: audio.duration });
}

/** The file and the second that the address names, or the file that was played last, if it is still the same. */
async function restore() {
  const asked = new URLSearchParams(location.search);
  const linked = asked.get("play");
  const wanted = linked ? { href: hrefTo(linked), name: linked, second: Number(asked.get("t")) || 0 } : places.last();
  if (!wanted) return;
  const answer = await fetch(wanted.href, { method: "HEAD" }).catch(() => null);
  if (linked && answer?.status === 404) note({ name: linked, text: say("is no longer there."), refused: true });
  const state = answer?.ok && answer.headers.get("ETag").replaceAll('"', "");
  if (!state || href || !(linked || state === wanted.etag)) return;
  load({ ...wanted, etag: state }, wanted.second, wanted.speed);
  if (linked) start();
}

/** The address of this page with what plays at the second where it is. */
const locate = () => {
  const moment = new URLSearchParams({ play: name, t: Math.floor(audio.currentTime) });
  return new URL(`${root}/?${moment}`, location.href).href;
};

export function skip(seconds) {
  if (audio.duration) audio.currentTime = Math.min(Math.max(audio.currentTime + seconds, 0), audio.duration);
}

function close() {
  stop.abort();
  audio.removeAttribute("src");
  audio.load();
  href = "";
  player.hidden = true;
  mark();
}

/** The row that is in the player, also if it has another name by now. */
function findCurrent() {
  const there = rowOf(href);
  const same = (row) => identityOf(row) === identify(etag);
  const row = !href || (there && same(there)) ? there : [...list.querySelectorAll(".file")].find(same) ?? there;
  if (row && hrefOf(row) !== href) {
    [href, name, etag] = [hrefOf(row), nameOf(row), row.dataset.key];
    $("title").textContent = $("title").title = name;
  }
  return row;
}

/** Show which row is in the player, and whether it plays. */
export function mark() {
  const row = findCurrent();
  for (const old of list.querySelectorAll(".current")) {
    old.classList.remove("current", "playing");
    old.querySelector(".play").removeAttribute("aria-current");
  }
  row?.classList.add("current");
  row?.querySelector(".play").setAttribute("aria-current", "true");
  for (const element of [row, player]) element?.classList.toggle("playing", !audio.paused);
  $("toggle").setAttribute("aria-label", say(audio.paused ? "Play" : "Pause"));
  document.title = href ? `${audio.paused ? "" : "▶ "}${name} · Gateway` : pageTitle;
  if (session) session.playbackState = audio.paused ? "paused" : "playing";
}

function show() {
  player.hidden = false;
  $("title").textContent = $("title").title = name;
  mark();
  describe(href, stop.signal);
}

function tick() {
  const { currentTime, duration } = audio;
  const known = Number.isFinite(duration);
  seek.max = known ? duration : 1;
  seek.value = known ? currentTime : 0;
  seek.disabled = !known;
  seek.setAttribute("aria-valuetext", say("{time} of {length}", { time: clock(currentTime), length: clock(duration) }));
  wave.style.setProperty("--played", `${known ? (currentTime / duration) * 100 : 0}%`);
  $("time").textContent = `${clock(currentTime)} / ${clock(duration)}`;
  if (Math.abs(currentTime - savedAt) >= SAVE_S) save();
}

/** It could not be played: say so, with what to do. */
async function fail() {
  if (!href) return;
  if (audio.getAttribute("src").split("#")[0] !== href) { // it has been renamed; what came under the old name is at its end
    const at = audio.currentTime;
    audio.src = href;
    audio.currentTime = at;
    start();
    return;
  }
  const [failed, url, row] = [name, `${href}?download=`, rowOf(href)];
  const answer = await fetch(href, { method: "HEAD" }).catch(() => null);
  const words = { 200: "cannot be played by this browser. Download it for a player such as VLC.", 404: "is no longer there." };
  const text = say(words[answer?.status] ?? "The server cannot be reached.");
  if (answer?.ok) markUnplayable(row);
  note({ name: failed, text, action: answer?.ok && say("Download"), onAction: () => location.assign(url), refused: true });
}

function loud() {
  volume.value = audio.muted ? 0 : audio.volume;
  volume.style.setProperty("--played", `${volume.value * 100}%`);
  $("mute").setAttribute("aria-pressed", audio.muted);
}

export function begin() {
  const on = (events, call) => events.split(" ").forEach((event) => audio.addEventListener(event, call));
  on("play pause ended", mark);
  on("pause", save);
  on("timeupdate durationchange seeking emptied", tick);
  on("ended", end);
  on("error", fail);
  on("volumechange", loud);
  seek.addEventListener("input", () => {
    audio.currentTime = seek.value;
  });
  volume.addEventListener("input", () => {
    audio.muted = false;
    audio.volume = keep("volume", volume.value) ?? volume.value;
  });
  audio.volume = keep("volume") ?? 1;
  loud();
  $("mute").onclick = () => {
    audio.muted = !audio.muted;
  };
  $("toggle").onclick = toggle;
  $("next").onclick = () => step(1);
  $("previous").onclick = () => step(-1);
  list.addEventListener("click", (event) => {
    const { target, ctrlKey, metaKey, shiftKey, altKey } = event;
    if (!target.matches(".play") || ctrlKey || metaKey || shiftKey || altKey) return; // those open it elsewhere
    event.preventDefault();
    choose(target.closest(".file"));
  });
  list.addEventListener("rows", mark);
  addEventListener("pagehide", save);
  modes.begin();
  $("how").addEventListener("beforetoggle", () => ($("moment").href = locate()));
  $("moment").addEventListener("click", (event) => {
    if (!navigator.clipboard) return; // without TLS: the address goes to the bar of the browser
    event.preventDefault();
    navigator.clipboard.writeText($("moment").href).then(() => note({ text: say("The link is copied.") }));
  });
  restore();
  list.addEventListener("gone", ({ detail }) => detail === href && close());
  for (const [action, call] of Object.entries({
    play: pauseOrGo,
    pause: pauseOrGo,
    nexttrack: () => step(1),
    previoustrack: () => step(-1),
    seekto: ({ seekTime }) => skip(seekTime - audio.currentTime),
  })) session?.setActionHandler(action, call);
}
