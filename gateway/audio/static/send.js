// One file to the server: at once, or by tus 1.0 (https://tus.io) where it is large, so that it goes on where it broke.

import { root } from "../web/dom.js";
import { keep } from "../web/storage.js";

const RESUMABLE_BYTES = 16 * 2 ** 20;
/** A browser sends a request again by itself, from its beginning, where a connection it kept breaks. */
const PIECE_BYTES = 8 * 2 ** 20;
const PAUSES_S = [1, 2, 4, 8, 15, 15, 15];
const TUS = { "Tus-Resumable": "1.0.0" };

/** The server's own words for why it did not take a file. */
export class Refusal extends Error {
  constructor(status, { type = "", detail = "", free_name: freeName = "" }) {
    super(detail);
    this.status = status;
    this.freeName = freeName;
    this.code = type.split(":").pop();
    this.passes = status >= 500 && status !== 507 || ["upload-locked", "offset-mismatch", "body-timeout"].includes(this.code);
  }
}

/** The connection broke, or there was none; or the file could not be read. */
class BrokenOff extends Error {
  message = "The upload broke off.";
  code = "broken-off";
  passes = true;
}

/** A request whose progress can be seen; fetch cannot tell it. */
function request(method, url, headers, signal, body = null, onProgress = null) {
  return new Promise((done, fail) => {
    const xhr = new XMLHttpRequest();
    xhr.open(method, url);
    xhr.responseType = "json"; // null where it is none
    for (const name in headers) xhr.setRequestHeader(name, headers[name]);
    if (onProgress) xhr.upload.onprogress = ({ loaded }) => onProgress(loaded);
    xhr.onload = () => (xhr.status < 300 ? done(xhr) : fail(new Refusal(xhr.status, xhr.response ?? {})));
    xhr.onerror = () => fail(new BrokenOff());
    xhr.onabort = () => fail(signal.reason);
    signal.addEventListener("abort", () => xhr.abort());
    xhr.send(body);
  });
}

/**
 * Send a file into the library.
 * @param {File} file @param {(bytes: number) => void} onProgress @param {() => void} onPause the way is broken for now
 * @param {AbortSignal} signal
 * @throws {Refusal | BrokenOff} with a `message`, a `code`, and whether it `passes`; or the reason of the signal
 */
export async function send(file, onProgress, onPause, signal) {
  if (file.size <= RESUMABLE_BYTES) {
    await request("PUT", `${root}/api/v1/audio/${encodeURIComponent(file.name)}`, {}, signal, file, onProgress);
    return;
  }
  const key = `upload ${file.size} ${file.lastModified} ${file.name}`;
  try {
    await sendOn(file, key, onProgress, onPause, signal);
  } catch (error) {
    if (signal.aborted) fetch(keep(key), { method: "DELETE", headers: TUS }).catch(() => {});
    if (signal.aborted || !error.passes) keep(key, null);
    throw error;
  }
  keep(key, null);
}

async function sendOn(file, key, onProgress, onPause, signal) {
  let offset = -1; // not known
  for (let tries = 0; offset < file.size;) {
    try {
      if (offset < 0) offset = await find(key, signal) ?? await create(file, key, signal);
      const [start, headers] = [offset, { ...TUS, "Upload-Offset": offset, "Content-Type": "application/offset+octet-stream" }];
      const answer = await request("PATCH", keep(key), headers, signal, file.slice(start, start + PIECE_BYTES), (bytes) => {
        if (bytes) tries = 0;
        onProgress(start + bytes);
      });
      offset = offsetIn(answer);
    } catch (error) {
      if (!error.passes || tries === PAUSES_S.length) throw error;
      offset = -1;
      onPause();
      await new Promise((done, fail) => {
        setTimeout(done, PAUSES_S[tries++] * 1000);
        signal.addEventListener("abort", () => fail(signal.reason));
      });
    }
  }
}

const offsetIn = (answer) => Number(answer.getResponseHeader("Upload-Offset"));

/** How far an earlier attempt came, if there was one and the server still knows it. */
async function find(key, signal) {
  if (!keep(key)) return null;
  try {
    return offsetIn(await request("HEAD", keep(key), TUS, signal));
  } catch (error) {
    if (error.status !== 404) throw error;
    return null;
  }
}

async function create(file, key, signal) {
  const name = btoa(String.fromCharCode(...new TextEncoder().encode(file.name)));
  const headers = { ...TUS, "Upload-Length": file.size, "Upload-Metadata": `filename ${name}` };
  keep(key, (await request("POST", `${root}/api/v1/uploads/`, headers, signal)).getResponseHeader("Location"));
  return 0;
}
