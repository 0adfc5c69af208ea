// Files on their way: dropped or chosen, a few at a time, each with its bar, its end and its reason.

import { $ } from "./dom.js";
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

class Upload {
  constructor(file) {
    this.file = file;
    this.row = $("upload").content.firstElementChild.cloneNode(true);
    this.stop = new AbortController();
    this.part(".name").textContent = this.part(".name").title = file.name;
    this.part("progress").setAttribute("aria-label", say("Uploading {name}", { name: file.name }));
    this.part(".close").onclick = () => this.end();
    this.part(".again").onclick = () => this.wait();
    list.append(this.row);
    this.wait();
  }

  part(selector) {
    return this.row.querySelector(selector);
  }

  wait() {
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
    const strong = document.createElement("strong");
    strong.textContent = reason;
    this.part(".reason").replaceChildren(strong, advice && ` ${advice}`);
    this.part(".again").hidden = !error.passes && error.status !== 507;
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

/** The files of a drop, those in folders too. */
async function open(data) {
  const entries = [...data.items].map((item) => item.webkitGetAsEntry() ?? item.getAsFile());
  const files = [];
  const walk = async (entry) => {
    if (entry instanceof File) files.push(entry);
    else if (entry.isFile) files.push(await new Promise((done, fail) => entry.file(done, fail)));
    else {
      const reader = entry.createReader(); // gives a hundred at a time
      for (let part = [1]; part.length;) {
        part = await new Promise((done, fail) => reader.readEntries(done, fail));
        for (const child of part) if (!child.name.startsWith(".")) await walk(child);
      }
    }
  };
  for (const entry of entries) if (entry) await walk(entry);
  return files;
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
    add(await open(event.dataTransfer));
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
