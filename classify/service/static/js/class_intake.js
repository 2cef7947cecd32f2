/** Pictures into one class: chosen, or dropped with their folder; how far it is, what became of them, and back. */

import { addAll, progressBar } from "./adding.js";
import { api, newAction } from "./api.js";
import { $, attempt, busy, changed, el, named, plural, say } from "./dom.js";
import { imageInputs, othersLeftOut } from "./files.js";
import { ask } from "./forms.js";
import { undo } from "./undo.js";

const NAMED = 20; // pictures that were not added and are listed; the others are counted

/** `buttons` choose images or a folder for a class, `node` tells of them; `reload` shows what is new. */
export function classIntake(label, { reload, signal }) {
  const node = el("div", { "aria-live": "polite" });
  const [images, folder] = imageInputs("add-images", (files, others) => attempt(() => add(files, others)));
  const buttons = el("span.zone.actions",
    images, el("label.button", { for: images.id }, "Add images"), folder, el("label.button", { for: folder.id }, "Add a folder"));
  document.addEventListener("holotype:dropped", (event) => {
    event.preventDefault();
    if (!$("dialog[open]")) attempt(() => confirmed(event.detail));
  }, { signal });
  return { buttons, node };

  /** What is dropped by mistake must not be a reference. */
  async function confirmed({ files, others }) {
    if (!files.length) say(othersLeftOut(others) ?? "The folder is empty");
    else if (await ask({
      title: `Add ${plural(files.length, "image")} to “${label}”?`,
      text: others ? `${othersLeftOut(others)}.` : null,
      action: `Add ${files.length}`,
    })) await add(files, others);
  }

  async function add(files, others) {
    const gallery = await api.gallery();
    const bounds = { maxImages: gallery.max_images, maxBytes: gallery.max_body_bytes };
    const stopper = new AbortController();
    const items = files.map((file) => ({ file, outcome: null }));
    const action = newAction("add");
    const progress = progressBar({ total: items.length, what: `Added to ${label}`, stop: () => stopper.abort() });
    const told = () => items.filter(({ outcome }) => outcome !== null);
    const each = (item, outcome) => {
      item.outcome = outcome;
      progress.update(told().length);
    };
    node.replaceChildren(progress.node);
    try {
      await attempt(() => addAll(items, { label, bounds, each, action, signal: stopper.signal }));
    } finally {
      report(told().map(({ outcome }) => outcome), items.length, others, action);
      changed();
      await reload();
    }
  }

  function report(outcomes, total, others, action) {
    const added = outcomes.filter(({ outcome }) => outcome === "added");
    const present = outcomes.filter(({ outcome }) => outcome === "already_present").length;
    const refused = outcomes.filter(({ outcome }) => !["added", "already_present"].includes(outcome));
    const rest = total - outcomes.length;
    const words = [`${plural(added.length, "image")} added to “${label}”`,
      present ? `${present} already there` : null,
      refused.length ? `${refused.length} not added` : null,
      rest ? `${rest} not sent` : null,
      othersLeftOut(others)].filter(Boolean).join(", ");
    const note = el(`div.notice${refused.length || rest ? "" : ".info"}`, el("div.row.between", el("span", `${words}.`), el("span.actions",
      added.length ? el("button.quiet", { type: "button", onclick: () => busy(note, () => back(note, action)) }, "Undo") : null,
      el("button.quiet", { type: "button", onclick: () => note.remove() }, "Close"))),
    refused.length ? el("ul.refused", refused.slice(0, NAMED).map(({ source, reason }) => el("li", named(source), `: ${reason}`)),
      refused.length > NAMED ? el("li", `and ${refused.length - NAMED} more`) : null) : null);
    node.replaceChildren(note);
  }

  async function back(note, action) {
    if (!await undo(action.id)) return;
    note.remove();
    await reload();
  }
}
