// URLs, codes and times as people read them: the same words as those of the server.

import { figure, say } from "../web/words.js";

const MAX_CHARS = 300;
const CONTROLS = /[\0-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\uffff]/g;
const LINKABLE = /^https?:\/\/[^\s<>"\\^`{|}]+$/i;

/** A text whose invisible characters can be seen. */
export const escapeControls = (text) =>
  text.replace(CONTROLS, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);

/** A text of one line, without the middle of a long one. */
function shorten(text) {
  const chars = escapeControls(text);
  const third = MAX_CHARS / 3;
  return chars.length > MAX_CHARS ? `${chars.slice(0, 2 * third)}…${chars.slice(-third)}` : chars;
}

let showHost = (url) => url;

/** Be ready to show the hosts of a text, which may be in IDNA. */
export async function prepare(text) {
  if (/xn--/i.test(text)) ({ showHost } = await import("./idna.js").catch(() => ({ showHost })));
}

/** A URL in one line that can be read. */
export const showUrl = (url) => shorten(showHost(url));

/** Whether a page may link to a URL. */
export const isLink = (url) => LINKABLE.test(url) && url.search(CONTROLS) < 0;

/** The class of a code: 2xx to 5xx (also 600 and over), `none` without an answer, empty while nothing is known. */
export function nameClass(code) {
  if (code === null) return "";
  return code ? `${Math.min(Math.max(Math.floor(code / 100), 2), 5)}xx` : "none";
}

/** What became of a URL in a word: `404`, `timeout`, `301 → 200`. */
export function showCode({ code, error, hops }) {
  if (code === null) return "…";
  const last = code ? String(code).padStart(3, "0") : (error ?? "").replaceAll("_", " ");
  return hops?.length ? `${hops[0].code} → ${last}` : last;
}

/** Where a URL leads, or why it gave no answer. */
export function showReason({ code, final_url, location, detail }) {
  const target = code && (final_url || location);
  return target ? showUrl(target) : shorten(detail || "");
}

/** A duration in two figures: 4 ms, 0.2 s, 30 s, 12 min. */
export function showSeconds(seconds) {
  if (seconds === null) return "";
  if (seconds < 0.0995) return say("{n} ms", { n: Math.max(1, Math.round(seconds * 1000)) });
  const places = { minimumFractionDigits: 1, maximumFractionDigits: 1 };
  if (seconds < 9.95) return say("{n} s", { n: figure(seconds, places) });
  return seconds < 120 ? say("{n} s", { n: Math.round(seconds) }) : say("{n} min", { n: Math.round(seconds / 60) });
}
