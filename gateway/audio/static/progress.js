// How far uploads are, in words: how much of how much, and how long it will take.

import { figure, say } from "../web/words.js";

const LOOK_MS = 500;
const UNITS = [[1e9, "gigabyte"], [1e6, "megabyte"], [1e3, "kilobyte"]];

/** 24 of 600 MB. */
function amounts(done, total) {
  const [size, unit] = UNITS.find(([least]) => total >= least) ?? UNITS[2];
  const maximumFractionDigits = total / size < 10 ? 1 : 0;
  const whole = figure(total / size, { style: "unit", unit, maximumFractionDigits });
  return say("{done} of {total}", { done: figure(done / size, { maximumFractionDigits }), total: whole });
}

function remaining(seconds) {
  if (seconds < 60) return say("{n} s left", { n: Math.ceil(seconds) });
  if (seconds < 3600) return say("{n} min left", { n: Math.ceil(seconds / 60) });
  return say("{n} h left", { n: figure(seconds / 3600, { maximumFractionDigits: 1 }) });
}

/** How fast something goes: measured twice a second, and not led astray by one burst. */
export class Pace {
  rate = 0;
  seen = null;

  /** The words for so many of so many bytes. */
  tell(done, total) {
    const now = performance.now();
    this.seen ??= [now, done];
    const [then, before] = this.seen;
    if (now - then > LOOK_MS) {
      const fresh = Math.max(done - before, 0) * 1000 / (now - then);
      this.rate = this.rate ? 0.7 * this.rate + 0.3 * fresh : fresh;
      this.seen = [now, done];
    }
    const time = this.rate > 0 ? `, ${remaining((total - done) / this.rate)}` : "";
    return amounts(done, total) + time;
  }
}
