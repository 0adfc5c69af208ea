// Hosts in IDNA in their own letters. Loaded only where a URL has such a host.

const HOST = /^(?:(?:[a-z][a-z0-9+.-]*:)?\/\/[^/?#\\]*|[^/?#\\]*)/i;
const LABEL = /\bxn--[a-z0-9-]+/gi;
const [BASE, LEAST, MOST, SKEW, DAMP, FIRST_BIAS, FIRST_CODE] = [36, 1, 26, 38, 700, 72, 128];

/** The value of a digit: a to z, then 0 to 9. */
const valueOf = (digit) => (parseInt(digit, 36) + 26) % 36;

/** The next bias (RFC 3492, 6.1). */
function adapt(delta, count, isFirst) {
  let [rest, bias] = [Math.floor(delta / (isFirst ? DAMP : 2)), 0];
  rest += Math.floor(rest / count);
  for (; rest > ((BASE - LEAST) * MOST) / 2; bias += BASE) rest = Math.floor(rest / (BASE - LEAST));
  return bias + Math.floor(((BASE - LEAST + 1) * rest) / (rest + SKEW));
}

/** The letters of a label behind its `xn--` (RFC 3492, 6.2). @throws {RangeError} it has none */
function decode(label) {
  const end = Math.max(label.lastIndexOf("-"), 0);
  const letters = [...label.slice(0, end)];
  let [code, place, bias, at] = [FIRST_CODE, 0, FIRST_BIAS, end && end + 1];
  while (at < label.length) {
    const before = place;
    for (let [weight, k] = [1, BASE]; ; k += BASE) {
      const value = valueOf(label[at++]);
      const least = Math.min(Math.max(k - bias, LEAST), MOST);
      place += value * weight;
      if (value < least) break;
      if (!(value >= 0)) throw new RangeError("a digit is missing");
      weight *= BASE - least;
    }
    bias = adapt(place - before, letters.length + 1, !before);
    code += Math.floor(place / (letters.length + 1));
    place %= letters.length + 1;
    letters.splice(place++, 0, String.fromCodePoint(code));
  }
  return letters.join("");
}

/** A label in its own letters, if the browser writes those so too. */
function showLabel(label) {
  try {
    const shown = decode(label.slice(4).toLowerCase());
    return new URL(`http://${shown}`).hostname === label.toLowerCase() ? shown : label;
  } catch {
    return label;
  }
}

/** A URL whose host is shown in its own letters. */
export const showHost = (url) => url.replace(HOST, (host) => host.replace(LABEL, showLabel));
