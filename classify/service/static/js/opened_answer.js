/** One of many answers, looked at closely; the arrows go on, and Back or Escape go back to all of them. */

import { $, el, focusOn, named } from "./dom.js";

/**
 * A view that takes the place of `behind` while it is open. `shown()` gives the cards in their order,
 * `closed(card)` is told which was looked at last. The browser's Back closes it: it is a place of its own.
 */
export function openedAnswer({ behind, shown, closed, signal }) {
  const back = el("button", { type: "button", onclick: () => history.back() }, "← All answers");
  const before = el("button", { type: "button", "aria-keyshortcuts": "ArrowLeft", onclick: () => step(-1) }, "‹ Previous");
  const after = el("button", { type: "button", "aria-keyshortcuts": "ArrowRight", onclick: () => step(1) }, "Next ›");
  const place = el("p.place", { "aria-live": "polite" });
  const body = el("div");
  const node = el("section.opened", { "aria-label": "One answer", hidden: true }, el("div.steps", back, place, before, after), body);
  const state = { cards: [], among: [], card: null, scrolled: 0 };
  window.addEventListener("popstate", () => showPlace(), { signal });
  document.addEventListener("keydown", (event) => {
    if (state.card === null || event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey) return;
    if ($("dialog[open]") || event.target.matches("input, select, textarea")) return;
    if (event.key === "Escape") history.back();
    else if (event.key === "ArrowLeft") step(-1);
    else if (event.key === "ArrowRight") step(1);
  }, { signal });
  return { node, open, follow };

  function open(card) {
    state.scrolled = window.scrollY;
    state.among = shown();
    history.pushState({ answer: card.key }, "");
    show(card);
    window.scrollTo(0, 0);
    focusOn(body);
  }

  /** The answers are others now: what was open is closed, unless the address still names it. */
  function follow(cards) {
    const asked = history.state?.answer ?? null;
    if (asked !== null && !cards.some(({ key }) => key === asked)) history.replaceState(null, "");
    state.cards = cards;
    showPlace();
  }

  function showPlace() {
    const key = history.state?.answer ?? null;
    const card = key === null ? null : state.cards.find((one) => one.key === key) ?? null;
    if (card === null) close();
    else if (card !== state.card) {
      if (!state.among.includes(card)) state.among = shown();
      show(card);
    }
  }

  function step(by) {
    const next = state.among[state.among.indexOf(state.card) + by];
    if (!next) return;
    history.replaceState({ answer: next.key }, "");
    show(next);
    if (!node.contains(document.activeElement) || document.activeElement.disabled) focusOn(body);
  }

  function show(card) {
    state.card = card;
    for (const other of behind) other.hidden = true;
    node.hidden = false;
    body.replaceChildren(card.node);
    const at = state.among.indexOf(card);
    place.replaceChildren(el("strong", `${at + 1} of ${state.among.length}`), " ", el("span.soft", named(card.name)));
    before.disabled = at <= 0;
    after.disabled = at === state.among.length - 1;
  }

  function close() {
    const { card } = state;
    state.card = null;
    node.hidden = true;
    body.replaceChildren();
    for (const other of behind) other.hidden = false;
    if (card === null) return;
    window.scrollTo(0, state.scrolled);
    closed(card);
  }
}
