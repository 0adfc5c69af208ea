// The documentation comes to life: search while typing, examples to copy, calls that only read.

import { $, root } from "./dom.js";
import { listen } from "./keys.js";
import { note } from "./notices.js";

const PATIENCE_MS = 5000;
const MAX_CHARS = 20_000;
const search = $("search");
const entries = [...document.querySelectorAll(".entry")];

/** What is searched in an entry, made once. */
const textOf = (entry) =>
  (entry.searched ??= [...entry.querySelectorAll(":scope > summary, .about, th")].map((part) => part.textContent)
    .join(" ").toLowerCase());

function filter() {
  const words = search.value.toLowerCase().split(/\s+/);
  for (const entry of entries) entry.hidden = !words.every((word) => textOf(entry).includes(word));
  for (const group of document.querySelectorAll(".group")) group.hidden = !group.querySelector(".entry:not([hidden])");
  const shown = entries.filter((entry) => !entry.hidden).length;
  $("count").textContent = shown < entries.length ? `${shown} of ${entries.length}` : "";
}

/** Move the focus to the entry before (-1) or after (1) the one that has it. */
function move(by) {
  const shown = entries.filter((entry) => !entry.hidden);
  const at = shown.indexOf(document.activeElement.closest(".entry"));
  shown[at < 0 ? 0 : Math.min(Math.max(at + by, 0), shown.length - 1)]?.querySelector("summary").focus();
}

/** Copy a text; without HTTPS a browser lets only what is selected be copied. */
async function copy(pre) {
  try {
    await navigator.clipboard.writeText(pre.textContent);
  } catch {
    getSelection().selectAllChildren(pre);
    document.execCommand("copy");
  }
  note({ text: "Copied", seconds: 3 });
}

/** The URL and the headers that the fields of a form ask for. */
function readFields(form) {
  let path = form.dataset.path;
  const [query, headers] = [new URLSearchParams(), {}];
  for (const { name, value, dataset } of form.querySelectorAll("input")) {
    if (dataset.in === "path") path = path.replace(`{${name}}`, encodeURIComponent(value));
    else if (value && dataset.in === "query") query.append(name, value);
    else if (value) headers[name] = value;
  }
  return { url: query.size ? `${path}?${query}` : path, headers };
}

/** Show what of a body is text, as it comes, up to a limit. */
async function show(answer, pre) {
  const type = answer.headers.get("Content-Type") ?? "";
  if (!/json|text|svg/.test(type)) {
    pre.textContent = type && `${answer.headers.get("Content-Length") ?? "?"} bytes of ${type}`;
    return;
  }
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (let part = await reader?.read(); part && !part.done; part = await reader.read()) {
    text += part.value;
    pre.textContent = text;
    if (text.length > MAX_CHARS) {
      pre.textContent = `${text.slice(0, MAX_CHARS)}\n…`;
      return;
    }
  }
  if (text && type.includes("json")) pre.textContent = JSON.stringify(JSON.parse(text), null, 2);
}

async function ask(event) {
  event.preventDefault();
  const place = event.target.querySelector(".answered");
  const [said, pre] = [place.querySelector("p"), place.querySelector("pre")];
  const { url, headers } = readFields(event.target);
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), PATIENCE_MS);
  pre.textContent = "";
  try {
    const answer = await fetch(root + url, { headers: { Accept: "*/*", ...headers }, signal: stop.signal });
    said.textContent = `GET ${url} → ${answer.status}`;
    await show(answer, pre);
  } catch (error) {
    if (!pre.textContent) said.textContent = `GET ${url} → ${stop.signal.aborted ? "no end in 5 s" : error.message}`;
  }
  clearTimeout(timer);
  stop.abort();
  place.hidden = false;
}

search.addEventListener("input", filter);
document.addEventListener("submit", (event) => event.target.matches(".ask") && ask(event));
document.addEventListener("click", ({ target }) => target.matches(".copy") && copy(target.previousElementSibling));
const down = () => move(1);
listen({ ArrowUp: () => move(-1), ArrowDown: down }, { ArrowDown: down, Enter: down });
