// The shape of a sound, as bars: decoded by the browser, kept for the files that were played.

const BARS = 200;
const HEIGHT = 32;
const MAX_BYTES = 24e6;
const MAX_S = 1200;
const RATE_HZ = 8000;
/** Paths (6 kB each) by the file and its state. */
const kept = new Map();

/** The bars of a file as an SVG path in a box of 200 by 32; "" if it is too large or cannot be decoded. */
export async function draw({ url, size_bytes, duration_s, uploaded_at }, signal) {
  if (size_bytes > MAX_BYTES || !(Number(duration_s) <= MAX_S)) return "";
  const key = url + uploaded_at;
  if (!kept.has(key)) {
    const path = await decode(url, signal).then(trace, () => "");
    signal.throwIfAborted();
    kept.set(key, path);
  }
  return kept.get(key);
}

/** At a low rate: ten minutes are 19 MB instead of 200. */
async function decode(url, signal) {
  const answer = await fetch(url, { signal, priority: "low" });
  if (!answer.ok) throw new Error(String(answer.status));
  const sound = await new OfflineAudioContext(1, 1, RATE_HZ).decodeAudioData(await answer.arrayBuffer());
  return sound.getChannelData(0);
}

function trace(samples) {
  const step = samples.length / BARS;
  const levels = Array.from({ length: BARS }, (_, bar) => {
    let sum = 0;
    const [start, end] = [Math.floor(bar * step), Math.floor((bar + 1) * step)];
    for (let at = start; at < end; at++) sum += samples[at] ** 2;
    return Math.sqrt(sum / Math.max(end - start, 1));
  });
  const loudest = Math.max(...levels);
  if (!loudest) return "";
  return levels.map((level, bar) => {
    const length = Math.max((level / loudest) * HEIGHT, 2);
    return `M${bar + 0.15} ${((HEIGHT - length) / 2).toFixed(1)}h.7v${length.toFixed(1)}h-.7z`;
  }).join("");
}
