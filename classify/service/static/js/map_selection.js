/** The references that were selected on the map, as pictures: opened, relabelled, removed. */

import { api } from "./api.js";
import { $$, attempt, changed, el, focusOn, named, plural } from "./dom.js";
import { ask, labelField } from "./forms.js";
import { picture } from "./pictures.js";
import { showReference } from "./reference.js";
import { selectionBar } from "./selection.js";
import { sayDone } from "./undo.js";

const PAGE = 60; // pictures shown at a time

/**
 * A grid; `show(references, words)` fills it with `{id, label, note}`. `relabelled(ids, label)` and `removed(ids)` are
 * told what somebody did; with `{ back: true }`, that the removed are there again.
 */
export function mapSelection({ relabelled, removed, cleared }) {
  const heading = el("h2", { "aria-live": "polite" });
  const grid = el("ul.references", { "aria-label": "Selected on the map", onchange: showMarked });
  const more = el("button", { type: "button", onclick: () => { const first = grid.children.length; load(); focusOn(grid.children[first]?.querySelector("input")); } }, "Show more");
  const all = el("button.quiet", { type: "button", onclick: () => markAll(true) }, "Select all of them");
  const none = el("button.quiet", { type: "button", onclick: cleared }, "Show all again");
  const bar = selectionBar("Selected references",
    el("button", { type: "button", onclick: relabel }, "Relabel"),
    el("button.danger", { type: "button", onclick: remove }, "Remove"),
    el("button.quiet", { type: "button", onclick: () => { markAll(false); focusOn(all); } }, "Select none"));
  const node = el("section.map-selection", { hidden: true, "aria-label": "Selection" },
    el("div.row.between", heading, el("div.row", all, none)), grid, more, bar.node);
  let [references, marked, words] = [[], new Set(), ""];
  return { node, show };

  function show(found, said, { keep = false } = {}) {
    [references, words] = [found, said];
    marked = new Set(keep ? found.map(({ id }) => id).filter((id) => marked.has(id)) : []);
    const shown = keep ? Math.max(PAGE, grid.children.length) : PAGE;
    node.hidden = !found.length;
    grid.replaceChildren();
    load(shown);
  }

  function load(many = PAGE) {
    const from = grid.children.length;
    grid.append(...references.slice(from, from + many).map(tile));
    more.hidden = grid.children.length >= references.length;
    heading.replaceChildren(`${plural(references.length, "reference")}: `, named(words));
    showMarked();
  }

  function tile({ id, label, note }) {
    const box = el("input", { type: "checkbox", value: id, id: `on-map-${id}`, checked: marked.has(id), "aria-label": `Select a reference of ${label}` });
    return el("li", box,
      el("label", { for: box.id }, picture("img", () => api.thumbnail(id), { alt: "", decoding: "async" })),
      el("button.link.source", { type: "button", title: label, "aria-label": `${label}: details`, onclick: () => look(id) }, named(label)),
      note ? el("span.group", note) : null);
  }

  function showMarked() {
    const boxes = $$("input", grid);
    const seen = new Set(boxes.map((box) => box.value));
    marked = new Set([...[...marked].filter((id) => !seen.has(id)), ...boxes.filter((box) => box.checked).map((box) => box.value)]);
    bar.update(marked.size);
  }

  /** All of the selection, also what is not shown yet. */
  function markAll(checked) {
    marked = new Set(checked ? references.map(({ id }) => id) : []);
    for (const box of $$("input", grid)) box.checked = checked;
    bar.update(marked.size);
  }

  async function look(id) {
    const done = await showReference(id, references.map((one) => one.id));
    if (done?.what === "removed") removed([done.id]);
    else if (done) await attempt(async () => relabelled([done.id], (await api.reference(done.id)).label));
  }

  async function relabel() {
    const ids = [...marked];
    const data = await ask({ title: `Relabel ${plural(ids.length, "reference")}`, fields: [labelField({ text: "New label" })], action: "Relabel" });
    const label = data?.get("label").trim();
    const done = label && (await attempt(() => api.relabel(ids, label)));
    if (!done) return;
    const before = Map.groupBy(references.filter(({ id }) => marked.has(id)), (one) => one.label);
    marked.clear();
    relabelled(ids, label);
    finish(`${plural(ids.length, "reference")} moved to “${label}”`, done.action,
      () => before.forEach((some, was) => relabelled(some.map(({ id }) => id), was)));
  }

  async function remove() {
    const ids = [...marked];
    const data = await ask({ title: `Remove ${plural(ids.length, "reference")}?`,
      text: "They leave the gallery; the picture files are not touched.", action: "Remove", danger: true });
    const done = data && (await attempt(() => api.remove(ids)));
    if (!done) return;
    removed(ids);
    finish(`${plural(ids.length, "reference")} removed`, done.action, () => removed(ids, { back: true }));
  }

  function finish(message, action, back) {
    sayDone(message, action, back);
    changed();
    focusOn($$("input", grid)[0] ?? heading);
  }
}
