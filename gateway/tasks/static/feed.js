// The task as it goes on: its event stream, resumed by the browser, and whether the server is there.

import { $, root } from "../web/dom.js";
import { say } from "../web/words.js";
import { prepare } from "./shown.js";

const PATIENCE_MS = 3000;
/** A stream without a beat for so long is broken; the server has one in ten seconds. */
const SILENCE_MS = 25_000;
const clock = new Intl.DateTimeFormat(document.documentElement.lang, { timeStyle: "short" });
let heard = new Date();

/** The server has been heard. */
export function hear() {
  heard = new Date();
  $("offline").textContent = "";
}

/** The server cannot be reached: say of when the page is. If only the task is gone, let its page say that. */
export function miss() {
  $("offline").textContent = say("The server cannot be reached. This is as of {time}.", { time: clock.format(heard) });
  fetch(location.href, { method: "HEAD" }).then(({ status }) => status === 404 && location.reload(), () => {});
}

/** The text at an address. @throws {Error} there is no answer, or a refusal */
export async function ask(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(answer.status);
  return answer.text();
}

/** Do something until it succeeds. */
export async function insist(call) {
  for (;;) {
    try {
      await call();
      hear();
      return;
    } catch {
      miss();
      await new Promise((done) => setTimeout(done, PATIENCE_MS));
    }
  }
}

/** Follow a task to its end; `seen` is the id of the last event that is known, or how many probes are. */
export function follow(task, seen, { onProbes, onTask }) {
  let [source, timer, silence] = [null, 0, 0];
  const over = new AbortController();

  const rest = () => {
    clearTimeout(timer);
    clearTimeout(silence);
    timer = 0;
  };
  const beat = () => {
    rest();
    silence = setTimeout(away, SILENCE_MS);
    hear();
  };
  const close = () => {
    rest();
    source?.close();
  };
  function away() {
    timer = 0;
    miss();
    // The browser tries again by itself where the stream was cut, not where it is refused (503, 401) or silent.
    if (source.readyState !== EventSource.CONNECTING && !document.hidden) open();
  }
  function open() {
    close();
    source = new EventSource(`${root}/api/v1/tasks/${task}/events?since=${seen}`);
    const on = (name, call) =>
      source.addEventListener(name, async ({ data, lastEventId }) => {
        seen = lastEventId;
        beat();
        await prepare(data);
        call(JSON.parse(data));
      });
    const end = (last) => {
      close();
      over.abort();
      onTask(last);
    };
    on("probes", ({ probes }) => onProbes(probes));
    on("progress", onTask);
    on("ready", end);
    on("cancelled", end);
    source.onopen = beat;
    source.onerror = () => {
      timer ||= setTimeout(away, PATIENCE_MS);
    };
  }
  // A hidden page gives its connection back: a browser has six for one server, all windows together.
  const look = () => (document.hidden ? close() : open());
  document.addEventListener("visibilitychange", look, over);
  window.addEventListener("offline", miss, over);
  window.addEventListener("online", look, over);
  look();
}
