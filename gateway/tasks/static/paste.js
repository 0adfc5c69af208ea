// The form: what is in a text or a file is counted while one types; files can be dropped on the window.

import { $ } from "../web/dom.js";
import { takeDrops } from "../web/drag.js";
import { count, figure, say } from "../web/words.js";
import { readPasted } from "./pasted.js";

const PAUSE_MS = 150;
const TOLD_LINES = 20;
const [form, text, file, line] = [$("paste"), $("text"), $("file"), $("pasted")];
const most = Number(document.body.dataset.most);

const TWICE = "{n} URL was there twice and is asked once|{n} URLs were there twice and are asked once";

/** What was found, in words. */
function describe({ urls, doubles, unreadable }) {
  if (urls.size > most) {
    const parts = Math.ceil(urls.size / most);
    const values = { n: figure(urls.size), most: figure(most), parts };
    return say("There are {n} URLs. A task has at most {most}: paste them in {parts} parts.", values);
  }
  const said = [urls.size ? count(urls.size, "{n} URL|{n} URLs") : say("There is no URL in this text.")];
  if (doubles) said.push(count(doubles, TWICE));
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

  async function read() {
    const texts = [text.value, ...(await Promise.all([...file.files].map((each) => each.text())))];
    const whole = texts.filter(Boolean).join("\n");
    const found = readPasted(whole);
    line.textContent = whole.trim() ? describe(found) : invitation;
    line.classList.toggle("refusal", found.urls.size > most);
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
  if (text.value || file.files.length) read();
}
