// Files on their way: dropped or chosen, a few at a time, each with its bar, its end and its reason.

import { $ } from "../web/dom.js";
import { takeDrops } from "../web/drag.js";
import { note } from "../web/notices.js";
import { count, say } from "../web/words.js";
import { unpack } from "./drop.js";
import { kindOf, tellLeft } from "./leftovers.js";
import { refresh } from "./list.js";
import { Pace } from "./progress.js";
import { Refusal, send } from "./send.js";

const AT_ONCE = 3;
/** From this many files on, one line counts those that are not audio: they were not chosen one by one. */
const MANY = 10;
const place = $("uploads");
const [list, total] = [place.querySelector("ul"), place.querySelector(".total")];
const [all, keepAll, skipAll] = [".all", ".keep-all", ".skip-all"].map((each) => place.querySelector(each));
const { limit, size, hints } = document.body.dataset;
/** What to do about a problem, by its code. */
const advices = JSON.parse(hints);
const waiting = [];
const running = new Set();
/** All that have a line: waiting, running and refused. */
const rows = new Set();
let added = 0;
let news = null;
/** What was begun since nothing was under way last, but for what was refused or given up; and how all of it goes. */
const current = new Set();
let pace = new Pace();

class Upload {
  /**
   * @param {{choice: string}} batch what came together: what was decided for all of it where a name is taken
   * @param {boolean} counted if it is not audio, a line counts it with others, instead of one of its own
   */
  constructor(file, batch, counted) {
    Object.assign(this, { file, batch, counted });
    this.row = $("upload").content.firstElementChild.cloneNode(true);
    this.stop = new AbortController();
    this.part(".close").onclick = () => this.end();
    this.part(".again").onclick = () => this.wait();
    this.part(".keep").onclick = () => this.keepBoth();
    this.part(".pass").onclick = () => this.end();
    list.append(this.row);
    rows.add(this);
    this.wait();
  }

  part(selector) {
    return this.row.querySelector(selector);
  }

  wait() {
    const { name } = this.file;
    this.part(".name").textContent = this.part(".name").title = name;
    this.part("progress").setAttribute("aria-label", say("Uploading {name}", { name }));
    this.row.classList.remove("refused");
    this.part(".reason").textContent = "";
    this.part(".again").hidden = this.part(".choices").hidden = true;
    this.freeName = "";
    this.sent = 0;
    current.add(this);
    this.pause();
    waiting.push(this);
    pump();
  }

  pause() {
    this.pace = new Pace();
    this.part(".state").textContent = say("Waiting");
    this.part(".close").title = say("Cancel");
  }

  /** Send it. @returns {Promise<Error | undefined>} why it was not taken */
  async run() {
    try {
      if (this.file.size > limit) throw new Refusal(413, { type: "too-large" });
      this.show(0);
      await send(this.file, (bytes) => this.show(bytes), () => this.pause(), this.stop.signal);
      this.leave();
      tell();
    } catch (error) {
      if (!this.stop.signal.aborted) return error;
    }
  }

  show(bytes) {
    const { size } = this.file;
    this.sent = bytes;
    this.part("progress").value = bytes / Math.max(size, 1);
    this.part(".state").textContent = bytes < size ? this.pace.tell(bytes, size) : say("Saving");
    tellAll();
  }

  fail(error) {
    current.delete(this);
    if (error.code === "not-audio" && this.counted) {
      tellLeft([[this.file.name, kindOf(this.file)]]);
      this.leave();
    } else if (error.code === "name-taken" && error.freeName) this.offer(error);
    else this.refuse(error);
  }

  /** The name is taken: ask whether to keep both, unless that is decided. */
  offer(error) {
    this.freeName = error.freeName;
    if (this.batch.choice === "skip") this.end();
    else if (this.batch.choice === "keep") this.keepBoth();
    else {
      this.refuse(error, say("Keep both to add it as {name}.", { name: error.freeName }));
      this.part(".choices").hidden = false;
    }
  }

  /** Take the name that the server has offered; if that is taken by now, the next one is offered. */
  keepBoth() {
    this.file = new File([this.file], this.freeName, this.file);
    this.wait();
  }

  /** Say why the server did not take it, and what to do. */
  refuse(error, choice = "") {
    let reason = error.message ? say(error.message) : say("The server answered {status}.", error);
    let advice = choice || (advices[error.code] ?? "");
    if (error.code === "too-large") {
      [reason, advice] = [say("Too large"), say("It was not kept. A file may have {size}.", { size })];
    }
    const plain = this.file.name.replace(/^\.[.\s]*/, "");
    const renames = error.status === 422 && plain && plain !== this.file.name;
    if (renames) {
      this.file = new File([this.file], plain, this.file); // of the same type and time
      advice = say("Try again to keep it as {name}.", { name: plain });
    }
    const strong = document.createElement("strong");
    strong.textContent = reason;
    this.part(".reason").replaceChildren(strong, advice && ` ${advice}`);
    this.part(".again").hidden = !error.passes && error.status !== 507 && !renames;
    this.part(".close").title = say("Dismiss");
    this.row.classList.add("refused");
  }

  leave() {
    this.row.remove();
    rows.delete(this);
    settle();
  }

  end() {
    this.stop.abort();
    if (waiting.includes(this)) waiting.splice(waiting.indexOf(this), 1);
    current.delete(this);
    this.leave();
  }
}

function pump() {
  while (running.size < AT_ONCE && waiting.length) {
    const upload = waiting.shift();
    running.add(upload);
    upload.run().then((error) => {
      running.delete(upload);
      if (error) upload.fail(error);
      pump();
    });
  }
  settle();
}

function settle() {
  place.hidden = !rows.size;
  all.hidden = running.size + waiting.length < 3;
  const asking = [...rows].filter(({ freeName }) => freeName).length;
  for (const [button, words] of [[keepAll, "Keep both for all {n}"], [skipAll, "Skip all {n}"]]) {
    button.hidden = asking < 2;
    button.textContent = say(words, { n: asking });
  }
  tellAll();
}

/** How all of them go, where there are several. */
function tellAll() {
  const underWay = running.size + waiting.length;
  if (!underWay) {
    current.clear();
    pace = new Pace();
  }
  total.hidden = current.size < 2;
  if (total.hidden) return;
  let [sent, bytes] = [0, 0];
  for (const upload of current) {
    sent += upload.sent;
    bytes += upload.file.size;
  }
  const files = say("{done} of {total}", { done: current.size - underWay, total: count(current.size, "{n} file|{n} files") });
  total.textContent = `${files} · ${pace.tell(sent, bytes)}`;
}

/** Decide for all that ask, and for what of the same batches will. */
function decide(choice) {
  const asking = [...rows].filter(({ freeName }) => freeName);
  for (const { batch } of asking) batch.choice = choice;
  for (const upload of asking) {
    if (choice === "keep") upload.keepBoth();
    else upload.end();
  }
}

/** One line for all that were added, and the list with them. */
function tell() {
  added += 1;
  const text = count(added, "{n} file added|{n} files added");
  const onEnd = () => {
    [news, added] = [null, 0];
  };
  news ??= note({ seconds: 6, onEnd });
  news.show({ text });
  refresh();
}

export function begin() {
  const input = $("file");
  const add = (files, inside = new Set()) => {
    const batch = { choice: "" };
    for (const file of [...files]) new Upload(file, batch, files.length > MANY || inside.has(file));
  };
  takeDrops(document.documentElement, async (dropped) => {
    const { files, inside, left } = await unpack(dropped);
    add(files, inside);
    tellLeft(left);
  });
  input.addEventListener("change", () => {
    add(input.files);
    input.value = "";
  });
  keepAll.onclick = () => decide("keep");
  skipAll.onclick = () => decide("skip");
  all.onclick = () => [...waiting, ...running].forEach((upload) => upload.end());
  window.addEventListener("beforeunload", (event) => running.size && event.preventDefault());
}
