/** How to classify: who answers, when it says "perhaps", and which references count. */

import { el } from "./dom.js";
import { choices, field } from "./forms.js";

const MODES = [["auto", "Both, pooled"], ["knn", "Nearest references"], ["linear", "Linear head"]];
const SHARES = [["0.8", "80 %"], ["0.9", "90 %"], ["0.95", "95 %"], ["0.99", "99 %"]];
const PHONE = matchMedia("(max-width: 620px)"); // as in the style sheets
const STORED = "holotype-options";
const REMEMBERED = ["mode", "abstain_at", "coverage"]; // from visit to visit; a filter would surprise

/** The form of the options; a change answers what is shown again. */
export function optionsForm(gallery, session) {
  const modes = MODES.filter(([name]) => gallery.head || name === "knn");
  const controls = [
    field("Who answers", el("select", { name: "mode" }, choices(modes))),
    // Both take calibrated scores, which a head brings.
    gallery.head
      ? field("Say “perhaps” where fewer are right than", el("select", { name: "abstain_at" }, choices([["", "50 %"], ...SHARES]))) : null,
    gallery.head
      ? field("Also a set of labels, right in", el("select", { name: "coverage" }, choices([["", "no set"], ...SHARES]))) : null,
    field("Neighbours that vote", el("input.short", {
      name: "k", type: "number", min: 1, max: 1000, placeholder: "best", inputMode: "numeric" })),
    field("Only references with", el("input.condition", {
      name: "where", placeholder: `${filterExample(gallery)}=…`, autocomplete: "off", maxLength: 300 })),
  ];
  const form = el("form.options", { "aria-label": "Options", onsubmit: (event) => event.preventDefault() },
    controls.filter(Boolean));
  session.chosen ??= remembered();
  restore(form, session.chosen);
  const read = () => session.configure(Object.fromEntries(new FormData(form)));
  form.addEventListener("input", read); // what is typed holds for the next picture, left or not
  form.addEventListener("change", ({ target }) => {
    read();
    session.chosen[target.name] = target.value;
    remember(session.chosen);
    if (session.cards.length) session.askAgain();
  });
  read();
  return folded(form);
}

/** On a phone one line, so that the answers are what is seen. */
function folded(form) {
  const box = el("details.folded", el("summary", "Options"), form);
  const follow = () => { box.open = !PHONE.matches; };
  PHONE.addEventListener("change", follow);
  follow();
  return box;
}

function restore(form, values) {
  for (const [name, value] of Object.entries(values)) {
    const control = form.elements[name];
    const offered = control?.options ? [...control.options].some((option) => option.value === value) : true;
    if (control && offered) control.value = value;
  }
}

function remember(options) {
  const kept = Object.entries(options).filter(([name]) => REMEMBERED.includes(name));
  try {
    localStorage.setItem(STORED, JSON.stringify(Object.fromEntries(kept)));
  } catch {
    // Storage is switched off: the next visit begins with the defaults.
  }
}

function remembered() {
  try {
    return JSON.parse(localStorage.getItem(STORED)) ?? {};
  } catch {
    return {}; // switched off, or written by another version of this page
  }
}

/** A key that references can be filtered by: the user's own where there is one. */
function filterExample({ filter_keys: keys = [] }) {
  const own = keys.find((key) => key.startsWith("meta."));
  return own ? own.slice("meta.".length) : "group";
}
