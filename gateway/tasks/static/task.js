// The page of one task comes to life: its URLs, its events, its end.

import { $, root } from "../web/dom.js";
import { follow, insist, miss } from "./feed.js";
import * as keys from "./keys.js";
import { count, load, take } from "./probes.js";
import * as rows from "./rows.js";
import * as selection from "./selection.js";
import * as server from "./server_page.js";
import * as summary from "./summary.js";

/** How often the pictures are drawn anew while the task runs. */
const REDRAW_MS = 5000;
const { task, status, page } = $("content").dataset;
let running = status === "running";
let redrawn = performance.now();

/** Bad URLs come first while the task runs, the order sent after, unless one is chosen. */
function select(soon) {
  const { sort, ...rest } = selection.read();
  rows.select({ ...rest, sort: sort || (running ? "bad" : "") }, soon);
}

function update(state) {
  summary.show(state);
  running = state.status === "running";
  if (!running) {
    finish(state);
  } else if (performance.now() - redrawn > REDRAW_MS) {
    redrawn = performance.now();
    server.redraw().catch(() => {}); // the feed says so
  }
}

async function finish({ done }) {
  if (count() < done) await insist(() => load(task)); // Redis has lost some in a crash, and the order of the others
  select(false);
  await insist(async () => summary.end(await server.finish()));
  selection.mark();
}

/** Cancel the task: its events tell the end. */
async function stop(event) {
  event.preventDefault();
  const answer = await fetch(`${root}/api/v1/tasks/${task}`, { method: "DELETE" }).catch(() => null);
  if (!answer?.ok) miss();
}

export async function begin() {
  for (const part of [rows, summary, keys]) part.begin();
  const sent = selection.read();
  selection.begin(() => select(true));
  $("stop")?.addEventListener("submit", stop);
  await insist(() => load(task));
  select(page > 1 || selection.read() !== sent);
  const onProbes = (probes) => {
    take(probes);
    rows.land();
  };
  if (running) follow(task, count(), { onProbes, onTask: update });
  if (page > 1) rows.reach(page - 1);
}
