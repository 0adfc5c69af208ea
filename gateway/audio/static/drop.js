// What lies in a drop: its files, those in folders too, and what is left out of them.

/** What systems put into folders. A name that begins with dots may be that of a song or an album all the same. */
const LITTER = /^(\._|thumbs\.db$|desktop\.ini$)/i;
const HIDDEN = /^\.[\p{L}_]/u;
const isHidden = ({ name, type }) => LITTER.test(name) || (HIDDEN.test(name) && !type.startsWith("audio/"));

const ask = (entry, method) => new Promise((done, fail) => entry[method](done, fail));

/** @returns {Promise<{files: File[], left: [name: string, why: string][]}>} `why` are the words that count them */
export async function unpack(data) {
  const [files, left] = [[], []];

  async function take(entry, inside) {
    const file = entry instanceof File ? entry : await ask(entry, "file");
    if (inside && isHidden(file)) left.push([file.name, "{n} hidden file|{n} hidden files"]);
    else files.push(file);
  }

  async function enter(folder, inside) {
    // Chromium cannot tell a name that is no UTF-8, and opens the folder around it instead.
    if (!folder.name) throw new Error("no name");
    if (inside && HIDDEN.test(folder.name)) return left.push([folder.name, "{n} hidden folder|{n} hidden folders"]);
    const reader = folder.createReader();
    let children = await ask(reader, "readEntries");
    if (!children.length) left.push([folder.name, "{n} empty folder|{n} empty folders"]);
    while (children.length) {
      for (const child of children) await walk(child, true);
      children = await ask(reader, "readEntries"); // gives a hundred at a time
    }
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
  return { files, left };
}
