// URLs out of a text that is pasted, while one types: found as the server will find them.

const URLS = /(?<![a-z0-9+.-])https?:\/\/(?:[^\s<>"`|\]\0-\x1f\x7f-\x9f，。、；：！？（）「」『』《》【】“”„«»]|\](?!\()){1,8192}/gi;
const BRACKETS = { ")": "(", "]": "[", "}": "{" };
const NOT_LAST = ".,:;!?'*_~‘’…";
const MARKUP = /<(?:\?xml|!doctype|!--|\/?[a-z][a-z0-9:-]*[\s/>])/i;
const NAMESPACE = /(?:\bxmlns(?::\w+)?|\bxsi:schemaLocation)\s*=\s*(?:"[^"]*"|'[^']*')|<!doctype[^<>]*>/gi;
const LINE_END = /\r\n|\r|\n/;
const HOST_FIRST = /^(?:[^\s/?#]*[.:][^\s/?#]+|localhost)(?:[/?#]\S*)?$/i;
const HOST = /^(?:\[[0-9a-f:.]+\]|(?!https?$)(?=[_.-]*[a-z0-9])(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?)$/;
/** A scheme, and not a host with its port. */
const SCHEME = /^(?:https?:|[a-z][a-z0-9+.-]*:(?!\d{1,5}(?:[/\\?#]|$)))/i;
const MAX_CHARS = 8192;
/** So many lines with as many cells each are the beginning of a table. */
const TABLE_LINES = 5;

/** A URL without the punctuation behind it, up to a bracket that it does not open. */
function trim(text) {
  const opened = { "(": 0, "[": 0, "{": 0 };
  let end = 0;
  for (let place = 0; place < text.length; place++) {
    const char = text[place];
    if (char in BRACKETS) {
      if (!opened[BRACKETS[char]]--) break;
      end = place + 1;
    } else if (char in opened) {
      opened[char] += 1;
    } else if (!NOT_LAST.includes(char)) {
      end = place + 1;
    }
  }
  return text.slice(0, end);
}

const hasUrl = (text) => text.search(URLS) >= 0;
const findUrls = (text) => (text.match(URLS) ?? []).map(trim).filter((url) => !url.endsWith("//"));

function isReadable(text) {
  if (text.length > MAX_CHARS || /^[^\\/?#]*@/.test(text)) return false;
  const whole = SCHEME.test(text) ? text : `http://${text}`;
  if (!URL.canParse(whole)) return false;
  const { protocol, hostname, port } = new URL(whole);
  return /^https?:$/.test(protocol) && HOST.test(hostname) && port !== "0";
}

/** The cells of a line; quotes keep a delimiter in its cell. */
function split(line, delimiter) {
  const cells = [""];
  let quoted = false;
  for (const char of line) {
    if (char === '"') quoted = !quoted;
    else if (char === delimiter && !quoted) cells.push("");
    else cells[cells.length - 1] += char;
  }
  return cells;
}

/** The delimiter of a text that is a table of CSV; undefined for any other text. */
function findTable(lines) {
  const first = lines.slice(0, 100).map((line) => line.trim()).filter(Boolean).slice(0, TABLE_LINES);
  return [",", ";", "\t"].find((delimiter) => {
    const widths = new Set(first.map((line) => split(line, delimiter).length));
    return first.length > 1 && widths.size === 1 && !widths.has(1);
  });
}

function readLine(text) {
  if (/^\S+$/.test(text) && !hasUrl(text) && HOST_FIRST.test(text)) return [text];
  return findUrls(text);
}

/** The number and the URLs of each line that is neither blank nor a comment nor the head of a table. */
function* readLines(lines) {
  const table = findTable(lines);
  let column = null;
  for (const [at, line] of lines.entries()) {
    const text = line.trim();
    if (!text || text.startsWith("#")) continue;
    if (!table) {
      yield [at + 1, readLine(text)];
      continue;
    }
    const cells = split(text, table).map((cell) => cell.trim());
    if (column === null && !hasUrl(text)) {
      column = cells.findIndex((cell) => cell.toLowerCase() === "url");
      continue;
    }
    const cell = column !== null && cells[column]?.replace(/^'/, "");
    yield [at + 1, cell === undefined || cell === false ? cells.flatMap(findUrls) : [cell].filter(Boolean)];
  }
}

const unescape = (text) =>
  text.includes("&") ? new DOMParser().parseFromString(text, "text/html").documentElement.textContent : text;

/**
 * The URLs of a text of any kind, each once; how many more times they are there; the numbers of lines that have
 * something like a URL that is none, or in a list no URL at all.
 * @returns {{urls: Set<string>, doubles: number, unreadable: number[]}}
 */
export function readPasted(pasted) {
  const isMarkup = MARKUP.test(pasted);
  const text = isMarkup ? pasted.replace(NAMESPACE, (found) => found.replace(/[^\r\n]/g, "")) : pasted;
  const [urls, unreadable, linesWithout] = [new Set(), [], []];
  let [doubles, linesWith] = [0, 0];
  for (const [number, found] of readLines(text.replace(/^\ufeff/, "").split(LINE_END))) {
    const clean = isMarkup ? found.map(unescape) : found;
    const readable = clean.filter((url) => urls.has(url) || isReadable(url));
    doubles += readable.filter((url) => urls.has(url) || !urls.add(url)).length;
    if (readable.length < clean.length) unreadable.push(number);
    else if (!clean.length) linesWithout.push(number);
    linesWith += Boolean(clean.length);
  }
  if (!isMarkup && linesWith >= linesWithout.length) unreadable.push(...linesWithout);
  return { urls, doubles, unreadable: unreadable.sort((one, other) => one - other) };
}
