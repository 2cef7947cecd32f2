/** Pictures out of a drop, a paste or a file chooser, and in pieces that one request takes. */

import { el, plural } from "./dom.js";

const ACCEPTED = "image/*,.heic,.heif,.tif,.tiff";
const PICTURE = /\.(jpe?g|png|webp|tiff?|bmp|gif|hei[cf]|avif)$|^[^.]+$/i; // or no suffix at all
const HIDDEN = /(^|\/)\./;
const PIECE = 8; // images per request: few enough that answers come in steadily
const BODY_MARGIN = 64 * 1024; // bytes of a form that are not pictures

const paths = new WeakMap(); // of files that were dropped with their folder

/**
 * Pictures of a drop, those inside folders too; hidden files are left out, and `others` counts what is
 * no picture. `seen(n)` hears how many there are so far; once `signal` aborts, it is over.
 */
export async function filesOfDrop(transfer, { signal, seen = () => {} } = {}) {
  // Entries are gone once the event is over: take all of them first.
  const found = [...transfer.items].filter((item) => item.kind === "file")
    .map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile());
  const files = [];
  for (const entry of found) await collect(entry, files, { signal, seen });
  return sortedOut(files);
}

async function collect(entry, files, { signal, seen }) {
  signal?.throwIfAborted();
  if (entry === null || entry.name.startsWith(".")) return;
  if (entry instanceof File || entry.isFile) {
    const file = entry instanceof File ? entry : await new Promise((resolve, reject) => entry.file(resolve, reject));
    if (entry.fullPath) paths.set(file, entry.fullPath.slice(1));
    files.push(file);
    seen(files.length);
    return;
  }
  const inside = await allEntries(entry.createReader());
  inside.sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }));
  for (const one of inside) await collect(one, files, { signal, seen });
}

async function allEntries(reader) {
  const all = [];
  for (;;) { // a reader hands out a hundred at a time
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return all;
    all.push(...some);
  }
}

/** Where a file lies in the folder that was chosen or dropped; its name where that is not known. */
export const pathOf = (file) => paths.get(file) ?? (file.webkitRelativePath || file.name);

/** `{files, others}`: what may be pictures by type or name, the service looks closer; and how many are not. */
function sortedOut(files) {
  const pictures = files.filter(({ type, name }) => type.startsWith("image/") || PICTURE.test(name));
  return { files: pictures, others: files.length - pictures.length };
}

/** What was left out, in words; null if nothing was. */
export const othersLeftOut = (others) => (others ? `${plural(others, "file")} left out: no ${others === 1 ? "picture" : "pictures"}` : null);

/** Two hidden inputs, for images and for a folder; give each a label. `take(files, others)` gets what was chosen. */
export function imageInputs(id, take) {
  const chosen = ({ target }) => {
    const seen = [...target.files].filter((file) => !HIDDEN.test(pathOf(file)));
    const { files, others } = sortedOut(seen.sort((a, b) => (
      target.webkitdirectory ? pathOf(a).localeCompare(pathOf(b), undefined, { numeric: true }) : 0)));
    target.value = "";
    take(files, others);
  };
  return [
    el("input.visually-hidden", { id, type: "file", accept: ACCEPTED, multiple: true, onchange: chosen }),
    el("input.visually-hidden", { id: `${id}-folder`, type: "file", webkitdirectory: true, onchange: chosen }),
  ];
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
