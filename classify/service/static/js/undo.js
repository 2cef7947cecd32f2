/** Undo in the toast that follows a change. */

import { api } from "./api.js";
import { attempt, busy, changed, el, plural, say } from "./dom.js";

/** Say what was done, with a button that undoes the action; `after` is called when it did. */
export function sayDone(words, action, after = () => {}) {
  sayUndoable(words, async () => { if (await undo(action)) await after(); });
}

/** Say what was done, with a button that takes it back. */
export function sayUndoable(words, back) {
  const button = el("button.quiet", { type: "button", onclick: () => busy(button, () => {
    button.closest(".toast")?.remove();
    return back();
  }) }, "Undo");
  say(words, "info", button);
}

/** Undo an action and say what came of it; undefined where it failed. */
export async function undo(action) {
  const done = await attempt(() => api.undo(action));
  if (!done) return undefined;
  const left = Object.keys(done.left).length;
  say(left ? `Undone, but ${plural(left, "reference")} changed since and stay as they are` : "Undone");
  changed();
  return done;
}
