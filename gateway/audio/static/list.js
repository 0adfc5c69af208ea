// The rows: made by the server, found while typing, kept as they are when the page takes over a newer list.

import { $ } from "./dom.js";
import { count, say } from "./words.js";

const [list, search, sort, unmatched] = [$("files"), $("search"), $("sort"), $("unmatched")];
const { dataset } = document.body;
/** Rows that are not shown, whatever is searched: their files are deleted, or are about to be. */
export const removed = new WeakSet();
let refreshing = null;
let again = false;

export const hrefOf = (row) => row.querySelector(".play").getAttribute("href");
export const nameOf = (row) => row.querySelector(".name").textContent;
/** The rows that are shown, in order. */
export const rows = () => [...list.children].filter((row) => !row.hidden);
export const rowOf = (href) => [...list.children].find((row) => hrefOf(row) === href);
/** The state of the list that is shown. */
export const revision = () => dataset.revision;
/** The address of a file in the API. */
export const apiOf = (href) => href.replace("/audio/", "/api/v1/audio/");
export const focus = (row) => row?.querySelector(".play").focus();
export const focused = () => document.activeElement?.closest(".file");

const fold = (text) => text.normalize("NFC").toLowerCase().trim();

/** What is searched in a row, made once. */
const textOf = (row) =>
  (row.searched ??= fold([...row.querySelectorAll(".name, .tags bdi")].map((word) => word.textContent).join(" ")));

/** Show the rows that match, and say how many they are. */
export function filter() {
  const wanted = fold(search.value);
  let [shown, total] = [0, 0];
  for (const row of list.children) {
    const stays = !removed.has(row);
    row.hidden = !stays || !textOf(row).includes(wanted);
    total += stays;
    shown += !row.hidden;
  }
  list.hidden = $("count").hidden = !shown;
  $("empty").hidden = total > 0;
  unmatched.hidden = shown > 0 || !total;
  unmatched.querySelector("bdi").textContent = `“${search.value}”`;
  const of = shown < total ? ` ${say("of {n}", { n: total })}` : "";
  $("count").textContent = count(shown, "{n} file|{n} files") + of;
}

/** Take over the rows of a newer page; those that stay keep their element, and with it focus and place. */
function merge(page) {
  const key = (row) => `${row.dataset.key} ${hrefOf(row)}`;
  const known = new Map([...list.children].map((row) => [key(row), row]));
  const fresh = [...page.querySelectorAll("#files > .file")].map((row) => known.get(key(row)) ?? row);
  const kept = new Set(fresh);
  for (const row of known.values()) if (!kept.has(row)) row.remove();
  let at = list.firstElementChild;
  for (const row of fresh) {
    if (row === at) at = at.nextElementSibling;
    else {
      row.querySelector("noscript")?.remove();
      list.insertBefore(row, at);
    }
  }
  dataset.revision = page.body.dataset.revision;
  filter();
}

async function load() {
  const answer = await fetch(`/?sort=${sort.value}`);
  if (answer.ok) merge(new DOMParser().parseFromString(await answer.text(), "text/html"));
}

/** Show the list as the server has it now. Calls during a call end in one more. */
export function refresh() {
  again = true;
  refreshing ??= (async () => {
    while (again) {
      again = false;
      const started = performance.now();
      await load().catch(() => {}); // the feed says so, and asks again
      // A long list on a slow road leaves half of the road to the uploads that change it.
      await new Promise((done) => setTimeout(done, performance.now() - started));
    }
    refreshing = null;
  })();
  return refreshing;
}

/** Move the focus up or down the list. */
export function move(by) {
  const shown = rows();
  const at = shown.indexOf(focused() ?? list.querySelector(".current"));
  focus(shown[at < 0 ? 0 : Math.min(Math.max(at + by, 0), shown.length - 1)]);
}

/** Search, order and deletion from now on without loading the page. */
export function begin() {
  const show = () => {
    filter();
    history.replaceState(null, "", `/?${new URLSearchParams(new FormData(search.form))}`);
  };
  search.addEventListener("input", show);
  sort.addEventListener("change", () => {
    show();
    refresh();
  });
  search.form.addEventListener("submit", (event) => event.preventDefault());
  unmatched.querySelector("a").addEventListener("click", (event) => {
    event.preventDefault();
    search.value = "";
    show();
    search.focus();
  });
  if (search.value) refresh(); // the server has left rows out that the next letter may want
}
