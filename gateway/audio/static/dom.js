// The page and the browser's memory at hand.

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
