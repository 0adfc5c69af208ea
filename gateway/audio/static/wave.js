// The shape of a sound, as bars: decoded by the browser, kept for the files that were played.

import { say } from "../web/words.js";

const BARS = 200;
const HEIGHT = 32;
const RATE_HZ = 8000;
/** What is decoded whole: ten minutes at a low rate are 19 MB instead of 200. */
const MAX_BYTES = 24e6;
const MAX_S = 1200;
/** Of a longer file these many pieces are heard, of so many bytes each. */
const PIECES = 100;
const PIECE_BYTES = 49_152;
const AT_ONCE = 4;
/** Forms whose frames can be decoded from any place on. */
const IN_PIECES = new Set(["audio/mpeg", "audio/aac"]);
/** Paths (6 kB each) by the file and its state. */
const kept = new Map();

/**
 * The bars of a file as an SVG path in a box of 200 by 32, or "" and the reason why there are none.
 * @returns {Promise<{ path: string, reason: string }>}
 */
export async function draw({ url, size_bytes, duration_s, content_type, uploaded_at }, signal) {
  const key = url + uploaded_at;
  if (kept.has(key)) return kept.get(key);
  const isShort = size_bytes <= MAX_BYTES && Number(duration_s) <= MAX_S;
  if (!isShort && !IN_PIECES.has(content_type)) {
    return { path: "", reason: say("No waveform: a file of this form is too long for one.") };
  }
  const levels = await (isShort ? hear(url, signal) : sample(url, size_bytes, signal)).catch(() => []);
  signal.throwIfAborted();
  const path = trace(levels);
  kept.set(key, { path, reason: path ? "" : say("No waveform: this browser cannot decode the file.") });
  return kept.get(key);
}

/** The samples of a file or of a piece of it, at a low rate. */
async function decode(url, signal, headers = {}) {
  const answer = await fetch(url, { signal, headers, priority: "low" });
  if (!answer.ok) throw new Error(String(answer.status));
  const sound = await new OfflineAudioContext(1, 1, RATE_HZ).decodeAudioData(await answer.arrayBuffer());
  return sound.getChannelData(0);
}

/** How loud a part of the samples is (root of the mean square). */
function level(samples, start = 0, end = samples.length) {
  let sum = 0;
  for (let at = start; at < end; at++) sum += samples[at] ** 2;
  return Math.sqrt(sum / Math.max(end - start, 1));
}

/** The levels of a file that is decoded whole. */
async function hear(url, signal) {
  const samples = await decode(url, signal);
  const step = samples.length / BARS;
  return Array.from({ length: BARS }, (_, bar) => level(samples, Math.floor(bar * step), Math.floor((bar + 1) * step)));
}

/** The levels of pieces of a long file, each as far from the next. */
async function sample(url, size, signal) {
  const levels = Array(PIECES).fill(0);
  let next = 0;
  async function listen() {
    while (next < PIECES) {
      const piece = next++;
      const start = Math.floor((piece * (size - PIECE_BYTES)) / (PIECES - 1));
      const Range = `bytes=${start}-${start + PIECE_BYTES - 1}`;
      levels[piece] = await decode(url, signal, { Range }).then((samples) => level(samples), () => 0); // a picture among the tags is no sound
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, listen));
  return levels;
}

function trace(levels) {
  const loudest = Math.max(0, ...levels);
  if (!loudest) return "";
  const width = BARS / levels.length;
  return levels.map((each, bar) => {
    const length = Math.max((each / loudest) * HEIGHT, 2);
    const [x, bold] = [(bar * width + 0.15).toFixed(2), (width - 0.3).toFixed(1)];
    return `M${x} ${((HEIGHT - length) / 2).toFixed(1)}h${bold}v${length.toFixed(1)}h-${bold}z`;
  }).join("");
}
