// Files on their way: dropped or chosen, a few at a time, each with its bar, its end and its reason.

import { $ } from "./dom.js";
import { unpack } from "./drop.js";
import { refresh } from "./list.js";
import { note } from "./notices.js";
import { Refusal, send } from "./send.js";
import { count, figure, hint, say, speed } from "./words.js";

const AT_ONCE = 3;
const place = $("uploads");
const [list, all] = [place.querySelector("ul"), place.querySelector(".all")];
const { limit, size } = document.body.dataset;
const waiting = [];
const running = new Set();
let added = 0;
let news = null;
let left = [];
let leaving = null;

class Upload {
  constructor(file) {
    this.file = file;
    this.row = $("upload").content.firstElementChild.cloneNode(true);
    this.stop = new AbortController();
    this.part(".close").onclick = () => this.end();
    this.part(".again").onclick = () => this.wait();
    list.append(this.row);
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
    this.part(".again").hidden = true;
    this.pause();
    waiting.push(this);
    pump();
  }

  pause() {
    this.rate = 0;
    this.seen = null;
    this.part(".state").textContent = say("Waiting");
    this.part(".close").title = say("Cancel");
  }

  async run() {
    try {
      if (this.file.size > limit) throw new Refusal(413, { type: "too-large" });
      this.show(0);
      await send(this.file, (bytes) => this.show(bytes), () => this.pause(), this.stop.signal);
      this.row.remove();
      tell();
    } catch (error) {
      if (!this.stop.signal.aborted) this.fail(error);
    }
  }

  show(bytes) {
    const now = performance.now();
    this.seen ??= [now, bytes];
    const [then, before] = this.seen;
    if (now - then > 500) {
      this.rate = ((bytes - before) * 1000) / (now - then);
      this.seen = [now, bytes];
    }
    const share = bytes / Math.max(this.file.size, 1);
    const rate = this.rate ? ` · ${speed(this.rate)}` : "";
    this.part("progress").value = share;
    this.part(".state").textContent = share < 1 ? `${figure(share * 100)} %${rate}` : say("Saving");
  }

  fail(error) {
    let reason = error.message ? say(error.message) : say("The server answered {status}.", error);
    let advice = hint(error.code);
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

  end() {
    this.stop.abort();
    this.row.remove();
    if (waiting.includes(this)) waiting.splice(waiting.indexOf(this), 1);
    settle();
  }
}

function pump() {
  while (running.size < AT_ONCE && waiting.length) {
    const upload = waiting.shift();
    running.add(upload);
    upload.run().finally(() => {
      running.delete(upload);
      pump();
    });
  }
  settle();
}

function settle() {
  place.hidden = !list.children.length;
  all.hidden = running.size + waiting.length < 3;
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

/** One line for all that was left out of folders, until it is dismissed. */
function tellLeft(found) {
  left.push(...found);
  if (!left.length) return;
  const numbers = {};
  for (const [, why] of left) numbers[why] = (numbers[why] ?? 0) + 1;
  const what = Object.entries(numbers).map(([why, n]) => count(n, why)).join(", ");
  leaving ??= note({ onEnd: () => ([left, leaving] = [[], null]) });
  leaving.show({ name: left.map(([name]) => name).filter(Boolean).join(", "), text: say("Left out: {what}", { what }) });
}

export function begin() {
  const input = $("file");
  let depth = 0;
  const add = (files) => [...files].forEach((file) => new Upload(file));
  const drag = (by) => {
    depth = Math.max(depth + by, 0);
    document.documentElement.classList.toggle("dragging", depth > 0);
  };
  const take = async (event) => {
    event.preventDefault();
    drag(-depth);
    const { files, left: found } = await unpack(event.dataTransfer);
    add(files);
    tellLeft(found);
  };
  const on = (name, call) =>
    window.addEventListener(name, (event) => event.dataTransfer.types.includes("Files") && call(event));
  on("dragenter", () => drag(1));
  on("dragleave", () => drag(-1));
  on("dragover", (event) => event.preventDefault());
  on("drop", take);
  input.addEventListener("change", () => {
    add(input.files);
    input.value = "";
  });
  all.onclick = () => [...waiting, ...running].forEach((upload) => upload.end());
  window.addEventListener("beforeunload", (event) => running.size && event.preventDefault());
}
