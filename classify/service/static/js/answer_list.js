/** Many answers: a grid or a table, ordered and filtered, where the arrows go from one to the next. */

import { api } from "./api.js";
import { ORDERS, rowOf } from "./answer_table.js";
import { $, $$, el, named, percent } from "./dom.js";
import { onSight, picture } from "./pictures.js";

/** What an answer can be filtered by: name, words, test of a row and its card. */
export const KINDS = [
  ["all", "All", () => true],
  ["answered", "Answered", (row) => row.state === "answered"],
  ["unsure", "Unsure", (row) => row.state === "unsure"],
  ["unknown", "Unknown", (row) => row.state === "unknown"],
  ["disagree", "Modes disagree", (row) => row.disagrees],
  ["failed", "No answer", (row, card) => card.state === "failed"],
  ["held", "In the gallery", (row, card) => card.held !== null],
];
const TEST_OF = Object.fromEntries(KINDS.map(([name, , test]) => [name, test]));

export class AnswerList {
  /** `open(card)` shows one closely; `selectionChanged()` is told of every click on a box. */
  constructor(session, { open, selectionChanged }) {
    this.session = session;
    this.view = session.view;
    this.node = el("ul.answers", { "aria-label": "Answers", onkeydown: (event) => this.#move(event), onclick: (event) => this.#click(event) });
    this.node.addEventListener("change", () => selectionChanged());
    this.#open = open;
    this.#selectionChanged = selectionChanged;
  }

  #open;
  #selectionChanged;
  #cells = new Map(); // by card
  #last = null; // the card whose box was clicked last

  rowOf(card) {
    return this.#cell(card).row;
  }

  /** Whether the filters let a card through. */
  lets(card) {
    const { only, label } = this.view;
    const row = this.rowOf(card);
    return TEST_OF[only](row, card) && (label === "" || row.label === label);
  }

  /** Cards that the filters let through, in order. */
  get shown() {
    return $$(".answer:not([hidden])", this.node).map((node) => node.card);
  }

  get selected() {
    return this.shown.filter((card) => this.view.selected.has(card));
  }

  /** Something about these cards changed. */
  refresh(cards) {
    for (const card of cards) this.#cells.get(card)?.refresh();
  }

  /** Put all in order and hide what the filters leave out. While answers come in nothing moves. */
  arrange() {
    const { cards, pending, view } = this.session;
    for (const card of this.#cells.keys()) if (card.key === null) this.#cells.delete(card);
    for (const card of cards) this.#cell(card).node.hidden = !this.lets(card);
    const order = pending ? ORDERS.asked : ORDERS[view.order];
    const nodes = [...cards].sort((a, b) => order(this.rowOf(a), this.rowOf(b))).map((card) => this.#cell(card).node);
    this.node.className = `answers ${view.layout}`;
    if (nodes.length === this.node.children.length && nodes.every((node, i) => node === this.node.children[i])) return;
    const focused = this.node.contains(document.activeElement) ? document.activeElement : null;
    this.node.replaceChildren(...nodes);
    focused?.focus({ preventScroll: true });
    this.#enterAt(focused?.closest(".answer") ?? nodes[0]);
  }

  select(cards, checked) {
    for (const card of cards) {
      if (checked) this.view.selected.add(card);
      else this.view.selected.delete(card);
      this.#cell(card).box.checked = checked;
    }
    this.#selectionChanged();
  }

  /** Bring the keyboard, and the eye, to a card. */
  focus(card) {
    const { node } = this.#cell(card);
    if (node.hidden) return;
    this.#enterAt(node);
    $(".open", node).focus();
    node.scrollIntoView({ block: "nearest" });
  }

  #cell(card) {
    if (!this.#cells.has(card)) this.#cells.set(card, new Cell(card, this.view.selected.has(card)));
    return this.#cells.get(card);
  }

  /** Tab leads to one answer, the arrows to the others. */
  #enterAt(node) {
    for (const control of $$("[tabindex='0']", this.node)) control.tabIndex = -1;
    for (const control of $$("input, button", node ?? this.node)) control.tabIndex = 0;
  }

  #click({ target, shiftKey }) {
    const node = target.closest(".answer");
    if (!node) return;
    this.#enterAt(node);
    if (target.closest(".open")) this.#open(node.card);
    if (!target.matches("input")) return;
    const { shown } = this;
    const [here, there] = [shown.indexOf(node.card), shown.indexOf(this.#last)];
    const range = shiftKey && there >= 0 ? shown.slice(Math.min(here, there), Math.max(here, there) + 1) : [node.card];
    this.#last = node.card;
    this.select(range, target.checked);
  }

  #move(event) {
    const { key, target } = event;
    const here = target.closest(".answer");
    if (event.ctrlKey && key === "a") {
      event.preventDefault();
      this.select(this.shown, true);
      return;
    }
    if (!here || event.ctrlKey || event.altKey || event.metaKey) return;
    const all = $$(".answer:not([hidden])", this.node);
    const at = all.indexOf(here);
    const columns = all.filter((node) => node.offsetTop === here.offsetTop).length;
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, ArrowDown: at + columns, ArrowUp: at - columns, Home: 0, End: all.length - 1 }[key];
    if (to === undefined) return;
    event.preventDefault();
    const next = all[Math.min(to, all.length - 1)];
    if (!next) return; // before the first
    this.#enterAt(next);
    $(target.matches("input") ? "input" : ".open", next).focus();
  }
}

/** One answer in small: picture, label, score, flags, the nearest reference. */
class Cell {
  constructor(card, selected) {
    this.card = card;
    this.box = el("input", { type: "checkbox", checked: selected, tabIndex: -1, "aria-label": `Select ${card.name}` });
    this.open = el("button.open", { type: "button", tabIndex: -1 });
    this.node = el("li.answer", this.box, this.open);
    this.node.card = card;
    this.refresh();
  }

  refresh() {
    const { card } = this;
    this.row = rowOf(card);
    this.open.setAttribute("aria-label", card.state === "waiting" ? `${card.name}: waiting` : card.verdict);
    this.open.replaceChildren(this.#shot(), ...this.#said(), el("span.file", { title: card.name }, named(card.name)));
    this.node.dataset.state = this.row.state ?? card.state;
  }

  /** The small picture stays while the answer around it changes. */
  #shot() {
    const { card } = this;
    const source = card.state === "waiting" ? null : card.thumbnail ?? card.file;
    if (this.shot && source === this.source) return this.shot;
    this.source = source;
    this.shot = el("span.shot");
    if (source !== null) {
      const image = el("img", { alt: "", decoding: "async", onerror: () => image.replaceWith(el("span.soft", "No preview")) });
      onSight(this.shot, () => { image.src = card.smallUrl; });
      this.shot.append(image);
    }
    return this.shot;
  }

  #said() {
    const { card, row } = this;
    if (card.state === "waiting") return [el("span.what.soft", "Looking…")];
    if (card.state === "failed") return [el("span.what.problem", "No answer"), el("span.file", row.problem)];
    const best = row.label ?? row.runner_up;
    return [
      el("span.what", { title: best }, ...headline(row)),
      el("span.measure", el("span.bar", el("span", { style: `width: ${100 * (row.score ?? 0)}%` })), el("span.share", row.score === null ? "" : percent(row.score))),
      el("span.flags", flags(row, card).map(([kind, text]) => el(`span.flag.${kind}`, text))),
      el("span.second.soft", row.label !== null && row.runner_up !== null && row.runner_up_score >= 0.01
        ? ["then ", named(row.runner_up), ` ${percent(row.runner_up_score)}`] : ""),
      el(`span.near${row.nearest_label === best ? "" : ".dissent"}`, ...this.#nearest()),
    ];
  }

  #nearest() {
    const { nearest_id: id, nearest_label: label } = this.row;
    if (id === null) return [];
    return [picture("img", () => api.thumbnail(id), { alt: "", decoding: "async" }),
      el("span", el("span.soft", "nearest "), named(label))];
  }
}

function headline({ state, label, runner_up: closest }) {
  if (state === "unknown") return [el("strong", "Unknown"), closest === null ? "" : [el("span.soft", " like "), named(closest)]].flat();
  return [state === "unsure" ? el("span.soft", "perhaps ") : "", el("strong", named(label))];
}

function flags({ state, disagrees }, { held, conflict }) {
  return [
    state === "unsure" ? ["warn", "Unsure"] : null,
    disagrees ? ["warn", "Modes disagree"] : null,
    conflict ? ["warn", "Choose a label"] : null,
    held ? ["good", "In the gallery"] : null,
  ].filter(Boolean);
}
