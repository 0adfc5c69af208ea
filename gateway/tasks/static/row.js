// One row of the table: made of the template, filled with a probe; its details when it is opened.

import { $ } from "../web/dom.js";
import { figure, say } from "../web/words.js";
import { escapeControls, isLink, nameClass, showCode, showReason, showSeconds, showUrl } from "./shown.js";

const VERDICTS = { ok: "Fine", moved: "Moved", unsure: "Unsure", broken: "Broken", invalid: "Invalid" };
const template = $("row").content.firstElementChild;
const facts = document.createDocumentFragment();
facts.append(...template.querySelectorAll("dl, ol"));

export const make = () => template.cloneNode(true);

/** Show a probe in a row, at a position of the table. */
export function show(row, probe, position) {
  if (row.ariaRowIndex !== String(position + 2)) row.ariaRowIndex = position + 2;
  if (row.probe === probe) return;
  const before = Number(row.dataset.index);
  row.probe = probe;
  row.dataset.index = probe.index;
  const kind = nameClass(probe.code);
  row.className = kind ? `row k${kind}` : "row";
  const [number, answer, address, why, time, more] = row.children;
  number.textContent = figure(probe.index + 1);
  answer.textContent = showCode(probe);
  showLink(address.firstElementChild, probe.url);
  why.firstElementChild.textContent = showReason(probe);
  time.textContent = showSeconds(probe.elapsed_s);
  const details = more.firstElementChild;
  details.firstElementChild.ariaLabel = `${say("Details")} ${probe.index + 1}`;
  if (before !== probe.index) details.open = false;
  if (details.open) explain(row);
}

function showLink(link, url) {
  link.textContent = showUrl(url);
  if (isLink(url)) Object.assign(link, { href: url, rel: "noopener noreferrer nofollow" });
  else link.removeAttribute("href");
}

/** Fill the details of a row that is open. */
export function explain(row) {
  const { url, verdict, detail, error, final_url, location, attempts, cached, hops } = row.probe;
  const details = row.querySelector("details");
  while (details.children.length > 1) details.lastElementChild.remove(); // the summary keeps the focus
  details.append(facts.cloneNode(true));
  const values = {
    url: escapeControls(url),
    verdict: verdict && say(VERDICTS[verdict]),
    reason: escapeControls(detail || error || ""),
    to: escapeControls(final_url || location || ""),
    attempts,
    cached: cached && say("yes"),
  };
  for (const fact of details.querySelectorAll("[data-fact]")) {
    const value = values[fact.dataset.fact];
    fact.hidden = !value;
    fact.querySelector("dd").textContent = value || "";
  }
  const list = details.querySelector(".hops");
  list.hidden = !hops?.length;
  list.append(...(hops ?? []).map(makeHop));
}

function makeHop({ code, url }) {
  const [item, number, address] = ["li", "span", "bdi"].map((name) => document.createElement(name));
  number.className = "hop";
  number.textContent = code;
  address.textContent = escapeControls(url);
  item.append(number, " ", address);
  return item;
}
