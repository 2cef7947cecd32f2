/** Pictures into the gallery: a few requests at a time, heard of one by one, ended at any moment. */

import { api, newAction } from "./api.js";
import { el, plural } from "./dom.js";
import { piecesOf } from "./files.js";

const AT_ONCE = 2; // requests under way: one is decoded while the other is encoded

/**
 * Add the files of `items` under a label, as one action of the history. `each(item, outcome)` hears what became of every one and may
 * take its time; the first failure of a request ends them all. Resolves to how often it said true.
 */
export async function addAll(items, { label, bounds, each, signal, action = newAction("add"), onConflict = "error" }) {
  const pieces = piecesOf(items, bounds);
  let added = 0;
  const work = async () => {
    for (const piece of pieces) { // one iterator for all: each takes the next piece that is left
      signal?.throwIfAborted();
      const { outcomes } = await api.add(piece.map(({ file }) => file),
        { label, on_conflict: onConflict, action: JSON.stringify(action) }, signal);
      for (const [i, outcome] of outcomes.entries()) {
        if (await each(piece[i], outcome)) added += 1;
      }
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: AT_ONCE }, work));
  const failed = ended.find(({ status, reason }) => status === "rejected" && reason.name !== "AbortError");
  if (failed) throw failed.reason;
  return added;
}

/** A bar that says how far something is, with a button that ends it. */
export function progressBar({ total, what, stop, verb = "Cancel" }) {
  const bar = el("progress", { max: total || 1, value: 0, "aria-label": what });
  const text = el("span", `0 of ${plural(total, "image")}`);
  const node = el("div.progress", bar, text, el("button", { type: "button", onclick: stop }, verb));
  return {
    node,
    update(done, of = total) {
      Object.assign(bar, { max: of || 1, value: done });
      text.textContent = `${done.toLocaleString("en")} of ${plural(of, "image")}`;
    },
  };
}
