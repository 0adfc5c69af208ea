// What the library knows of the file in the player: tags, figures, cover, the shape of its sound.

import { $ } from "../web/dom.js";
import { count, figure, say } from "../web/words.js";
import { apiOf } from "./list.js";
import { draw } from "./wave.js";

const session = navigator.mediaSession;
const [details, cover, wave] = [$("details"), $("cover"), $("wave")];

/** The figures of a file in words; what is not known is left out. */
const listFigures = ({ channels, bit_rate_bps: bits, sample_rate_hz: samples }) => [
  bits && say("{n} kbit/s", { n: figure(bits / 1000) }),
  samples && say("{n} kHz", { n: figure(samples / 1000, { maximumFractionDigits: 1 }) }),
  channels && ([, say("mono"), say("stereo")][channels] ?? count(channels, "{n} channel|{n} channels")),
];

async function show(href, signal) {
  const answer = await fetch(apiOf(href), { signal, headers: { Accept: "application/json" } });
  if (!answer.ok) return;
  const file = await answer.json();
  const { title, artist, album } = file;
  details.textContent = [artist, album, title, ...listFigures(file)].filter(Boolean).join(" · ");
  if (file.cover) cover.replaceChildren(Object.assign(new Image(), { src: file.cover, alt: "" }));
  if (session) {
    const artwork = file.cover ? [{ src: file.cover }] : [];
    session.metadata = new MediaMetadata({ title: title ?? file.name, artist: artist ?? "", album: album ?? "", artwork });
  }
  const { path, reason } = await draw(file, signal);
  for (const line of wave.querySelectorAll("path")) line.setAttribute("d", path);
  wave.classList.toggle("drawn", path !== "");
  wave.title = reason;
}

/**
 * Show what is known of a file, in place of what is shown.
 * @param {string} href its address @param {AbortSignal} signal another file has taken its place
 */
export function describe(href, signal) {
  details.textContent = wave.title = "";
  cover.replaceChildren();
  wave.classList.remove("drawn");
  show(href, signal).catch(() => {}); // it can be heard without
}
