// What this browser remembers from one visit to the next.

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
