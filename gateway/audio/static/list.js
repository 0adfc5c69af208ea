// The list: searched and sorted by the server while one types, its rows in groups; which of them are shown.

import { $, root } from "../web/dom.js";
import { count, figure, say } from "../web/words.js";
import * as groups from "./groups.js";
import { find, here, hrefOf, placeOf } from "./groups.js";

export { find, hrefOf, placeOf };

const [list, search, sort, unmatched] = [$("files"), $("search"), $("sort"), $("unmatched")];
const { dataset } = document.body;
/** A list that took as long is not slow: the machine slept meanwhile. */
const SLEPT_MS = 300_000;
let refreshing = null;
let again = false;

const keyOf = (row) => `${row.dataset.key} ${hrefOf(row)}`;
const hidden = new Set();
/** Rows that are not shown, whatever is searched: their files are deleted, or are about to be. */
export const removed = {
  add: (row) => hidden.add(keyOf(row)),
  delete: (row) => hidden.delete(keyOf(row)),
};

export const nameOf = (row) => row.querySelector(".name").textContent;
/** What of a file stays the same under another name: its inode, size and time. */
export const identify = (key) => key.split("-", 3).join("-");
export const identityOf = (row) => identify(row.dataset.key);
/** The rows that are here and shown, in order. */
export const rows = () => [...here].filter((row) => !row.hidden);
export const rowOf = (href) => [...here].find((row) => hrefOf(row) === href);
/** The state of the list that is shown. */
export const revision = () => dataset.revision;
/** The address of the bytes of a file, escaped as the server does it. */
export const hrefTo = (name) =>
  `${root}/audio/${encodeURIComponent(name).replace(/%(24|2C|3A|3D|40)/g, decodeURIComponent)}`;
/** The address of a file in the API. */
export const apiOf = (href) => `${root}/api/v1${href.slice(root.length)}`;
export const focus = (row) => row?.querySelector(".play").focus();
export const focused = () => document.activeElement?.closest(".file");
const read = () => ({ sort: sort.value, q: search.value });

/** Show the rows but those that are removed, and say how many they are. */
export function filter() {
  for (const row of here) row.hidden = hidden.has(keyOf(row));
  const gone = list.querySelectorAll(".file[hidden]").length;
  const [shown, total] = [list.dataset.matching - gone, list.dataset.total - gone];
  list.hidden = $("count").hidden = $("exports").hidden = !shown;
  $("empty").hidden = total > 0;
  unmatched.hidden = shown > 0 || !total;
  unmatched.querySelector("bdi").textContent = `“${search.value}”`;
  const of = shown < total ? ` ${say("of {n}", { n: figure(total) })}` : "";
  $("count").textContent = count(shown, "{n} file|{n} files") + of;
}

async function load() {
  const page = await groups.load(read());
  $("reading").textContent = page.getElementById("reading").textContent;
}

/** Show the list as the server has it now. Calls during a call end in one more. */
export function refresh() {
  again = true;
  refreshing ??= (async () => {
    while (again) {
      again = false;
      const started = performance.now();
      await load().catch(() => {}); // the feed says so, and asks again
      // A list on a slow road leaves half of the road to the uploads that change it.
      const taken = performance.now() - started;
      if (taken > 0 && taken < SLEPT_MS) await new Promise((done) => setTimeout(done, taken));
    }
    refreshing = null;
  })();
  return refreshing;
}

/** Move the focus up or down the list, unless it has gone elsewhere while the row was fetched. */
export async function move(by) {
  const before = document.activeElement;
  const row = focused() ?? list.querySelector(".current");
  const next = await (row ? find(placeOf(row) + by, by) : find(0, 1));
  if ([before, document.body].includes(document.activeElement)) focus(next);
}

/** Search, order and deletion from now on without loading the page. */
export function begin() {
  const show = () => {
    const query = new URLSearchParams(new FormData(search.form));
    history.replaceState(null, "", `${root}/?${query}`);
    for (const link of document.querySelectorAll("[data-export]")) {
      link.href = `${link.getAttribute("href").split("?")[0]}?${query}`;
    }
    refresh();
  };
  const sent = { sort: sort.querySelector("[selected]").value, q: search.defaultValue };
  groups.begin(sent, refresh);
  list.addEventListener("rows", filter);
  search.addEventListener("input", show);
  sort.addEventListener("change", show);
  search.form.addEventListener("submit", (event) => event.preventDefault());
  unmatched.querySelector("a").addEventListener("click", (event) => {
    event.preventDefault();
    search.value = "";
    show();
    search.focus();
  });
  if (search.value !== sent.q || sort.value !== sent.sort) show(); // chosen before the scripts were there
}
