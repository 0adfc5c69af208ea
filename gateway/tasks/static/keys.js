// The keys of the page of a task.

import { $ } from "../web/dom.js";
import { listen } from "../web/keys.js";
import { dismiss, note } from "../web/notices.js";
import { say } from "../web/words.js";
import { focused, move } from "./rows.js";

const down = () => move(1);

function open() {
  const link = focused()?.querySelector(".url[href]");
  if (link) window.open(link.href, "_blank", "noopener,noreferrer");
  return Boolean(link);
}

/** Copy the URL of the row at hand. The clipboard of scripts needs https; the command does not. */
function copy() {
  const url = focused()?.probe?.url;
  if (!url) return false;
  const fill = (event) => {
    event.preventDefault();
    event.clipboardData.setData("text/plain", url);
  };
  document.addEventListener("copy", fill, { once: true });
  const done = document.execCommand("copy");
  document.removeEventListener("copy", fill);
  note({ text: done ? say("Copied") : say("The browser does not let this page copy."), refused: !done, seconds: 3 });
  return true;
}

function close() {
  const details = focused()?.querySelector("details[open]");
  if (!details) return false;
  details.open = false;
  return true;
}

export const begin = () => listen({
  ...[null, ...$("chips").children].map((chip) => chip && (() => chip.click())),
  ArrowUp: () => move(-1),
  ArrowDown: down,
  o: open,
  y: copy,
  e: () => $("exports").querySelector("a").click(),
  r: () => $("recheck")?.requestSubmit(),
  Escape: () => dismiss() || close(),
}, { ArrowDown: down, Enter: down });
