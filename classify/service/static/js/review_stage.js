/** One query in doubt: large on the left, what it may be on the right, a key for everything that can be done. */

import { api } from "./api.js";
import { $, busy, el, focusOn, named, percent, when } from "./dom.js";
import { conflictView, labelField, typedLabel } from "./forms.js";
import { picture } from "./pictures.js";
import { showReference } from "./reference.js";
import { zoomable } from "./zoom.js";

const WHY = { abstained: "unknown or unsure", "description lost": "what was known of it is lost", "modes disagree": "neighbours and head disagree" };
const WHO = { knn: "neighbours", linear: "head", auto: "both" };
const STRANGE = ["unknown", "abstained"]; // reasons after which no class is offered as the right one

export const isStranger = ({ reason }) => STRANGE.includes(reason);

/**
 * `add(item, label)`, `keep(item)`, `overrule(item, {replace})` and `drop(item)` settle an item, `undo()` takes
 * the last back, `step(by)` goes on. All of them answer with a promise; until it is kept, keys do nothing.
 */
export function reviewStage({ add, keep, overrule, drop, undo, step }, signal) {
  const state = { item: null, candidates: [], isWorking: false };
  const known = new Map(); // promises of candidates, by query
  const doing = (action) => async () => {
    if (state.isWorking) return;
    state.isWorking = true;
    await busy(node, action);
    state.isWorking = false;
    refresh();
  };
  const button = (spec, key, words, action) =>
    el(spec, { type: "button", "aria-keyshortcuts": key.length > 1 ? key : key.toLowerCase(), onclick: doing(action) }, words, " ", hint(key));
  const before = button("button", "ArrowLeft", "Previous", () => step(-1));
  const after = button("button", "ArrowRight", "Next", () => step(1));
  const discard = button("button", "D", "Discard", () => drop(state.item));
  const back = button("button", "Z", "Undo", undo);
  const place = el("span.place.soft", { "aria-live": "polite" });
  const look = el("div.look");
  const choice = el("div.choice");
  const node = el("section.stage", { "aria-label": "The query in doubt" }, look, choice,
    el("div.bar", before, discard, place, back, after));
  document.addEventListener("keydown", onKey, { signal });
  return { node, show, focus: () => focusOn($(".zoomed", look) ?? node) };

  /** Show an item, or none; `next` is likely to be the next one, `undoable` whether there is something to undo. */
  function show(item, { at, of, next, undoable }) {
    const isOther = item?.id !== state.item?.id;
    Object.assign(state, { item, at, of, undoable });
    if (isOther) state.candidates = [];
    place.textContent = item ? `${at + 1} of ${of}` : "";
    look.hidden = choice.hidden = item === null;
    for (const one of [before, after, discard]) one.hidden = item === null;
    node.hidden = item === null && !undoable;
    refresh();
    if (item === null) {
      look.replaceChildren();
      choice.replaceChildren();
      return;
    }
    if (isOther) showPicture(item);
    showChoice(item);
    candidatesOf(item).then((found) => {
      if (state.item !== item) return;
      state.candidates = found.candidates;
      $(".candidates", choice)?.replaceWith(candidateList(item, found));
      if (next) candidatesOf(next);
    });
  }

  function refresh() {
    if (state.isWorking) return;
    before.disabled = !(state.at > 0);
    after.disabled = !(state.at < state.of - 1);
    back.disabled = !state.undoable;
  }

  function showPicture(item) {
    const image = picture("img", () => api.reviewImage(item.id), { alt: `The query ${item.query}` });
    const { node: zoomed, buttons } = zoomable([el("div.view", image)]);
    look.replaceChildren(zoomed, el("div.actions", buttons));
  }

  function showChoice(item) {
    const form = el("form.other", { onsubmit: (event) => { event.preventDefault(); doing(() => add(item, typedLabel(form)))(); } },
      labelField({ text: `Label for ${item.query}`, hiddenText: true, placeholder: isStranger(item) ? "label" : "another label" }), el("button", "Add"));
    const waiting = el("div.candidates", { "aria-busy": "true" }, el("p.soft", "Looking…"));
    choice.replaceChildren(
      el("h2", named(item.query)),
      el("p.soft", `${WHY[item.reason] ?? item.reason}, ${when(item.kept_at)}`, ...said(item)),
      held(item),
      // What looks most like a stranger is not what it is: its label is typed.
      ...(isStranger(item) ? [form, el("h3", "Looks most like ", el("span.aside", "the probabilities hold only if it is one of the gallery's classes")), waiting] : [waiting, form]));
  }

  /** That the very picture is in the gallery, and what can be done. */
  function held(item) {
    if (item.conflict) {
      return conflictView({ ...item.conflict, keep: doing(() => overrule(item, { replace: false })), replace: doing(() => overrule(item, { replace: true })) });
    }
    if (!item.in_gallery) return "";
    return el("div.notice", el("p", "This very picture is in the gallery as ", el("strong", named(item.in_gallery)), "."),
      el("button", { type: "button", onclick: doing(() => keep(item)) }, "Keep ", named(item.in_gallery)));
  }

  function candidateList(item, { candidates, problem }) {
    if (problem) return el("p.candidates.soft", problem);
    return el("ol.candidates", candidates.map(({ label, score, references }, i) => el("li",
      el("button.candidate", { type: "button", "aria-keyshortcuts": String(i + 1), onclick: doing(() => add(item, label)) },
        hint(String(i + 1)), el("span", "Add as ", named(label)), " ", el("span.score", percent(score))),
      el("div.row", references.map(({ id }) =>
        el("button.open", { type: "button", "aria-label": `Reference of ${label}: details`, onclick: () => showReference(id, references.map((one) => one.id)) },
          picture("img", () => api.thumbnail(id), { alt: "", decoding: "async", width: 128, height: 128 })))))));
  }

  function candidatesOf(item) {
    if (!known.has(item.id)) {
      known.set(item.id, api.candidates(item.id).catch((error) => {
        known.delete(item.id);
        return { candidates: [], problem: error.message };
      }));
    }
    return known.get(item.id);
  }

  function onKey(event) {
    const { key, target } = event;
    if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey || !node.isConnected || node.hidden) return;
    if ($("dialog[open]") || target.matches("input:not([type=checkbox]), select, textarea")) return;
    const candidate = /^[1-5]$/.test(key) ? state.candidates[key - 1] : null;
    const action = candidate ? () => add(state.item, candidate.label)
      : { d: () => drop(state.item), z: undo, ArrowLeft: () => step(-1), ArrowRight: () => step(1) }[key.length > 1 ? key : key.toLowerCase()];
    const isArrow = key.startsWith("Arrow");
    if (!action || (event.repeat && !isArrow) || (state.item === null && action !== undo)) return;
    event.preventDefault();
    doing(action)();
  }
}

const SIGNS = { ArrowLeft: "←", ArrowRight: "→" };
const hint = (key) => el("kbd", { "aria-hidden": "true" }, SIGNS[key] ?? key);

/** What each mode said when it was asked. */
function said(item) {
  if (isStranger(item)) return [];
  return Object.entries(item.answers ?? {}).filter(([, scores]) => scores.length)
    .flatMap(([mode, [{ label, score }]]) => ["; ", `${WHO[mode] ?? mode}: `, named(label), ` ${percent(score)}`]);
}
