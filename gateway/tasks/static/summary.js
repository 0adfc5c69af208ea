// Where the task is: its line, its bar, the numbers of its chips.

import { $ } from "../web/dom.js";
import { figure, say } from "../web/words.js";
import { nameClass, showSeconds } from "./shown.js";

const KINDS = ["2xx", "3xx", "4xx", "5xx", "none"];
/** A part of the bar is at least so wide, to be seen. */
const LEAST_SHARE = 0.006;
/** How often the line is read aloud, and of how long the rate is. */
const SPAN_MS = 5000;
const line = $("status");
const voice = document.createElement("p");
let samples = [];
let spoken = 0;

/** How many URLs have a code that passes a test; an error counts as the code 0. */
const sum = (counts, passes) =>
  Object.entries(counts).reduce((total, [word, n]) => total + (passes(Number(word) || 0) ? n : 0), 0);

/** URLs a second over the last seconds; 0 while that is not known. */
function measure(done) {
  const now = performance.now();
  samples.push([now, done]);
  while (samples.length > 2 && now - samples[1][0] > SPAN_MS) samples.shift();
  const [then, before] = samples[0];
  return now - then > 500 ? ((done - before) * 1000) / (now - then) : 0;
}

function describe({ done, total }) {
  const rate = measure(done);
  const words = [say("{done} of {total}", { done: figure(done), total: figure(total) })];
  if (rate >= 1) words.push(say("{n} a second", { n: figure(rate) }));
  if (rate && done < total) words.push(say("{time} left", { time: showSeconds((total - done) / rate) }));
  return words.join(" · ");
}

/** Show a sentence, and say it aloud: at once, or not before the last one is some seconds old. */
function tell(sentence, soon) {
  line.textContent = sentence;
  if (!soon && performance.now() - spoken < SPAN_MS) return;
  spoken = performance.now();
  voice.textContent = sentence;
}

function number(place, countOf) {
  for (const chip of $(place).children) {
    const n = countOf(chip.dataset.show);
    chip.lastElementChild.textContent = figure(n);
    chip.hidden = !n && place === "verdicts";
  }
}

function drawBar({ counts, done, total }) {
  const shares = KINDS.map((kind) => [kind, sum(counts, (code) => nameClass(code) === kind)]).filter(([, n]) => n);
  const widths = shares.map(([, n]) => Math.max(n / total, LEAST_SHARE));
  const scale = Math.max(1, widths.reduce((one, other) => one + other, 0)) / 100;
  let left = 0;
  const parts = shares.flatMap(([kind], i) => {
    const place = { x: `${left}%`, width: `${widths[i] / scale}%`, height: "100%" };
    left += widths[i] / scale;
    return [{ class: `k${kind}`, ...place }, { fill: `url(#p${kind})`, ...place }].map(makePart);
  });
  $("bar").replaceChildren(...parts);
  const said = shares.map(([kind, n]) => `${kind === "none" ? say("No answer") : kind}: ${figure(n)}`);
  if (done < total) said.push(`${say("not known yet")}: ${figure(total - done)}`);
  $("bar").ariaLabel = said.join(", ");
}

function makePart(attributes) {
  const part = document.createElementNS($("bar").namespaceURI, "rect");
  for (const [name, value] of Object.entries(attributes)) part.setAttribute(name, value);
  return part;
}

/** Show a task that goes on. */
export function show(task) {
  const { counts, verdicts, total, done } = task;
  const numbers = { "": total, bad: sum(counts, (code) => !code || code >= 400) };
  number("chips", (shown) => numbers[shown] ?? sum(counts, (code) => nameClass(code) === shown));
  number("verdicts", (verdict) => verdicts[verdict] ?? 0);
  $("verdicts").hidden = !$("verdicts").querySelector("a:not([hidden])");
  drawBar(task);
  if ($("progress")) $("progress").value = done;
  if (task.status === "running" && done) tell(describe(task), false);
}

export function end({ className, textContent }) {
  line.className = className;
  tell(textContent, true);
}

/** The line shows each change, a screen reader says one in five seconds. */
export function begin() {
  line.removeAttribute("role");
  voice.className = "unseen";
  voice.role = "status";
  line.after(voice);
}
