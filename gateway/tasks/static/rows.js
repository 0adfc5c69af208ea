// The table: groups of a hundred rows as high as they will be, filled while they are near the window.

import { $ } from "../web/dom.js";
import { at, choose, isWhole } from "./probes.js";
import { explain, make, show } from "./row.js";

const GROUP_ROWS = 100;
/** How often rows may change their places. */
const ORDER_MS = 500;
const table = $("rows");
/** The places in the list sent, as they are shown. */
let order = [];
let selected = null;
let [stale, ordered, due] = [false, 0, 0];
const near = new Set();
const groups = [];
const observer = new IntersectionObserver(look, { rootMargin: "1000px 0px" });

const rowOf = (element) => element?.closest(".group > .row");
export const focused = () => rowOf(document.activeElement);
/** Rows keep their places while one is in use. */
const isHeld = () => focused() || table.querySelector("details[open]");

function look(entries) {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) {
      near.add(target);
      fill(target);
    } else {
      near.delete(target);
      empty(target);
    }
  }
}

/** Take the rows out of a group that is not near, but for one in use. */
function empty(group) {
  if (!near.has(group) && !group.querySelector("details[open], :focus")) group.replaceChildren();
}

/** Bring a group up to date. */
function fill(group) {
  const first = groups.indexOf(group) * GROUP_ROWS;
  const places = order.slice(first, first + GROUP_ROWS);
  const { children } = group;
  while (children.length > places.length) group.lastElementChild.remove();
  while (children.length < places.length) group.append(make());
  places.forEach((place, i) => show(children[i], at(place), first + i));
}

function add(group) {
  groups.push(group);
  observer.observe(group);
}

/** Take over the rows of the server if they are the first ones; they stay first while one is in use. */
function adopt() {
  for (const group of table.querySelectorAll(".group")) {
    if (group.dataset.group === "0") add(group);
    else group.remove();
  }
  const shown = [...table.querySelectorAll("[data-index]")].map(({ dataset }) => Number(dataset.index));
  order = [...new Set([...shown, ...choose(selected)])];
  build();
}

/** As many groups as the order needs, each of its height. */
function build() {
  const count = Math.ceil(order.length / GROUP_ROWS);
  for (const group of groups.splice(count)) {
    observer.unobserve(group);
    near.delete(group);
    group.remove();
  }
  while (groups.length < count) {
    const group = document.createElement("div");
    table.append(Object.assign(group, { className: "group", role: "rowgroup" }));
    add(group);
  }
  groups.forEach((group, i) => {
    group.style.setProperty("--count", Math.min(GROUP_ROWS, order.length - i * GROUP_ROWS));
  });
  table.ariaRowCount = order.length + 1;
  table.hidden = !order.length;
  $("unmatched").hidden = !table.hidden;
}

function arrange() {
  [stale, ordered] = [false, performance.now()];
  order = choose(selected);
  build();
}

function draw(now) {
  due = 0;
  if (stale && now - ordered > ORDER_MS && !isHeld()) arrange();
  for (const group of near) fill(group);
  if (stale && !isHeld()) setTimeout(refresh, ORDER_MS);
}

/** Show what is known by now, before the next frame. */
export function refresh() {
  if (selected && isWhole()) due ||= requestAnimationFrame(draw);
}

/** Probes have come: their rows show it, and change their places in time. */
export function land() {
  stale = true;
  refresh();
}

/** Show other rows, or in another order: at once, or as soon as no row is in use. */
export function select(selection, soon) {
  selected = selection;
  if (!isWhole()) return;
  if (!groups.length) adopt();
  if (!soon) return land();
  arrange();
  for (const group of near) fill(group);
  if (table.getBoundingClientRect().top < 0) table.scrollIntoView();
}

export const reach = (number) => groups[number]?.scrollIntoView();

/** Move the focus up or down. */
export function move(by) {
  const row = focused();
  const from = row ? row.ariaRowIndex - 2 : -1;
  const to = Math.min(Math.max(from + by, 0), order.length - 1);
  const group = groups[Math.floor(to / GROUP_ROWS)];
  if (!group) return;
  fill(group);
  group.children[to % GROUP_ROWS].querySelector("summary").focus();
}

/** The rows come to life. Until all URLs are there, those that the server has shown stay. */
export function begin() {
  table.addEventListener("toggle", ({ target }) => {
    const row = rowOf(target);
    if (row?.probe && target.open) explain(row);
    else refresh();
  }, true);
  table.addEventListener("focusout", refresh);
  addEventListener("beforeprint", () => groups.forEach(fill));
  addEventListener("afterprint", () => groups.forEach(empty));
}
