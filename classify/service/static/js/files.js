/** Pictures out of a drop, a paste or a file chooser, and in pieces that one request takes. */

const PIECE = 8; // images per request: few enough that answers come in steadily
const BODY_MARGIN = 64 * 1024; // bytes of a form that are not pictures

/** Files of a drop, those inside folders too; hidden files are left out. */
export async function filesOfDrop(transfer) {
  // Entries are gone once the event is over: take all of them first.
  const found = [...transfer.items].filter((item) => item.kind === "file")
    .map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile());
  const files = await Promise.all(found.map(filesIn));
  return files.flat();
}

async function filesIn(entry) {
  if (entry === null) return [];
  if (entry instanceof File) return [entry];
  if (entry.name.startsWith(".")) return [];
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const inside = await allEntries(entry.createReader());
  inside.sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }));
  return (await Promise.all(inside.map(filesIn))).flat();
}

async function allEntries(reader) {
  const all = [];
  for (;;) { // a reader hands out a hundred at a time
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return all;
    all.push(...some);
  }
}

/** Files of a paste. What comes from the clipboard itself has no name of its own. */
export function filesOfPaste(clipboard) {
  const stamp = new Date().toISOString().slice(0, 19).replaceAll(":", "-");
  return [...(clipboard?.files ?? [])].map((file, i) =>
    /^image\.\w+$/.test(file.name)
      ? new File([file], `pasted-${stamp}${i ? `-${i + 1}` : ""}.${file.name.split(".").pop()}`, { type: file.type })
      : file);
}

/** Pieces of a list of `{file}`, each within the bounds of one request. */
export function* piecesOf(items, { maxImages, maxBytes }) {
  const most = Math.min(PIECE, maxImages);
  let piece = [];
  let bytes = BODY_MARGIN;
  for (const item of items) {
    if (piece.length && (piece.length >= most || bytes + item.file.size > maxBytes)) {
      yield piece;
      [piece, bytes] = [[], BODY_MARGIN];
    }
    piece.push(item);
    bytes += item.file.size;
  }
  if (piece.length) yield piece;
}

/** Why a file cannot be sent at all, or null. */
export function tooLarge(file, { maxBytes }) {
  if (file.size + BODY_MARGIN <= maxBytes) return null;
  return `The file has ${mib(file.size)} MiB; this service takes ${mib(maxBytes)} MiB in one request.`;
}

const mib = (bytes) => (bytes / 2 ** 20).toFixed(bytes < 10 * 2 ** 20 ? 1 : 0);

/** What a picture is that the browser shows no preview of. */
export function kindOf(file) {
  const suffix = /\.(\w{1,5})$/.exec(file.name)?.[1];
  return suffix ? suffix.toUpperCase() : "This file";
}
