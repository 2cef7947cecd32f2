/** The bar of what is selected: it floats at the foot of the window and moves nothing when it comes. */

import { progressBar } from "./adding.js";
import { $, attempt, el, named, plural, say } from "./dom.js";
import { newAction } from "./api.js";
import { labelField, typedLabel } from "./forms.js";
import { sayDone } from "./undo.js";

/** A bar with these buttons; `update(n, text)` shows how many, and nothing at 0. */
export function selectionBar(name, ...contents) {
  const text = el("span.many", { "aria-live": "polite" });
  const node = el("div.selection.afloat", { hidden: true, role: "group", "aria-label": name }, text, ...contents);
  return {
    node,
    update(n, words = `${n} selected`) {
      node.hidden = n === 0;
      text.textContent = n ? words : "";
    },
  };
}

/** What can be done with selected answers: each under its own label, or all under one. */
export function answerSelection(session, list) {
  const each = el("button", { type: "button", onclick: addEach });
  const form = el("form.other", { onsubmit: (event) => { event.preventDefault(); run([[typedLabel(form), usable()]]); } },
    labelField({ text: "Label for the selected", hiddenText: true, placeholder: "one label for them" }), el("button", "Add"));
  const none = el("button.quiet", { type: "button", onclick: () => list.select([...session.view.selected], false) }, "Select none");
  const tools = el("div.row", each, form);
  const bar = selectionBar("Selected answers", tools, none);
  return { node: bar.node, update };

  function update() {
    const { selected } = list;
    const answered = own().length;
    each.hidden = answered === 0;
    each.textContent = answered === selected.length ? "Add each under its answer" : `Add ${answered} under their answers`;
    bar.update(selected.length);
  }

  function usable() {
    return list.selected.filter((card) => card.state !== "waiting" && !card.held && card.file !== null);
  }

  /** Those whose answer is no guess. */
  function own() {
    return usable().filter((card) => list.rowOf(card).state === "answered");
  }

  function addEach() {
    run([...Map.groupBy(own(), (card) => list.rowOf(card).label)]);
  }

  /** Add groups of cards under their labels, with a bar that says how far it is. */
  async function run(groups) {
    const cards = groups.flatMap(([, some]) => some);
    if (!cards.length) {
      say("They are in the gallery already");
      return;
    }
    const stopper = new AbortController();
    const progress = progressBar({ total: cards.length, what: "Added", stop: () => stopper.abort() });
    const watch = () => progress.update(cards.filter((card) => card.held || card.conflict).length);
    session.addEventListener("answers", watch);
    tools.replaceWith(progress.node);
    $("button", progress.node).focus();
    const action = newAction("add");
    let added = 0;
    await attempt(async () => {
      for (const [label, some] of groups) {
        if (!stopper.signal.aborted) added += await session.add(some, label, { action, signal: stopper.signal });
      }
    });
    session.removeEventListener("answers", watch);
    progress.node.replaceWith(tools);
    const left = cards.length - added;
    const words = `${plural(added, "image")} in the gallery${groups.length === 1 ? ` as “${groups[0][0]}”` : ""}`
      + (left ? `; ${plural(left, "image")} not added` : "");
    const changed = cards.filter(({ held }) => ["added", "relabelled"].includes(held?.outcome));
    if (changed.length) sayDone(words, action.id, () => changed.forEach((card) => card.takenBack()));
    else say(words);
    list.select(cards.filter((card) => card.held), false);
    update();
    const next = list.selected[0] ?? list.shown[0];
    if (next) list.focus(next);
  }
}
