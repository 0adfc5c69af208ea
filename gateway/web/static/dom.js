// The page and the browser's memory at hand.

/** The path below which all of this is served; nothing where it has a name of its own. */
export const { root } = document.body.dataset;

/** @type {(id: string) => any} */
export const $ = (id) => document.getElementById(id);

/**
 * What this browser keeps under a name; `value` changes it, null forgets it. Nothing where storage is forbidden.
 * @param {string} name @param {string | null} [value] @returns {string | null}
 */
export function keep(name, value) {
  try {
    if (value === null) localStorage.removeItem(name);
    else if (value !== undefined) localStorage.setItem(name, value);
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}
