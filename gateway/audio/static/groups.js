// The rows in groups of a hundred: made by the server, fetched while they are near the window, of their height before.

import { $, root } from "../web/dom.js";

/** How many rows a page of the server has. */
const SIZE = 100;
/** A group that is scrolled past sooner is not fetched. */
const SETTLE_MS = 50;
const RETRY_MS = 2000;
/** What keeps the rows of a group that is far away. */
const HELD = ".current, .file[hidden], :focus, :checked";
const list = $("files");
const { dataset } = document.body;
const groups = [];
const near = new Set();
const filling = new Map();
/** Groups of which a row is asked for, near or not. */
const asked = new Set();
const observer = new IntersectionObserver(look, { rootMargin: "1000px 0px" });
/** The search and the order of the rows that are shown. */
let shown = null;
let onStale = null;

export const hrefOf = (row) => row.querySelector(".play").getAttribute("href");
/** The rows that are here, in order. */
export const here = list.getElementsByClassName("file");
/** Rows of one key are the same. */
const keyOf = (row) => `${row.dataset.key} ${hrefOf(row)}`;
const numbersOf = (page) => page.getElementById("files").dataset;

/** The page of the server with a group; of this revision of the list, if the server still knows it. */
async function ask(selection, number, revision = "") {
  const answer = await fetch(`${root}/?${new URLSearchParams({ ...selection, page: number + 1, revision })}`);
  if (!answer.ok) throw new Error(String(answer.status));
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

function look(entries) {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) {
      near.add(target);
      setTimeout(() => near.has(target) && fill(target), SETTLE_MS);
    } else {
      near.delete(target);
      if (!target.querySelector(HELD)) target.replaceChildren();
    }
  }
}

function add(group, before = null) {
  group.className = "group";
  group.role = "none";
  if (!group.parentElement) list.insertBefore(group, before);
  groups.push(group);
  observer.observe(group);
}

/** As many groups as there are hundreds of files, each of its height. */
function build() {
  const matching = Number(list.dataset.matching);
  const count = Math.ceil(matching / SIZE);
  for (const group of groups.splice(count)) {
    observer.unobserve(group);
    near.delete(group);
    group.remove();
  }
  while (groups.length < count) add(document.createElement("div"));
  groups.forEach((group, i) => group.style.setProperty("--count", Math.min(SIZE, matching - i * SIZE)));
}

/** Put rows into a group; one that is where it belongs is not moved. */
function arrange(number, rows) {
  const group = groups[number];
  let at = group.firstElementChild;
  rows.forEach((row, i) => {
    if (row === at) at = at.nextElementSibling;
    else {
      row.querySelector("noscript")?.remove();
      group.insertBefore(row, at);
    }
    row.ariaPosInSet = number * SIZE + i + 1;
    row.ariaSetSize = list.dataset.matching;
  });
}

const announce = () => list.dispatchEvent(new CustomEvent("rows"));

/** The row that is here for a fresh one. What has been read of its file by now goes into it. */
function renew(row, fresh) {
  if (!row) return fresh;
  if ("unread" in row.dataset && !("unread" in fresh.dataset)) {
    for (const part of [".play", ".tags", ".length"]) {
      row.querySelector(part).replaceChildren(...fresh.querySelector(part).childNodes);
    }
    delete row.querySelector(".name").dataset.badge;
    row.dataset.type = fresh.dataset.type;
    delete row.dataset.unread;
  }
  return row;
}

/** Take over pages of a newer list. Rows that stay keep their element, and with it focus, place and open fields. */
function merge(pages) {
  const known = new Map([...here].map((row) => [keyOf(row), row]));
  const fresh = new Map();
  for (const page of pages) {
    const rows = [...page.getElementsByClassName("file")].map((row) => renew(known.get(keyOf(row)), row));
    if (rows.length) fresh.set(numbersOf(page).first / SIZE, rows);
  }
  const kept = new Set([...fresh.values()].flat());
  for (const row of known.values()) if (!kept.has(row)) row.remove();
  const active = document.activeElement;
  Object.assign(list.dataset, numbersOf(pages[0]));
  dataset.revision = pages[0].body.dataset.revision;
  build();
  for (const [number, rows] of fresh) arrange(number, rows);
  if (list.contains(active)) active.focus({ preventScroll: true }); // a row that went to another group has lost it
  announce();
  for (const group of near) fill(group);
}

/** The groups that a newer list has to bring: those near the window, and those round rows that are in use. */
function findWanted() {
  const wanted = new Set();
  groups.forEach((group, i) => {
    if (near.has(group)) wanted.add(i);
    if (group.querySelector(HELD)) for (const number of [i - 1, i, i + 1]) wanted.add(number);
  });
  const found = [...wanted].filter((number) => groups[number]);
  return found.length ? found : [0];
}

/** Show what the server has now of a search in an order. @returns {Promise<Document>} its page */
export async function load(selection) {
  const isShown = selection.q === shown.q && selection.sort === shown.sort;
  const [first, ...others] = isShown ? findWanted() : [0];
  const page = await ask(selection, first);
  const { revision } = page.body.dataset;
  const more = await Promise.all(others.map((number) => ask(selection, number, revision)));
  shown = selection;
  merge([page, ...more.filter(({ body }) => body.dataset.revision === revision)]);
  if (!isShown && list.getBoundingClientRect().top < 0) list.scrollIntoView();
  return page;
}

async function fetchRows(group) {
  const [selection, { revision }, number] = [shown, dataset, groups.indexOf(group)];
  const page = await ask(selection, number, revision);
  const isOld = selection !== shown || revision !== dataset.revision || group !== groups[number];
  if (isOld || group.firstElementChild || !(near.has(group) || asked.has(group))) return;
  if (page.body.dataset.revision === revision) {
    arrange(number, [...page.getElementsByClassName("file")]);
    announce();
  } else await onStale();
}

/** Fetch the rows of a group, if they are not here. */
function fill(group) {
  if (group.firstElementChild) return null;
  if (!filling.has(group)) {
    const again = () => near.has(group) && fill(group);
    const filled = fetchRows(group).finally(() => filling.delete(group));
    filling.set(group, filled.then(again, () => setTimeout(again, RETRY_MS)));
  }
  return filling.get(group);
}

/** The place of a row in the list. */
export function placeOf(row) {
  const group = row.parentElement;
  return groups.indexOf(group) * SIZE + [...group.children].indexOf(row);
}

/** The first row that is shown at a place or, by steps of 1 or -1, behind it; it is fetched if it is not here. */
export async function find(place, by) {
  for (let at = place; groups[Math.floor(at / SIZE)]; at += by) {
    const group = groups[Math.floor(at / SIZE)];
    asked.add(group);
    await fill(group);
    asked.delete(group);
    const row = group.children[at % SIZE];
    if (!row || !row.hidden) return row;
  }
  return undefined;
}

/** The rows come to life; `stale` is called when the server does not know the list any more that is shown. */
export function begin(selection, stale) {
  [shown, onStale] = [selection, stale];
  const { first } = list.dataset;
  const own = list.querySelector(".group");
  if (own) {
    for (let number = 0; number < first / SIZE; number += 1) add(document.createElement("div"), own);
    add(own);
    arrange(groups.length - 1, [...own.children]);
  }
  build();
  if (first > 0) own.scrollIntoView();
}
