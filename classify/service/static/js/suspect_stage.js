/** One suspect, or a cohort of them: its picture, the nearest of both classes, and a key for everything that can be done. */

import { api } from "./api.js";
import { $, el, focusOn, named, percent, plural } from "./dom.js";
import { labelField, typedLabel } from "./forms.js";
import { picture } from "./pictures.js";
import { showReference } from "./reference.js";
import { zoomable } from "./zoom.js";

const EVIDENCE = 6; // pictures of a class beside a cohort
const SIGNS = { ArrowLeft: "←", ArrowRight: "→", ArrowDown: "↓", ArrowUp: "↑", Enter: "Enter" };
const LEGEND = [["Enter", "accept"], ["K", "keep"], ["X", "remove"], ["Z", "undo"], ["ArrowLeft", null], ["ArrowRight", "go on"],
  ["ArrowDown", "one by one"], ["ArrowUp", "all of them"]];

/**
 * `decide("accept" | "keep" | "remove", label?)` settles what is shown, with another label than the proposed one perhaps, `undo()` takes the last back, `step(by)` goes on,
 * `into(member)` shows one of the cohort, `out()` all of it again.
 */
export function suspectStage({ decide, undo, step, into, out }, signal) {
  const state = { cohort: null, member: null, undoable: false };
  const button = (spec, key, words, action) =>
    el(spec, { type: "button", "aria-keyshortcuts": key.length > 1 ? key : key.toLowerCase(), onclick: action }, words, " ", hint(key));
  const before = button("button", "ArrowLeft", "Previous", () => step(-1));
  const after = button("button", "ArrowRight", "Next", () => step(1));
  const accept = button("button.primary", "Enter", "Accept", () => decide("accept"));
  const keep = button("button", "K", "Keep", () => decide("keep"));
  const remove = button("button", "X", "Remove", () => decide("remove"));
  const back = button("button", "Z", "Undo", undo);
  const told = el("p.told.soft", { "aria-live": "polite" });
  const look = el("div.look");
  const choice = el("div.choice");
  const node = el("section.stage.suspect", { "aria-label": "The suspect", hidden: true }, look, choice,
    el("div.bar", before, keep, remove, accept, back, after),
    el("div.foot", told, el("p.legend.soft", { "aria-hidden": "true" },
      LEGEND.map(([key, words]) => [hint(key), " ", words ? `${words}  ` : ""]))));
  document.addEventListener("keydown", onKey, { signal });
  return { node, show, tell: (words) => { told.textContent = words; }, focus: () => { if (!node.hidden) focusOn($(".zoomed, .members", look) ?? node); } };

  /** Show a cohort, or one of its members; or nothing. */
  function show(cohort, { member, at, of, undoable, next }) {
    const suspect = cohort?.members[member ?? 0] ?? null;
    const isOther = state.cohort !== cohort || state.suspect !== suspect || state.member !== member || state.size !== cohort?.members.length;
    Object.assign(state, { cohort, member, suspect, undoable, size: cohort?.members.length });
    node.dataset.ids = (member === null ? cohort?.members ?? [] : [suspect]).map(({ id }) => id).join(" ");
    node.hidden = cohort === null && !undoable;
    look.hidden = choice.hidden = cohort === null;
    for (const one of [before, after, accept, keep, remove]) one.hidden = cohort === null;
    back.disabled = !undoable;
    const isInside = cohort !== null && member !== null && cohort.members.length > 1;
    before.disabled = at === 0 && !(isInside && member > 0);
    after.disabled = at >= of - 1 && !(isInside && member < cohort.members.length - 1);
    if (cohort === null || !isOther) return;
    if (member === null) showCohort(cohort);
    else showOne(cohort, suspect, isInside);
    const soon = isInside ? cohort.members[member + 1] : next?.members[0];
    if (soon) api.thumbnail(soon.id).catch(() => null); // kept by the browser
  }

  function showOne(cohort, suspect, isInside) {
    const image = picture("img", () => api.thumbnail(suspect.id), { alt: `The suspect, a reference of ${cohort.label}` });
    const { node: zoomed, buttons } = zoomable([el("div.view", image)]);
    look.replaceChildren(zoomed, el("div.actions", buttons, el("button", { type: "button", onclick: () => showReference(suspect.id) }, "Details")));
    choice.replaceChildren(heading(cohort),
      isInside ? el("p.row.between", el("span.soft", `${cohort.members.indexOf(suspect) + 1} of ${cohort.members.length}`),
        el("button.quiet", { type: "button", "aria-keyshortcuts": "ArrowUp", onclick: out }, "All of them ", hint("ArrowUp"))) : "",
      ...both(cohort, suspect.p_given, suspect.p_proposed, suspect.evidence), another());
  }

  function another() {
    const form = el("form.other", { onsubmit: (event) => { event.preventDefault(); decide("accept", typedLabel(form)); } },
      labelField({ text: "Another label", hiddenText: true, placeholder: "another label" }), el("button", "Relabel"));
    return form;
  }

  function showCohort(cohort) {
    const { members } = cohort;
    const mean = (name) => members.reduce((sum, one) => sum + one[name], 0) / members.length;
    const union = (name) => [...new Set(members.flatMap(({ evidence }) => evidence[name]))].slice(0, EVIDENCE);
    look.replaceChildren(el("ul.members", { "aria-label": `${plural(members.length, "suspect")} of the cohort` }, members.map((one, i) =>
      el("li", el("button.open", { type: "button", "aria-label": `Suspect ${i + 1}, wrong with ${percent(one.p_wrong)}: look at it alone`, onclick: () => into(i) },
        thumbnail(one.id), el("span.soft", percent(one.p_wrong)))))));
    choice.replaceChildren(heading(cohort),
      el("p.row.between", el("span", "All ", el("strong", String(members.length)), " at once"),
        el("button.quiet", { type: "button", "aria-keyshortcuts": "ArrowDown", onclick: () => into(0) }, "One by one ", hint("ArrowDown"))),
      ...both(cohort, mean("p_given"), mean("p_proposed"), { given: union("given"), proposed: union("proposed") }));
  }

  function heading({ label, proposed }) {
    return el("h2", named(label), el("span", { "aria-hidden": "true" }, " → "), el("span.visually-hidden", " should be "), named(proposed));
  }

  /** The nearest references of both classes, with what is said for each. */
  function both({ label, proposed }, given, other, evidence) {
    return [["It says", label, given, evidence.given], ["It looks like", proposed, other, evidence.proposed]].map(([words, name, p, ids]) =>
      el("section.nearest", { "aria-label": `Nearest of ${name}` },
        el("h3", `${words} `, named(name), el("span.score", percent(p))),
        el("div.row", ids.map((id) => el("button.open", { type: "button", "aria-label": `Reference of ${name}: details`, onclick: () => showReference(id, ids) }, thumbnail(id))))));
  }

  function onKey(event) {
    const { key, target } = event;
    if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey || !node.isConnected || node.hidden) return;
    if ($("dialog[open]") || target.matches("input, select, textarea")) return;
    if (key === "Enter" && target.matches("button, a, summary")) return; // theirs
    const actions = { Enter: () => decide("accept"), k: () => decide("keep"), x: () => decide("remove"), z: undo,
      ArrowLeft: () => step(-1), ArrowRight: () => step(1), ArrowDown: () => into(), ArrowUp: out };
    const action = actions[key.length > 1 ? key : key.toLowerCase()];
    if (!action || (event.repeat && !key.startsWith("Arrow")) || (state.cohort === null && action !== undo)) return;
    event.preventDefault();
    action();
  }
}

const thumbnail = (id) => picture("img", () => api.thumbnail(id), { alt: "", decoding: "async", width: 128, height: 128 });
const hint = (key) => el("kbd", { "aria-hidden": "true" }, SIGNS[key] ?? key);
