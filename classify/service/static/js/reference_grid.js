/** A grid of references, of one class or of several: any number of them is selected and put right at once. */

import { api } from "./api.js";
import { $, $$, attempt, baseName, busy, changed, el, focusOn, named, plural } from "./dom.js";
import { ask, labelField } from "./forms.js";
import { isPicture, picture } from "./pictures.js";
import { showReference } from "./reference.js";
import { selectionBar } from "./selection.js";
import { sayDone } from "./undo.js";

const PAGE = 60; // references fetched at a time

/** The references of these classes, some at a time, class after class. */
function pagesOf(labels) {
  const left = [...labels];
  let after = null;
  return {
    get done() { return left.length === 0; },
    async next() {
      const found = [];
      while (left.length && found.length < PAGE) {
        const page = await api.references({ label: left[0], limit: PAGE - found.length, after });
        after = page.next_after;
        found.push(...page.references);
        if (after === null) left.shift();
      }
      return found;
    },
  };
}

/**
 * `name` is what it is called, `heading` gets the keyboard once nothing is left. `own` is the class that all of them
 * are of: who gets another label leaves, and labels are not shown; null where they are of several.
 * `begin(labels, total)` shows their references from the first on; `node` goes where they are to be.
 */
export function referenceGrid({ name, heading, own = null }) {
  const grid = el("ul.references", { "aria-label": name, onclick: selectRange, onkeydown: selectByKey });
  const more = el("button", { type: "button", hidden: true, onclick: () => busy(more, loadMore) }, "Show more");
  const count = el("p.count", { "aria-live": "polite" });
  const all = el("button.quiet", { type: "button", onclick: () => selectAll(true) }, "Select all shown");
  const selection = selectionBar("Selected references",
    el("button", { type: "button", onclick: relabel }, "Relabel"),
    el("button.danger", { type: "button", onclick: remove }, "Remove"),
    el("button.quiet", { type: "button", onclick: () => { selectAll(false); focusOn(all); } }, "Select none"));
  const node = el("div", el("div.row.between", count, all), grid, more, selection.node);
  const state = { total: 0, pages: pagesOf([]), last: null, begun: 0 };
  grid.addEventListener("change", showSelection);
  return { node, begin, get total() { return state.total; } };

  async function begin(labels, total) {
    const mine = ++state.begun;
    Object.assign(state, { labels, total, pages: pagesOf(labels), last: null });
    grid.replaceChildren();
    count.textContent = "Loading…";
    await load(mine);
  }

  async function load(mine = state.begun) {
    const references = await state.pages.next();
    if (mine !== state.begun) return; // others were asked for meanwhile
    grid.append(...references.map((reference) => tile(reference)));
    showCount();
  }

  async function loadMore() {
    const first = grid.children.length;
    await load();
    focusOn(grid.children[first]?.querySelector("input"));
  }

  function showCount() {
    const shown = grid.children.length;
    more.hidden = state.pages.done;
    all.hidden = shown === 0;
    count.textContent = state.total === 0 ? (own === null ? "No reference." : "No reference has this label (any more).")
      : plural(state.total, "reference") + (shown < state.total ? `, ${shown.toLocaleString("en")} shown` : "");
    showSelection();
  }

  function tile(reference) {
    const called = baseName(reference.source);
    const box = el("input", { type: "checkbox", value: reference.id, id: `ref-${reference.id}`, "aria-label": `Select ${called}` });
    return el("li", { "data-label": reference.label }, box,
      el("label", { for: box.id }, isPicture(reference)
        ? picture("img", () => api.thumbnail(reference.id), { alt: "", decoding: "async" }) : "No picture"),
      el("button.link.source", { type: "button", title: reference.source, "aria-label": `${called}: details`, onclick: () => look(reference.id) },
        named(called)),
      own === null ? el("strong.of", { title: reference.label }, named(reference.label)) : null,
      reference.group ? el("span.group", `group ${reference.group}`) : null);
  }

  function selected() {
    return $$("input:checked", grid).map((box) => box.value);
  }

  function showSelection() {
    const tiles = $$("li:has(> input:checked)", grid);
    const labels = new Set(tiles.map((one) => one.dataset.label)).size;
    selection.update(tiles.length, `${tiles.length} selected${labels > 1 ? ` of ${labels} classes` : ""}`);
  }

  function selectAll(checked) {
    for (const box of $$("input", grid)) box.checked = checked;
    showSelection();
  }

  /** Shift and click selects everything in between. */
  function selectRange(event) {
    const box = event.target.closest("input");
    if (!box) return;
    if (event.shiftKey) selectUpTo(box);
    state.last = box;
    showSelection();
  }

  /** Arrows go from box to box; with Shift they select on the way. Ctrl+A selects all shown. */
  function selectByKey(event) {
    const box = event.target.closest("input");
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!box || event.altKey) return;
    if (event.key === "a" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      selectAll(true);
    } else if (by && !event.ctrlKey && !event.metaKey) {
      const boxes = $$("input", grid);
      const next = boxes[boxes.indexOf(box) + by * (event.key.endsWith("t") ? 1 : columns())];
      event.preventDefault();
      if (!next) return;
      next.focus();
      if (!event.shiftKey) return;
      box.checked = true;
      state.last = box;
      selectUpTo(next, true);
      state.last = next;
      showSelection();
    }
  }

  function selectUpTo(box, checked = box.checked) {
    const boxes = $$("input", grid);
    const [here, there] = [boxes.indexOf(box), boxes.indexOf(state.last)];
    if (there < 0) return;
    for (const one of boxes.slice(Math.min(here, there), Math.max(here, there) + 1)) one.checked = checked;
  }

  /** How many stand beside each other. */
  function columns() {
    const tiles = [...grid.children];
    return Math.max(tiles.findIndex((one) => one.offsetTop > tiles[0].offsetTop), 1);
  }

  async function look(id) {
    const done = await showReference(id, $$("input", grid).map((box) => box.value));
    if (!done) return;
    const now = done.what === "relabelled" && own === null ? await attempt(() => api.reference(done.id)) : null;
    if (now) stay([now.id], now.label);
    else leave([done.id]);
  }

  async function relabel() {
    const ids = selected();
    const data = await ask({
      title: `Relabel ${plural(ids.length, "reference")}`, fields: [labelField({ text: "New label" })], action: "Relabel",
    });
    const to = data?.get("label").trim();
    if (!to || to === own) return;
    const done = await apply(() => api.relabel(ids, to), `${plural(ids.length, "reference")} moved to “${to}”`);
    if (!done) return;
    if (own === null) stay(ids, done.label ?? to);
    else leave(ids);
  }

  async function remove() {
    const ids = selected();
    const data = await ask({
      title: `Remove ${plural(ids.length, "reference")}?`,
      text: "They leave the gallery; the picture files are not touched, and History brings them back for a while.",
      action: "Remove", danger: true,
    });
    if (data && await apply(() => api.remove(ids), `${plural(ids.length, "reference")} removed`)) leave(ids);
  }

  async function apply(action, message) {
    const done = await attempt(action);
    if (!done) return null;
    sayDone(message, done.action, () => begin(state.labels, state.total + (own !== null ? done.changed : 0)));
    changed();
    return done;
  }

  /** Of several classes: they are still here, under another label. */
  function stay(ids, label) {
    const those = new Set(ids);
    const boxes = $$("input", grid).filter((box) => those.has(box.value));
    for (const box of boxes) {
      const item = box.closest("li");
      box.checked = false;
      item.dataset.label = label;
      $(".of", item).replaceChildren(named(label));
      $(".of", item).title = label;
    }
    showSelection();
    focusOn(boxes[0]);
  }

  /** Who is gone leaves the grid; the keyboard stays near. */
  function leave(ids) {
    const gone = new Set(ids);
    const boxes = $$("input", grid);
    const next = boxes.findLast((box, i) => !gone.has(box.value) && boxes.slice(i).some((b) => gone.has(b.value)))
      ?? boxes.find((box) => !gone.has(box.value));
    for (const box of boxes.filter((b) => gone.has(b.value))) box.closest("li").remove();
    state.total -= ids.length;
    showCount();
    focusOn(next ?? heading);
    if (!grid.children.length && !state.pages.done) attempt(load);
  }
}
