/** Above the answers: how far it is, which are shown in which order, and what one takes away. */

import { progressBar } from "./adding.js";
import { KINDS } from "./answer_list.js";
import { csvOf } from "./answer_table.js";
import { $, el, plural, save } from "./dom.js";
import { choices, field } from "./forms.js";

const ORDERS = [["doubt", "Doubtful first"], ["label", "By label"], ["name", "By file name"], ["asked", "As they came"]];
const LAYOUTS = [["grid", "Grid"], ["table", "Table"]];

/**
 * What can be done with all answers. `act` has: arrange, selectAll, clear. Nothing is made anew
 * when answers come in: what somebody is about to click stays under the finger.
 */
export function answerTools(session, act) {
  const { view } = session;
  const progress = progressBar({ total: 0, what: "Classified", stop: () => session.stop(), verb: "Stop" });
  const chips = KINDS.map(([name, words]) => el("button.chip", { type: "button", onclick: () => set("only", name) },
    words, " ", el("span.badge")));
  const kinds = el("div.chips", { role: "group", "aria-label": "Show only" });
  const label = el("select", { onchange: () => set("label", label.value) });
  const order = el("select", { onchange: () => set("order", order.value) }, choices(ORDERS));
  const layouts = LAYOUTS.map(([name, words]) => el("button", { type: "button", onclick: () => set("layout", name) }, words));
  const list = [field("Label", label), field("Order", order), el("div.switch", { role: "group", "aria-label": "Shown as" }, layouts)];
  const selectAll = el("button.quiet", { type: "button", onclick: act.selectAll }, "Select all shown");
  const csv = el("button", { type: "button", onclick: () => download(rows) }, "Download (CSV)");
  const row = el("div.row.filters", list, el("div.actions.push", selectAll, csv,
    el("button.quiet", { type: "button", onclick: act.clear }, "Clear the answers")));
  const node = el("section.overview", { "aria-label": "Overview" }, progress.node, kinds, row);
  let rows = [];
  return { node, update };

  function set(name, value) {
    view[name] = value;
    act.arrange();
  }

  /** `all` are the rows of the session's cards; `many` is whether they are a list. */
  function update(all, many) {
    const { cards, pending } = session;
    rows = all.filter((_, i) => cards[i].state !== "waiting");
    progress.node.hidden = !pending;
    progress.update(cards.length - pending, cards.length);
    kinds.hidden = cards.length < 2;
    showKinds(KINDS.map(([, , test]) => cards.filter((card, i) => test(all[i], card)).length));
    if (!pending) offerLabels();
    order.value = view.order;
    for (const [i, [name]] of LAYOUTS.entries()) layouts[i].setAttribute("aria-pressed", String(view.layout === name));
    for (const part of [...list, selectAll]) part.hidden = !many;
    csv.hidden = rows.length === 0;
    row.hidden = cards.length === 0;
  }

  /** Chips of the kinds that tell answers apart, with how many are of each. */
  function showKinds(counts) {
    const told = chips.filter((chip, i) => {
      const [name] = KINDS[i];
      chip.setAttribute("aria-pressed", String(view.only === name));
      $(".badge", chip).textContent = String(counts[i]);
      return ["all", view.only].includes(name) || (counts[i] > 0 && counts[i] < counts[0]);
    });
    if (told.length === kinds.children.length && told.every((chip) => chip.parentNode === kinds)) return;
    const focused = document.activeElement;
    kinds.replaceChildren(...told);
    if (told.includes(focused)) focused.focus();
  }

  function offerLabels() {
    const counts = new Map();
    for (const { label: one } of rows) if (one !== null) counts.set(one, (counts.get(one) ?? 0) + 1);
    const sorted = [...counts].sort(([a, m], [b, n]) => n - m || a.localeCompare(b));
    const wanted = [["", `All ${plural(counts.size, "label")}`], ...sorted.map(([one, n]) => [one, `${one} (${n})`])];
    if (!counts.has(view.label)) view.label = "";
    const present = [...label.options].map((option) => option.textContent).join("\n");
    if (present !== wanted.map(([, words]) => words).join("\n")) label.replaceChildren(...choices(wanted));
    label.value = view.label;
  }
}

function download(rows) {
  const day = new Date().toISOString().slice(0, 10);
  save(new Blob([csvOf(rows)], { type: "text/csv;charset=utf-8" }), `answers-${day}.csv`);
}
