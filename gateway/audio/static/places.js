// Where each file was left: kept by this browser alone, by the entity tag, so that another file of the name begins anew.

import { keep } from "../web/storage.js";

/** @typedef {{ etag: string, href: string, name: string, second: number, speed: number }} Place */

const MOST = 100;
/** A file that is shorter begins anew when it is chosen: a song, not a book. */
const LONG_S = 600;
/** So near to its beginning or its end a file has not been left in the middle. */
const MARGIN_S = 10;

/** @returns {Place[]} the file that was played last comes first */
function read() {
  try {
    const places = JSON.parse(keep("places") ?? "[]");
    return Array.isArray(places) ? places : [];
  } catch {
    return [];
  }
}

/** The place of the file that was played last. */
export const last = () => read()[0];

/** The place where a file of this state was left, if it is one of those that one does not hear in one go. */
export const find = (etag) => read().find((place) => place.etag === etag && place.isLong);

/** @param {Place & { length: number }} place what is played, and its length in seconds */
export function save({ etag, href, name, second, speed, length }) {
  const isInside = second > MARGIN_S && second < length - MARGIN_S;
  const place = { etag, href, name, second: isInside ? second : 0, speed, isLong: length >= LONG_S };
  keep("places", JSON.stringify([place, ...read().filter((other) => other.etag !== etag)].slice(0, MOST)));
}
