/** One class: its references, and putting labels right. */

import { api } from "./api.js";
import { classIntake } from "./class_intake.js";
import { $$, attempt, baseName, busy, changed, el, focusOn, named, plural } from "./dom.js";
import { ask, labelField } from "./forms.js";
import { linkTo } from "./gallery.js";
import { isPicture, picture } from "./pictures.js";
import { showReference } from "./reference.js";
import { selectionBar } from "./selection.js";
import { sayDone } from "./undo.js";

const PAGE = 60; // references fetched at a time

export async function showClass(root, { argument: label, signal }) {
  if ((await sizeOf(label)) === 0) {
    root.append(...missing(label));
    return; // before anything listens that could add to it: that would make a class of a slip
  }
  const grid = el("ul.references", { "aria-label": `References of ${label}`, onclick: selectRange });
  const more = el("button", { type: "button", hidden: true, onclick: () => busy(more, loadMore) }, "Show more");
  const heading = el("h1", named(label));
  const count = el("p.count", { "aria-live": "polite" });
  const all = el("button.quiet", { type: "button", onclick: () => selectAll(true) }, "Select all shown");
  const selection = selectionBar("Selected references",
    el("button", { type: "button", onclick: relabel }, "Relabel"),
    el("button.danger", { type: "button", onclick: remove }, "Remove"),
    el("button.quiet", { type: "button", onclick: () => { selectAll(false); focusOn(all); } }, "Select none"));
  const intake = classIntake(label, { reload, signal });
  const state = { total: 0, after: null, last: null };
  root.append(
    el("p.back", el("a", { href: "#/gallery" }, "← All classes")),
    el("div.heading", heading,
      el("div.actions", intake.buttons,
        el("button", { type: "button", onclick: rename }, "Rename or merge"),
        el("button.danger", { type: "button", onclick: removeClass }, "Remove class"))),
    intake.node, el("div.row.between", count, all), grid, more, selection.node);
  grid.addEventListener("change", showSelection);
  await reload();

  async function reload() {
    state.total = await sizeOf(label);
    state.after = null;
    grid.replaceChildren();
    await load();
  }

  async function load() {
    const page = await api.references({ label, limit: PAGE, after: state.after });
    grid.append(...page.references.map((reference) => tile(reference, look)));
    state.after = page.next_after;
    showCount();
  }

  async function loadMore() {
    const first = grid.children.length;
    await load();
    focusOn(grid.children[first]?.querySelector("input"));
  }

  function showCount() {
    const shown = grid.children.length;
    more.hidden = state.after === null;
    all.hidden = shown === 0;
    count.textContent = state.total === 0 ? "No reference has this label (any more)."
      : plural(state.total, "reference") + (shown < state.total ? `, ${shown} shown` : "");
    showSelection();
  }

  function selected() {
    return $$("input:checked", grid).map((box) => box.value);
  }

  function showSelection() {
    selection.update(selected().length);
  }

  function selectAll(checked) {
    for (const box of $$("input", grid)) box.checked = checked;
    showSelection();
  }

  /** Shift and click selects everything in between. */
  function selectRange(event) {
    const box = event.target.closest("input");
    if (!box) return;
    const boxes = $$("input", grid);
    const [here, there] = [boxes.indexOf(box), boxes.indexOf(state.last)];
    if (event.shiftKey && there >= 0) {
      for (const one of boxes.slice(Math.min(here, there), Math.max(here, there) + 1)) one.checked = box.checked;
    }
    state.last = box;
    showSelection();
  }

  async function look(id) {
    const done = await showReference(id, $$("input", grid).map((box) => box.value));
    if (done) leave([done.id]);
  }

  async function relabel() {
    const ids = selected();
    const data = await ask({
      title: `Relabel ${plural(ids.length, "reference")}`, fields: [labelField({ text: "New label" })], action: "Relabel",
    });
    if (!data) return;
    const to = data.get("label").trim();
    if (to !== label) await apply(ids, () => api.relabel(ids, to), `${plural(ids.length, "reference")} moved to “${to}”`);
  }

  async function remove() {
    const ids = selected();
    const data = await ask({
      title: `Remove ${plural(ids.length, "reference")}?`,
      text: "They leave the gallery; the picture files are not touched, and History brings them back for a while.",
      action: "Remove", danger: true,
    });
    if (data) await apply(ids, () => api.remove(ids), `${plural(ids.length, "reference")} removed`);
  }

  async function apply(ids, action, message) {
    const done = await attempt(action);
    if (!done) return;
    leave(ids);
    sayDone(message, done.action, reload);
    changed();
  }

  /** References that are no longer of this class leave the grid; the keyboard stays near. */
  function leave(ids) {
    const gone = new Set(ids);
    const boxes = $$("input", grid);
    const next = boxes.findLast((box, i) => !gone.has(box.value) && boxes.slice(i).some((b) => gone.has(b.value)))
      ?? boxes.find((box) => !gone.has(box.value));
    for (const box of boxes.filter((b) => gone.has(b.value))) box.closest("li").remove();
    state.total -= ids.length;
    showCount();
    focusOn(next ?? heading);
    if (!grid.children.length && state.after !== null) attempt(load);
  }

  async function rename() {
    const data = await ask({
      title: `Rename “${label}”`,
      text: "A name that exists already merges the two classes. Nothing is embedded again.",
      fields: [labelField({ text: "New name", value: label })], action: "Rename",
    });
    const to = data?.get("label").trim();
    if (!to || to === label || !(await mergeIsMeant(to))) return;
    const done = await attempt(() => api.renameClass(label, to));
    if (!done) return;
    sayDone(`${plural(done.changed, "reference")} now in “${to}”`, done.action, () => { location.hash = linkTo(label); });
    changed();
    location.hash = linkTo(to);
  }

  async function mergeIsMeant(to) {
    const other = (await attempt(api.classes))?.classes.find((one) => one.label === to);
    if (!other) return true;
    return ask({
      title: `Merge into “${to}”?`,
      text: `“${to}” has ${plural(other.count, "reference")} already. Afterwards only Undo tells the two apart.`,
      action: "Merge", danger: true,
    });
  }

  async function removeClass() {
    const data = await ask({
      title: `Remove “${label}”?`,
      text: `All ${plural(state.total, "reference")} leave the gallery; the picture files are not touched, and History brings them back for a while.`,
      action: "Remove class", danger: true,
    });
    const done = data && (await attempt(() => api.removeClass(label)));
    if (!done) return;
    sayDone(`“${label}” removed`, done.action, () => { location.hash = linkTo(label); });
    changed();
    location.hash = "#/gallery";
  }
}

function tile(reference, look) {
  const name = baseName(reference.source);
  const box = el("input", { type: "checkbox", value: reference.id, id: `ref-${reference.id}`, "aria-label": `Select ${name}` });
  return el("li", box,
    el("label", { for: box.id }, isPicture(reference)
      ? picture("img", () => api.thumbnail(reference.id), { alt: "", decoding: "async" }) : "No picture"),
    el("button.link.source", { type: "button", title: reference.source, "aria-label": `${name}: details`, onclick: () => look(reference.id) },
      named(name)),
    reference.group ? el("span.group", `group ${reference.group}`) : null);
}

async function sizeOf(label) {
  const { classes } = await api.classes();
  return classes.find((one) => one.label === label)?.count ?? 0;
}

function missing(label) {
  return [
    el("p.back", el("a", { href: "#/gallery" }, "← All classes")),
    el("h1", "There is no class “", named(label), "”"),
    el("p", "No reference has this label (any more). A class begins with its first picture: ask for it under Classify and add it, or run ",
      el("code", "ingest add"), "."),
  ];
}
