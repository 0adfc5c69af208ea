// What was left out of drops: one line that counts all of it by its kind.

import { note } from "../web/notices.js";
import { count, say } from "../web/words.js";

/** Kinds of files that lie beside songs, by name and type. */
const KINDS = [
  [/\.(m3u8?|pls|xspf|wpl|asx)$/i, /mpegurl|scpls|xspf/, "{n} playlist|{n} playlists"],
  [/\.(jpe?g|png|gif|webp|bmp|tiff?|heic)$/i, /^image\//, "{n} picture|{n} pictures"],
  [/\.(mkv|avi|mov|wmv|webm|mpe?g)$/i, /^video\//, "{n} video|{n} videos"],
  [/\.(pdf|docx?|epub|rtf|odt)$/i, /pdf$/, "{n} document|{n} documents"],
  [/\.(txt|nfo|log|md|cue|lrc|sfv|md5|ffp|ini|html?|xml|json|csv)$/i, /^text\//, "{n} text file|{n} text files"],
];
const OTHERS = "{n} other file|{n} other files";
let left = [];
let line = null;

/** The words that count files such as this one, which is not audio. */
export const kindOf = ({ name, type }) =>
  KINDS.find(([endings, types]) => endings.test(name) || types.test(type))?.at(-1) ?? OTHERS;

/** Add to the line, which stays until it is dismissed. @param {[name: string, why: string][]} found */
export function tellLeft(found) {
  left.push(...found);
  if (!left.length) return;
  const numbers = {};
  for (const [, why] of left) numbers[why] = (numbers[why] ?? 0) + 1;
  const what = Object.entries(numbers).map(([why, n]) => count(n, why)).join(", ");
  line ??= note({ onEnd: () => ([left, line] = [[], null]) });
  line.show({ name: left.map(([name]) => name).filter(Boolean).join(", "), text: say("Left out: {what}", { what }) });
}
