// What the scripts say, in the language of the page: English is the key, the page brings the table.

const table = JSON.parse(document.body.dataset.words);
const language = document.documentElement.lang;
const rules = new Intl.PluralRules(language);

/** A sentence, with values for the `{names}` in it. */
export const say = (text, values = {}) =>
  (table[text] ?? text).replace(/\{(\w+)\}/g, (_, name) => String(values[name]));

/** A counted word, `{n} file|{n} files`, in the form of its number. */
export function count(n, forms) {
  const choices = (table[forms] ?? forms).split("|");
  return choices[{ one: 0, few: 1 }[rules.select(n)] ?? choices.length - 1].replace("{n}", figure(n));
}

/** To make a format takes longer than to use it a hundred times. */
const formats = new Map();

/** A number as the language writes it; `options` as for Intl.NumberFormat, without decimals unless they ask for some. */
export function figure(n, options = {}) {
  const key = JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new Intl.NumberFormat(language, { maximumFractionDigits: 0, ...options }));
  return formats.get(key).format(n);
}
