/** Review: queries that were in doubt, to be labelled and added, one closely or several together. */

import { api, newAction } from "./api.js";
import { $, $$, attempt, busy, changed, el, focusOn, named, plural, say } from "./dom.js";
import { labelField, typedLabel } from "./forms.js";
import { picture } from "./pictures.js";
import { isStranger, reviewStage } from "./review_stage.js";
import { sayUndoable, undo as undoAction } from "./undo.js";

const FAILED = ["broken", "failed"];
const CONFLICT = "label_conflict";
const GONE = 404;
const MOST = 1000; // queries of one answer of the service
const PAGE = 100; // queries shown before more are asked for
const PIECE = 32; // queries per request
const OFFERED = 4; // labels that the selected may be added under with one click

export async function showReview(root, { signal }) {
  const queue = await api.review({ limit: PAGE });
  let { total, next_after: nextAfter } = queue;
  const items = new Map();
  const done = []; // what can be undone, the last at the end: an action of the history, or null, and the items that left with their places
  let current = null;
  const list = el("ul.review", { "aria-label": "Queries in doubt" });
  const heading = el("h1", "Review");
  const empty = el("p.empty", queue.keeps_queries
    ? "Nothing to review: no query was unknown, unsure, or named differently by the neighbours and the head."
    : ["This service keeps no queries. Set ", el("code", "HOLOTYPE_KEEP_QUERIES"), " to how many it may keep."]);
  const tools = el("div.tools");
  const more = el("button.more", { type: "button", onclick: showMore });
  const all = el("input", { type: "checkbox", id: "select-all", onchange: () => select(() => all.checked) });
  const stage = reviewStage({ add: (item, label) => add([[label, [item]]]), keep, overrule, drop: (item) => drop([item]), undo: () => undo(), step }, signal);
  window.addEventListener("focus", () => attempt(sync), { signal });
  root.append(heading, el("p.lead.review-lead", "Queries in doubt. Add one under a class or a label of your own, or select several to label them together."),
    stage.node, tools, list, more, empty);
  list.addEventListener("change", update);
  list.addEventListener("click", ({ target }) => { if (target.closest(".open")) bringUp(items.get(target.closest("li").dataset.id)); });
  show(queue.items);
  lookAt(queue.items[0] ?? null);

  function show(found) {
    for (const item of found) items.set(item.id, item);
    list.append(...found.map(tile));
    update();
  }

  /** The next page; what was kept since the first one was shown is left to the next visit. */
  async function showMore() {
    const page = await busy(more, () => api.review({ limit: PAGE, after: nextAfter }));
    if (!page) return;
    ({ total, next_after: nextAfter } = page);
    const first = list.children.length;
    show(page.items);
    if (current === null) lookAt(page.items[0] ?? null);
    else lookAt(current);
    focusOn($("button", list.children[first]));
  }

  /** Bring an item, or none, onto the stage. */
  function lookAt(item) {
    current = item;
    const rows = [...list.children];
    const at = rows.findIndex((row) => row.dataset.id === item?.id);
    for (const [i, row] of rows.entries()) {
      if (i === at) $(".open", row).setAttribute("aria-current", "true");
      else $(".open", row).removeAttribute("aria-current");
    }
    stage.show(item, { at, of: rows.length, next: items.get(rows[at + 1]?.dataset.id) ?? null, undoable: done.length > 0 });
  }

  async function step(by) {
    const rows = [...list.children];
    const next = rows[rows.findIndex((row) => row.dataset.id === current?.id) + by];
    if (!next) return;
    bringUp(items.get(next.dataset.id));
  }

  function bringUp(item) {
    lookAt(item);
    stage.node.scrollIntoView({ block: "nearest" });
  }

  function boxes() {
    return $$("input[type=checkbox]", list);
  }

  function select(wanted) {
    for (const box of boxes()) box.checked = wanted(items.get(box.value));
    update();
  }

  function update() {
    const chosen = boxes().filter((box) => box.checked).map((box) => items.get(box.value));
    empty.hidden = items.size > 0;
    more.hidden = nextAfter === null;
    more.textContent = `Show more of the ${total.toLocaleString("en")} that are kept`;
    tools.hidden = items.size === 0;
    all.checked = chosen.length === items.size;
    all.indeterminate = chosen.length > 0 && chosen.length < items.size;
    const focused = tools.contains(document.activeElement) ? document.activeElement.id : null;
    tools.replaceChildren(
      el("div.row.between",
        el("label.check", { for: all.id }, all, el("span", { "aria-live": "polite" },
          chosen.length ? `${chosen.length} of ${items.size} selected`
            : `Select all ${items.size}${nextAfter === null ? "" : " shown"}`)),
        chosen.length ? el("button.quiet", { type: "button", onclick: () => drop(chosen) }, "Discard the selected") : null),
      ...(chosen.length ? [together(chosen)] : [bySuggestion()]));
    if (focused) $(`#${focused}`)?.focus();
  }

  /** Chips that select all queries with the same best suggestion. */
  function bySuggestion() {
    const groups = tally([...items.values()]);
    return el("div.chips", { role: "group", "aria-label": "Select by suggestion" }, groups.map(([label, n]) =>
      el("button.chip", { type: "button", onclick: () => { select((item) => best(item) === label); focusOn($("#select-all")); } },
        "Select ", named(label), " ", el("span.badge", String(n)))));
  }

  /** What can be done with all that are selected. */
  function together(chosen) {
    const groups = tally(chosen);
    const own = el("form.other", { onsubmit: (event) => { event.preventDefault(); busy(bar, () => add([[typedLabel(own), chosen]])); } },
      labelField({ text: "Label for the selected" }), el("button", "Add selected"));
    const bar = el("div.selection", { role: "group", "aria-label": "Label the selected" },
      groups.length > 1 ? el("button.primary", { type: "button", onclick: () => busy(bar, () => add(bySuggested(chosen))) },
        "Add each under its best suggestion") : null,
      groups.slice(0, OFFERED).map(([label]) =>
        el("button", { type: "button", onclick: () => busy(bar, () => add([[label, chosen]])) }, `Add ${chosen.length} as `, named(label))),
      own);
    return bar;
  }

  function tile(item) {
    const present = item.conflict?.present ?? item.in_gallery;
    return el("li", { "data-id": item.id },
      el("input", { type: "checkbox", value: item.id, "aria-label": `Select ${item.query}` }),
      el("button.open", { type: "button", "aria-label": `Look at ${item.query}` },
        picture("img", () => api.reviewThumbnail(item.id), { alt: "", width: 128, height: 128 }),
        el("span.source", { title: item.query }, named(item.query)),
        present === null ? null : el("span.flag.warn", "In the gallery as ", named(present))));
  }

  /** Add groups of queries, each under its label. What the gallery holds under another is asked. */
  async function add(groups) {
    const action = newAction("add", "reviewed");
    const conflicts = [];
    const settled = [];
    let wrote = false; // what the gallery held already is no action
    try {
      for (const [label, piece] of groups.flatMap(inPieces)) {
        const { outcomes } = await api.addReviewed(piece.map(({ id }) => id), label, action);
        for (const [i, { source, outcome, reason, id: reference }] of outcomes.entries()) {
          if (FAILED.includes(outcome)) say(`${source}: ${reason}`, "error");
          else if (outcome === CONFLICT) conflicts.push({ item: piece[i], reference, label });
          else settled.push({ item: piece[i] });
          wrote ||= outcome === "added";
        }
      }
      for (const { item, reference, label } of conflicts) {
        item.conflict = { reference, present: (await api.reference(reference)).label, label };
        $(`[data-id="${item.id}"]`, list)?.replaceWith(tile(item));
      }
    } catch (error) {
      if (error.status !== GONE) throw error;
      await sync();
    } finally {
      const under = groups.length === 1 ? ` as “${groups[0][0]}”` : "";
      if (settled.length) leave(settled, `${plural(settled.length, "query", "queries")} added${under}`, { action: wrote ? action.id : null });
    }
    if (!conflicts.length) return;
    // One stands on the stage already.
    say(`${plural(conflicts.length, "query is", "queries are")} in the gallery under another label: choose`, conflicts.length > 1 ? "info" : "heard");
    bringUp(conflicts[0].item);
    focusOn($("[data-choice] button", stage.node));
  }

  /** The gallery is right as it is. */
  async function keep(item) {
    await dropped(item);
    leave([{ item }], `Left in the gallery as “${item.in_gallery}”`);
  }

  /** What somebody chose where the gallery holds the picture under another label than was asked for. */
  async function overrule(item, { replace }) {
    const { reference, present, label } = item.conflict;
    const { label: now } = await api.reference(reference);
    if (replace && now !== present) {
      item.conflict.present = now;
      lookAt(item);
      throw new Error(`It was changed to “${now}” meanwhile: choose again`);
    }
    const changing = replace ? await api.relabel([reference], label) : null;
    item.in_gallery = now;
    item.conflict = null;
    await dropped(item);
    leave([{ item }], replace ? `“${present}” was changed to “${label}”` : `Left in the gallery as “${now}”`, { action: changing?.action });
  }

  /** Whatever leaves the queue elsewhere, by being added on another page perhaps, leaves this page, too. */
  async function sync() {
    const { items: kept, next_after: rest } = await api.review({ limit: MOST });
    if (rest !== null || !root.isConnected) return;
    const there = new Set(kept.map(({ id }) => id));
    const left = [...items.values()].filter(({ id, conflict }) => !there.has(id) && !conflict);
    if (left.length) leave(left.map((item) => ({ item })), `${plural(left.length, "query", "queries")} left: added or discarded elsewhere`, { undoable: false });
  }

  /** One that has left already is no mistake. */
  async function dropped(item) {
    try {
      await api.dropReviewed(item.id);
    } catch (error) {
      if (error.status !== GONE) throw error;
    }
  }

  async function drop(chosen) {
    const gone = [];
    for (const item of chosen) {
      if ((await attempt(async () => (await dropped(item), true))) === undefined) break;
      gone.push({ item });
    }
    if (gone.length) leave(gone, `${plural(gone.length, "query", "queries")} discarded`);
  }

  /** Items that are settled leave; the next one is looked at. */
  function leave(settled, words, { undoable = true, action = null } = {}) {
    const rows = [...list.children];
    const ids = new Set(settled.map(({ item }) => item.id));
    const entry = { action, left: settled.map(({ item }) => ({ item, at: rows.findIndex((row) => row.dataset.id === item.id) })) };
    if (undoable) done.push(entry);
    const at = rows.findIndex((row) => row.dataset.id === current?.id);
    const next = rows.slice(at).find((row) => !ids.has(row.dataset.id)) ?? rows.findLast((row) => !ids.has(row.dataset.id));
    for (const row of rows.filter((one) => ids.has(one.dataset.id))) row.remove();
    for (const id of ids) total -= items.delete(id) ? 1 : 0;
    update();
    lookAt(items.get(next?.dataset.id) ?? null);
    if (undoable) sayUndoable(words, () => undo(entry));
    else say(words);
    changed();
    if (!items.size && nextAfter !== null) showMore();
    else if (items.size) stage.focus();
    else focusOn(heading);
  }

  /** What was done, the last unless another is named, is taken back, in the gallery first. */
  async function undo(entry = done.at(-1)) {
    if (!done.includes(entry)) return;
    if (entry.action && !await undoAction(entry.action)) return;
    const back = [];
    for (const one of entry.left) if (await restored(one.item)) back.push(one);
    done.splice(done.indexOf(entry), 1);
    for (const { item, at } of [...back].sort((a, b) => a.at - b.at)) {
      items.set(item.id, item);
      list.insertBefore(tile(item), list.children[at] ?? null);
    }
    total += back.length;
    update();
    lookAt(back[0]?.item ?? current);
    stage.focus();
    const lost = entry.left.length - back.length;
    if (lost) say(`${plural(lost, "query", "queries")} left too long ago to be brought back`);
    else if (!entry.action) say("Undone");
    changed();
  }

  async function restored({ id }) {
    try {
      await api.restoreReviewed(id);
      return true;
    } catch (error) {
      if (error.status !== GONE) throw error;
      return false;
    }
  }
}

function inPieces([label, items]) {
  const pieces = [];
  for (let at = 0; at < items.length; at += PIECE) pieces.push([label, items.slice(at, at + PIECE)]);
  return pieces;
}

/** The label that the surest mode said; of a stranger none. */
function best(item) {
  if (isStranger(item)) return null;
  const firsts = Object.values(item.answers ?? {}).filter((scores) => scores.length).map(([first]) => first);
  return firsts.sort((a, b) => b.score - a.score)[0]?.label ?? null;
}

/** Best suggestions and how many queries have them, the most frequent first. */
function tally(items) {
  const counts = new Map();
  for (const item of items) if (best(item) !== null) counts.set(best(item), (counts.get(best(item)) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a);
}

function bySuggested(items) {
  const groups = new Map();
  for (const item of items) {
    const label = best(item);
    if (label !== null) groups.set(label, [...(groups.get(label) ?? []), item]);
  }
  return [...groups];
}
