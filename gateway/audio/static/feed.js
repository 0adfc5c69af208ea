// The list as the server has it now: told by an event stream, which also shows whether the server is there.

import { $, root } from "../web/dom.js";
import { say } from "../web/words.js";

const PATIENCE_MS = 3000;

/**
 * @param {() => string} seen the state that the page shows
 * @param {() => void} onChange
 */
export function listen(seen, onChange) {
  let source = null;
  let timer = 0;

  const tell = (words) => {
    clearTimeout(timer);
    timer = 0;
    $("offline").textContent = words;
  };
  const away = () => {
    tell(say("The server cannot be reached. The list may be out of date."));
    // A stream that was refused (503, 401) is not tried again by itself.
    if (source.readyState === EventSource.CLOSED && !document.hidden) open();
  };
  function open() {
    source?.close();
    source = new EventSource(`${root}/api/v1/audio/events?since=${seen()}`);
    source.addEventListener("changed", ({ data }) => JSON.parse(data).revision !== seen() && onChange());
    source.onopen = () => tell("");
    // It tries again by itself, with an error each time; the first one counts.
    source.onerror = () => {
      timer ||= setTimeout(away, PATIENCE_MS);
    };
  }
  // A hidden page gives its connection back: a browser has six for one server, all windows together.
  const look = () => (document.hidden ? source?.close() : open());
  document.addEventListener("visibilitychange", look);
  window.addEventListener("offline", away);
  window.addEventListener("online", open);
  look();
}
