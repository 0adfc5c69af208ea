// The form: what is in a text or a file is counted while one types; files can be dropped on the window.

import { $ } from "../web/dom.js";
import { takeDrops } from "../web/drag.js";
import { count, figure, say } from "../web/words.js";
import { readPasted } from "./pasted.js";

const PAUSE_MS = 150;
const TOLD_LINES = 20;
const [form, text, file, line] = [$("paste"), $("text"), $("file"), $("pasted")];
const [most, limit] = ["most", "limit"].map((name) => Number(document.body.dataset[name]));
const MEGABYTES = { style: "unit", unit: "megabyte", maximumFractionDigits: 1 };

/** What a form sends beside the bytes of each of its parts, at most about. */
const PART_BYTES = 300;

/** Whether text and files are more than the server takes. */
function isTooLarge() {
  const parts = [new Blob([text.value.replaceAll("\n", "\r\n")]), ...file.files];
  return parts.reduce((total, { size }) => total + size + PART_BYTES, 0) > limit;
}

/** What was found, in words. */
function describe({ urls, doubles, unreadable }) {
  if (urls.size > most) {
    const parts = Math.ceil(urls.size / most);
    const values = { n: figure(urls.size), most: figure(most), parts };
    return say("There are {n} URLs. A task has at most {most}: paste them in {parts} parts.", values);
  }
  const said = [urls.size ? count(urls.size, "{n} URL|{n} URLs") : say("There is no URL in this text.")];
  if (doubles) said.push(count(doubles, "{n} repeat is left out|{n} repeats are left out"));
  if (unreadable.length) {
    const lines = unreadable.slice(0, TOLD_LINES).map((number) => figure(number)).join(", ");
    const rest = unreadable.length > TOLD_LINES ? " …" : "";
    said.push(`${count(unreadable.length, "{n} line cannot be read|{n} lines cannot be read")}: ${lines}${rest}`);
  }
  return said.join(" · ");
}

export function begin() {
  const invitation = line.textContent;
  let timer = 0;

  function show(words, isRefused) {
    line.textContent = words;
    line.classList.toggle("refusal", isRefused);
  }
  async function read() {
    if (isTooLarge()) {
      show(say("This is too large: {size} at most.", { size: figure(limit / 1e6, MEGABYTES) }), true);
      return;
    }
    const texts = [text.value, ...(await Promise.all([...file.files].map((each) => each.text())))];
    const whole = texts.filter(Boolean).join("\n");
    const found = readPasted(whole);
    show(whole.trim() ? describe(found) : invitation, found.urls.size > most);
  }
  takeDrops(form, ({ files }) => {
    file.files = files;
    form.scrollIntoView({ block: "nearest" });
    read();
  });
  file.addEventListener("change", read);
  text.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(read, PAUSE_MS);
  });
  form.addEventListener("submit", (event) => { // the answer to a body that is too large could not have the text
    if (!isTooLarge()) return;
    event.preventDefault();
    read();
  });
  if (text.value || file.files.length) read();
}
