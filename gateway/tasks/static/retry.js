// A page that the server could not show: loaded again once it can, unless something is in the form.

import { $ } from "../web/dom.js";

const { retry } = $("content").dataset;
const pause = () => setTimeout(look, retry * 1000);

async function look() {
  const answer = await fetch(location.href, { method: "HEAD" }).catch(() => null);
  if (!answer || answer.status === 503 || $("text").value || $("file").files.length) pause();
  else location.reload();
}

export const begin = pause;
