/** Suspects: references whose label the others contradict, decided by cohort or one by one. */

import { api, newAction } from "./api.js";
import { curated } from "./curated.js";
import { oneByOne, unchanged } from "./decisions.js";
import { el, named, percent, plural } from "./dom.js";
import { ask } from "./forms.js";
import { suspectStage } from "./suspect_stage.js";

const SHOWN = 100; // cards of cohorts before more are asked for

export async function showSuspects(root, visit) {
  const { signal } = visit;
  // Of decisions, the last at the end: {what, label, cohort, members, at, member, action, isSettled, changed}.
  const state = { cohorts: [], at: 0, member: null, done: [], shown: SHOWN, isKnown: false };
  const count = el("p.left", { "aria-live": "polite" });
  const list = el("ol.cohorts", { "aria-label": "Cohorts" });
  const more = el("button.more", { type: "button", onclick: () => { state.shown += SHOWN; draw(); } }, "Show more");
  const empty = el("p.empty", { hidden: true }, "No label is contradicted by the other references, as far as they can tell.");
  const stage = suspectStage({ decide, undo, step, into, out }, signal);
  const later = oneByOne((waiting) => { stage.node.dataset.waiting = waiting; });
  root.append(await curated("suspects", take, visit), count, stage.node, empty, list, more);
  draw();

  /** What was found. What was decided has left it already; what is on its way to the service leaves it here. */
  function take({ cohorts, less_likely: less }) {
    const going = new Set(state.done.filter(({ isSettled }) => !isSettled).flatMap(({ members }) => members.map(({ id }) => id)));
    state.cohorts = [...cohorts, ...less.map((cohort) => ({ ...cohort, isUnlikely: true }))].map((cohort) => ({ ...cohort, members: cohort.members.filter(({ id }) => !going.has(id)) }))
      .filter(({ members }) => members.length);
    Object.assign(state, { at: 0, member: null, isKnown: true });
    draw();
  }

  /** Everything again: cohorts are few. */
  function draw() {
    state.at = Math.max(0, Math.min(state.at, state.cohorts.length - 1));
    const cohort = state.cohorts[state.at] ?? null;
    if (cohort?.members.length === 1) state.member = 0;
    else if (cohort && state.member !== null) state.member = Math.min(state.member, cohort.members.length - 1);
    const errors = state.cohorts.reduce((sum, one) => sum + expected(one), 0);
    const less = state.cohorts.filter(({ isUnlikely }) => isUnlikely).length;
    count.textContent = cohort ? `${plural(state.cohorts.length, "decision")} left, about ${plural(Math.round(errors), "wrong label")} expected in them${
      less ? `; the last ${less} are less likely than not` : ""}` : "";
    empty.hidden = cohort !== null || !state.isKnown;
    list.replaceChildren(...state.cohorts.slice(0, state.shown).map((one, i) => el("li", card(one, i))));
    more.hidden = state.cohorts.length <= state.shown;
    stage.show(cohort, { member: state.member, at: state.at, of: state.cohorts.length, undoable: state.done.length > 0,
      next: state.cohorts[state.at + 1] ?? null });
  }

  function card(cohort, i) {
    return el("button.cohort", { type: "button", "aria-current": i === state.at ? "true" : null,
      onclick: () => { go(i); stage.node.scrollIntoView({ block: "nearest" }); } },
      el("span.change", named(cohort.label), el("span", { "aria-hidden": "true" }, " → "), el("span.visually-hidden", " should be "), named(cohort.proposed)),
      el("span.soft", `${plural(cohort.members.length, "reference")}, ${percent(expected(cohort) / cohort.members.length)} wrong`));
  }

  function go(at, member = null) {
    Object.assign(state, { at, member });
    draw();
    stage.focus();
  }

  /** The next cohort, or inside one the next of its members; after the last one of a cohort comes the next cohort. */
  function step(by) {
    const cohort = state.cohorts[state.at];
    const isInside = state.member !== null && cohort.members.length > 1;
    const member = isInside ? state.member + by : null;
    if (isInside && cohort.members[member]) go(state.at, member);
    else if (state.cohorts[state.at + by]) go(state.at + by);
  }

  function into(member = 0) {
    if (state.cohorts[state.at]) go(state.at, member);
  }

  function out() {
    go(state.at);
  }

  /** Accept, keep or remove what is on the stage. The next one is there before the service has answered. */
  async function decide(what, label = state.cohorts[state.at]?.proposed) {
    const { at, member, cohorts: { [at]: cohort } } = state;
    if (!cohort) return;
    const members = member === null ? cohort.members : [cohort.members[member]];
    if (what === "remove" && !await ask({ title: `Remove ${plural(members.length, "reference")}?`,
      text: "Picture files are not touched.", action: "Remove", danger: true })) return;
    const decision = { what, label, cohort, members, at, member, action: newAction(KINDS[what], `suspect: ${cohort.label}, proposed ${cohort.proposed}`), isSettled: false };
    state.done.push(decision);
    takeOut(decision);
    stage.tell(`${WORDS[what]}: ${cohort.label}${what === "accept" ? ` → ${label}` : ""}${members.length > 1 ? ` (${members.length})` : ""}`);
    stage.focus();
    later(async () => {
      try {
        await carryOut(decision);
      } catch (error) {
        state.done = state.done.filter((one) => one !== decision);
        putBack(decision);
        draw();
        throw error;
      } finally {
        decision.isSettled = true;
      }
    });
  }

  function takeOut({ cohort, members }) {
    cohort.members = cohort.members.filter((one) => !members.includes(one));
    if (!cohort.members.length) {
      state.cohorts = state.cohorts.filter((one) => one !== cohort);
      state.member = null;
    }
    draw();
  }

  /** Into the list again, where it was; what is on the stage stays there: a key is perhaps on its way. */
  function putBack({ cohort, members, at }) {
    const shown = state.cohorts[state.at] ?? cohort;
    const one = shown.members[state.member];
    if (!state.cohorts.includes(cohort)) state.cohorts.splice(at, 0, cohort);
    cohort.members = [...cohort.members, ...members].sort((a, b) => b.p_wrong - a.p_wrong);
    state.at = state.cohorts.indexOf(shown);
    if (one) state.member = shown.members.indexOf(one);
  }

  /** The last decision is taken back, in the gallery first. */
  function undo() {
    const last = state.done.pop();
    if (!last) return;
    later(async () => {
      try {
        await takeBack(last);
      } catch (error) {
        state.done.push(last);
        draw();
        throw error;
      }
      putBack(last);
      stage.tell(`Undone: ${last.cohort.label}`);
      go(state.cohorts.indexOf(last.cohort), last.member === null ? null : last.cohort.members.indexOf(last.members[0]));
    });
  }
}

const WORDS = { accept: "Accepted", keep: "Kept", remove: "Removed" };
const KINDS = { accept: "relabel", keep: "dismiss", remove: "remove" };
const expected = ({ members }) => members.reduce((sum, { p_wrong: wrong }) => sum + wrong, 0);

/** Do it in the gallery, as far as it is still what was looked at. */
async function carryOut(decision) {
  const { what, label, members, action } = decision;
  const same = await unchanged(members);
  decision.changed = same;
  if (!same.length) return;
  if (what === "accept") await api.relabel(same, label, action);
  else if (what === "remove") await api.remove(same, action);
  else await api.dismiss(Object.fromEntries(members.filter(({ id }) => same.includes(id)).map(({ id, mark }) => [id, mark])), action);
}

const takeBack = async ({ action, changed: ids = [] }) => { if (ids.length) await api.undo(action.id); };
