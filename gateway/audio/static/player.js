// One player at the foot: what plays, where it is, what comes next.

import { $, keep } from "./dom.js";
import { apiOf, hrefOf, nameOf, rowOf, rows } from "./list.js";
import { note } from "./notices.js";
import { draw } from "./wave.js";
import { clock, count, figure, say } from "./words.js";

const session = navigator.mediaSession;
const audio = $("audio");
const [list, player, seek, wave, volume] = [$("files"), $("player"), $("seek"), $("wave"), $("volume")];
let href = "";
let place = 0;
let stop = new AbortController();

const start = () => audio.play().catch(() => {}); // the error event says why
const pauseOrGo = () => (audio.paused ? start() : audio.pause());

/** Play a row; the one that is in the player stops, or goes on. */
export function play(row) {
  if (!row) return;
  if (hrefOf(row) === href) {
    pauseOrGo();
    return;
  }
  href = hrefOf(row);
  place = [...list.children].indexOf(row);
  show(row);
  audio.src = href;
  start();
}

/** Play or stop what is in the player, or begin with the first row. */
export const toggle = () => (href ? pauseOrGo() : play(rows()[0]));

/** Play the row after (1) or before (-1) the one at hand. */
export function step(by) {
  const way = by > 0 ? "nextElementSibling" : "previousElementSibling";
  const row = rowOf(href);
  let next = row ? row[way] : list.children[place]; // what has taken the place of one that is gone
  while (next?.hidden) next = next[way];
  if (by < 0 && audio.currentTime > 3) audio.currentTime = 0;
  else play(next);
}

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

/** Show which row is in the player, and whether it plays. */
export function mark() {
  const row = rowOf(href);
  for (const old of list.querySelectorAll(".current")) {
    old.classList.remove("current", "playing");
    old.querySelector(".play").removeAttribute("aria-current");
  }
  row?.classList.add("current");
  row?.querySelector(".play").setAttribute("aria-current", "true");
  for (const element of [row, player]) element?.classList.toggle("playing", !audio.paused);
  $("toggle").setAttribute("aria-label", say(audio.paused ? "Play" : "Pause"));
  if (session) session.playbackState = audio.paused ? "paused" : "playing";
}

function show(row) {
  stop.abort();
  stop = new AbortController();
  player.hidden = false;
  $("title").textContent = $("title").title = nameOf(row);
  $("details").textContent = "";
  $("cover").replaceChildren();
  wave.classList.remove("drawn");
  describe(stop.signal).catch(() => {});
}

/** What the library knows of the file: cover, details, waveform. */
async function describe(signal) {
  const answer = await fetch(apiOf(href), { signal, headers: { Accept: "application/json" } });
  if (!answer.ok) return;
  const file = await answer.json();
  const { title, artist, album, cover, channels, bit_rate_bps: bits, sample_rate_hz: samples } = file;
  $("details").textContent = [
    artist,
    album,
    title,
    bits && say("{n} kbit/s", { n: figure(bits / 1000) }),
    samples && say("{n} kHz", { n: figure(samples / 1000, { maximumFractionDigits: 1 }) }),
    channels && ([, say("mono"), say("stereo")][channels] ?? count(channels, "{n} channel|{n} channels")),
  ].filter(Boolean).join(" · ");
  if (cover) $("cover").replaceChildren(Object.assign(new Image(), { src: cover, alt: "" }));
  if (session) {
    const artwork = cover ? [{ src: cover }] : [];
    session.metadata = new MediaMetadata({ title: title ?? file.name, artist: artist ?? "", album: album ?? "", artwork });
  }
  const path = await draw(file, signal);
  for (const line of wave.querySelectorAll("path")) line.setAttribute("d", path);
  wave.classList.toggle("drawn", path !== "");
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
}

/** It could not be played: say so, with what to do. */
async function fail() {
  if (!href) return;
  const [name, url] = [$("title").textContent, `${href}?download=`];
  const answer = await fetch(href, { method: "HEAD" }).catch(() => null);
  const words = { 200: "cannot be played by this browser.", 404: "is no longer there." };
  const text = say(words[answer?.status] ?? "The server cannot be reached.");
  note({ name, text, action: answer?.ok && say("Download"), onAction: () => location.assign(url), refused: true });
}

function loud() {
  volume.value = audio.muted ? 0 : audio.volume;
  volume.style.setProperty("--played", `${volume.value * 100}%`);
  $("mute").setAttribute("aria-pressed", audio.muted);
}

export function begin() {
  const on = (events, call) => events.split(" ").forEach((event) => audio.addEventListener(event, call));
  on("play pause ended", mark);
  on("timeupdate durationchange seeking emptied", tick);
  on("ended", () => step(1));
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
    play(target.closest(".file"));
  });
  list.addEventListener("gone", ({ detail }) => detail === href && close());
  for (const [action, call] of Object.entries({
    play: pauseOrGo,
    pause: pauseOrGo,
    nexttrack: () => step(1),
    previoustrack: () => step(-1),
    seekto: ({ seekTime }) => skip(seekTime - audio.currentTime),
  })) session?.setActionHandler(action, call);
}
