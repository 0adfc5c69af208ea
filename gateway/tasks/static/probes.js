// What is known of each URL of the task, by its place in the list sent; which of them are asked for, in which order.

import { root } from "../web/dom.js";
import { ask } from "./feed.js";
import { nameClass, prepare } from "./shown.js";

const BAD_CODE = 400;
const known = [];
let whole = false;

export const at = (place) => known[place];
export const isWhole = () => whole;
const isBad = ({ code }) => code === 0 || code >= BAD_CODE;

/** Take over what has become known; what is known does not change any more. */
export function take(probes) {
  for (const probe of probes) {
    if ((known[probe.index]?.code ?? null) === null) known[probe.index] = probe;
  }
}

/** How many URLs are known. */
export const count = () => known.filter(({ code }) => code !== null).length;

/** Ask for all URLs of a task. @throws {Error} there is no answer, or a refusal */
export async function load(task) {
  const text = await ask(`${root}/api/v1/tasks/${task}/probes?format=json`);
  await prepare(text);
  take(JSON.parse(text).probes);
  whole = true;
}

/** What says of a probe whether it is shown: `bad`, `none`, `4xx`, `404`, an error or a verdict. */
function chooseFilter(show) {
  if (show === "bad") return isBad;
  return ({ code, error, verdict }) => [nameClass(code), String(code), error, verdict].includes(show);
}

function readHost({ url }) {
  const text = url.includes("://") ? url : `http://${url}`;
  return URL.canParse(text) ? new URL(text).hostname.toLowerCase() || null : null;
}

/** What gives the key of a probe by which it is sorted; null where it is not known. */
const KEYS = {
  code: ({ code, error }) => (code === null ? null : String(code).padStart(3, "0") + (error ?? "")),
  time: ({ elapsed_s }) => elapsed_s,
  url: ({ url }) => url,
  domain: readHost,
  bad: (probe) => (probe.code === null ? null : !isBad(probe)),
};

function sort(probes, name, backwards) {
  if (!(name in KEYS)) return backwards ? probes.reverse() : probes;
  const sign = backwards ? -1 : 1;
  return probes
    .map((probe) => [KEYS[name](probe), probe])
    .sort(([one], [other]) => (one === null) - (other === null) || sign * ((one > other) - (one < other)))
    .map(([, probe]) => probe);
}

/** The places of the URLs that are asked for, in their order; what an order does not know comes last. */
export function choose({ show, q, sort: order }) {
  let probes = known;
  if (show) {
    const shows = chooseFilter(show);
    probes = probes.filter((probe) => probe.code !== null && shows(probe));
  }
  if (q) {
    const text = q.toLowerCase();
    probes = probes.filter(({ url }) => url.toLowerCase().includes(text));
  }
  const backwards = order.startsWith("-");
  return sort([...probes], order.slice(backwards), backwards).map(({ index }) => index);
}
