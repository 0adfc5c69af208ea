// What lies in a drop: its files, those in folders too, and what is left out of them.

/** What systems put into folders. A name that begins with dots may be that of a song or an album all the same. */
const LITTER = /^(\._|thumbs\.db$|desktop\.ini$)/i;
const HIDDEN = /^\.[\p{L}_]/u;
const isHidden = ({ name, type }) => LITTER.test(name) || (HIDDEN.test(name) && !type.startsWith("audio/"));

const ask = (entry, method) => new Promise((done, fail) => entry[method](done, fail));

/** As a person sorts names: case does not count, 2 comes before 10. */
const { compare } = new Intl.Collator(undefined, { numeric: true });

/**
 * The files in the order of their tree.
 * @returns {Promise<{files: File[], inside: Set<File>, left: [name: string, why: string][]}>} those of `files` that
 *   were inside folders; `why` are the words that count what was left out
 */
export async function unpack(data) {
  const [files, left] = [[], []];
  const within = new Set();

  async function take(entry, inside) {
    const file = entry instanceof File ? entry : await ask(entry, "file");
    if (inside && isHidden(file)) left.push([file.name, "{n} hidden file|{n} hidden files"]);
    else files.push(file);
    if (inside) within.add(file);
  }

  async function enter(folder, inside) {
    // Chromium cannot tell a name that is no UTF-8, and opens the folder around it instead.
    if (!folder.name) throw new Error("no name");
    if (inside && HIDDEN.test(folder.name)) return left.push([folder.name, "{n} hidden folder|{n} hidden folders"]);
    const [reader, children] = [folder.createReader(), []];
    let some = [];
    do {
      some = await ask(reader, "readEntries"); // gives a hundred at a time, in no order
      children.push(...some);
    } while (some.length);
    if (!children.length) left.push([folder.name, "{n} empty folder|{n} empty folders"]);
    for (const child of children.sort((a, b) => compare(a.name, b.name))) await walk(child, true);
  }

  async function walk(entry, inside) {
    try {
      await (entry.isDirectory ? enter : take)(entry, inside);
    } catch {
      left.push([entry?.name, "{n} unreadable|{n} unreadable"]);
    }
  }

  const items = [...data.items].filter(({ kind }) => kind === "file");
  const entries = items.map((item) => item.webkitGetAsEntry() ?? item.getAsFile());
  for (const entry of entries) await walk(entry, false);
  return { files, inside: within, left };
}
