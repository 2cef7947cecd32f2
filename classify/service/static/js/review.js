/** Review: queries that were in doubt, to be labelled and added. */

import { api } from "./api.js";
import { $, $$, attempt, busy, changed, el, focusOn, named, percent, plural, say, when } from "./dom.js";
import { conflictView, labelField, typedLabel } from "./forms.js";
import { picture } from "./pictures.js";

const FAILED = ["broken", "failed"];
const CONFLICT = "label_conflict";
const PAGE = 100; // queries shown before more are asked for
const PIECE = 32; // queries per request
const OFFERED = 4; // labels that the selected may be added under with one click
const WHY = { abstained: "unknown or unsure", "description lost": "what was known of it is lost", "modes disagree": "neighbours and head disagree" };
const WHO = { knn: "neighbours", linear: "head", auto: "both" };

export async function showReview(root) {
  const queue = await api.review({ limit: PAGE });
  let { total, next_after: nextAfter } = queue;
  const items = new Map();
  const list = el("ul.review", { "aria-label": "Queries in doubt" });
  const heading = el("h1", "Review");
  const empty = el("p.empty", queue.keeps_queries
    ? "Nothing to review: no query was unknown, unsure, or named differently by the neighbours and the head."
    : ["This service keeps no queries. Set ", el("code", "HOLOTYPE_KEEP_QUERIES"), " to how many it may keep."]);
  const tools = el("div.tools");
  const more = el("button.more", { type: "button", onclick: showMore });
  const all = el("input", { type: "checkbox", id: "select-all", onchange: () => select(() => all.checked) });
  root.append(heading, el("p.lead", "Queries in doubt. Take a suggestion, or type a label; select several to label them together."),
    tools, list, more, empty);
  list.addEventListener("change", update);
  show(queue.items);

  function show(found) {
    for (const item of found) items.set(item.id, item);
    list.append(...found.map(row));
    update();
  }

  /** The next page; what was kept since the first one was shown is left to the next visit. */
  async function showMore() {
    const page = await busy(more, () => api.review({ limit: PAGE, after: nextAfter }));
    if (!page) return;
    ({ total, next_after: nextAfter } = page);
    const first = list.children.length;
    show(page.items);
    focusOn($("button", list.children[first]));
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
    const ids = chosen.map((item) => item.id);
    const own = el("form.other", { onsubmit: (event) => { event.preventDefault(); add(own, [[typedLabel(own), ids]]); } },
      labelField({ text: "Label for the selected" }), el("button", "Add selected"));
    const bar = el("div.selection", { role: "group", "aria-label": "Label the selected" },
      groups.length > 1 ? el("button.primary", { type: "button", onclick: () => add(bar, bySuggested(chosen)) },
        "Add each under its best suggestion") : null,
      groups.slice(0, OFFERED).map(([label], i) =>
        el(`button${groups.length === 1 && i === 0 ? ".primary" : ""}`, { type: "button", onclick: () => add(bar, [[label, ids]]) },
          `Add ${ids.length} as `, named(label))),
      own);
    return bar;
  }

  function row(item) {
    const box = el("input", { type: "checkbox", value: item.id, "aria-label": `Select ${item.query}` });
    const form = el("form.other", {
      onsubmit: (event) => { event.preventDefault(); add(body, [[typedLabel(form), [item.id]]]); },
    }, labelField({ text: `Label for ${item.query}`, hiddenText: true, placeholder: "another label" }), el("button", "Add"));
    const body = el("div.body",
      el("p", el("strong", named(item.query)), el("span.soft", ` ${WHY[item.reason] ?? item.reason}, ${when(item.kept_at)}`)),
      el("div.suggestions", suggestions(item).map(({ label, who }, i) =>
        el(`button${i ? "" : ".primary"}`, { type: "button", onclick: () => add(body, [[label, [item.id]]]) },
          "Add as ", named(label), " ", el("small", who)))),
      el("div.row", form, el("button.quiet", { type: "button", onclick: () => drop([item]) }, "Discard")));
    return el("li", { "data-id": item.id }, box,
      picture("img", () => api.reviewThumbnail(item.id), { alt: `The query ${item.query}`, width: 128, height: 128 }), body);
  }

  /** Add groups of queries, each under its label. What the gallery holds under another is asked. */
  async function add(control, groups) {
    const conflicts = [];
    let added = 0;
    await busy(control, async () => {
      for (const [label, ids] of groups.flatMap(inPieces)) {
        const { outcomes } = await api.addReviewed(ids, label, "error");
        for (const { source, outcome, reason } of outcomes) {
          if (FAILED.includes(outcome)) say(`${source}: ${reason}`, "error");
        }
        for (const [i, { outcome, id: reference }] of outcomes.entries()) {
          if (outcome === CONFLICT) conflicts.push({ id: ids[i], reference, label });
        }
        const done = ids.filter((_, i) => ![...FAILED, CONFLICT].includes(outcomes[i].outcome));
        leave(done);
        added += done.length;
      }
      for (const conflict of conflicts) await askAbout(conflict);
    });
    if (conflicts.length) {
      say(`${plural(conflicts.length, "query is", "queries are")} in the gallery under another label: choose`, "error");
      focusOn($("[data-choice] button", list));
    }
    if (!added) return;
    const under = groups.length === 1 ? ` as “${groups[0][0]}”` : "";
    say(`${plural(added, "query", "queries")} added${under}`);
    changed();
  }

  /** Show in its row that a picture was added elsewhere under another label, and what can be done. */
  async function askAbout({ id, reference, label }) {
    const body = $(`[data-id="${id}"] .body`, list);
    const { label: present } = await api.reference(reference);
    const choose = async (onConflict, said) => {
      const { outcomes: [{ outcome, reason }] } = await api.addReviewed([id], label, onConflict);
      if (FAILED.includes(outcome)) throw new Error(reason);
      leave([id]);
      say(said);
      changed();
    };
    $("[data-choice]", body)?.remove();
    body.append(conflictView({
      present, label,
      keep: () => choose("keep", `Left in the gallery as “${present}”`),
      replace: () => choose("replace", `“${present}” was changed to “${label}”`),
    }));
  }

  async function drop(chosen) {
    for (const { id } of chosen) {
      if ((await attempt(async () => (await api.dropReviewed(id), true))) === undefined) break;
      leave([id]);
    }
    changed();
  }

  /** Rows that are done leave; the keyboard goes to the next one. */
  function leave(ids) {
    if (!ids.length) return;
    const rows = [...list.children];
    const at = rows.findIndex((one) => ids.includes(one.dataset.id));
    for (const one of rows.filter((r) => ids.includes(r.dataset.id))) one.remove();
    for (const id of ids) total -= items.delete(id) ? 1 : 0;
    update();
    if (!items.size && nextAfter !== null) {
      showMore();
      return;
    }
    const next = list.children[Math.min(at, list.children.length - 1)];
    focusOn(next ? $("button", next) : heading);
  }
}

function inPieces([label, ids]) {
  const pieces = [];
  for (let at = 0; at < ids.length; at += PIECE) pieces.push([label, ids.slice(at, at + PIECE)]);
  return pieces;
}

const best = (item) => suggestions(item)[0]?.label ?? null;

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
    if (label !== null) groups.set(label, [...(groups.get(label) ?? []), item.id]);
  }
  return [...groups];
}

/** The best label of each mode, once each, the surest first, with who said it. */
function suggestions(item) {
  const found = new Map();
  for (const [mode, scores] of Object.entries(item.answers ?? {})) {
    if (!scores.length) continue;
    const { label, score } = scores[0];
    const known = found.get(label) ?? { label, score: 0, said: [] };
    known.said.push(`${WHO[mode] ?? mode} ${percent(score)}`);
    known.score = Math.max(known.score, score);
    found.set(label, known);
  }
  return [...found.values()].sort((a, b) => b.score - a.score).map(({ label, said }) => ({ label, who: said.join(", ") }));
}
