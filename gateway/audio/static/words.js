// What the scripts say, in the language of the page: English is the key, the page brings the table.

const { words, hints } = document.body.dataset;
const table = JSON.parse(words);
const advice = JSON.parse(hints);
const language = document.documentElement.lang;
const rules = new Intl.PluralRules(language);

/** A sentence, with values for the `{names}` in it. */
export const say = (text, values = {}) =>
  (table[text] ?? text).replace(/\{(\w+)\}/g, (_, name) => String(values[name]));

/** What to do about a problem. */
export const hint = (code) => advice[code] ?? "";

/** A counted word, `{n} file|{n} files`, in the form of its number. */
export function count(n, forms) {
  const choices = (table[forms] ?? forms).split("|");
  return choices[{ one: 0, few: 1 }[rules.select(n)] ?? choices.length - 1].replace("{n}", n);
}

/** 0:07, 3:12, 1:02:03. */
export function clock(seconds) {
  if (!Number.isFinite(seconds)) return "–";
  const whole = Math.floor(seconds);
  const two = (n) => String(n).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return `${hours ? `${hours}:${two(minutes)}` : minutes}:${two(whole % 60)}`;
}

export const figure = (n, options = {}) =>
  new Intl.NumberFormat(language, { maximumFractionDigits: 0, ...options }).format(n);

/** The words for so many bytes a second. */
export const speed = (rate) =>
  figure(rate / 1e6, { style: "unit", unit: "megabyte-per-second", maximumFractionDigits: rate < 1e7 ? 1 : 0 });
