/** Classes: how well each is told, and what more references would give. */

import { api, newAction } from "./api.js";
import { curated } from "./curated.js";

import { attempt, changed, el, named, oneDecimal, percent } from "./dom.js";
import { ask } from "./forms.js";
import { linkTo } from "./gallery.js";
import { sayDone } from "./undo.js";

const MERGE = "merge";
const LAST = Infinity; // what was not measured stands last
const COLUMNS = [
  { title: "Class", of: ({ label }) => label, cell: ({ label }) => el("a", { href: linkTo(label) }, named(label)) },
  { title: "Groups", of: ({ groups }) => groups, cell: ({ groups, references }) => (groups === references ? `${groups}` : `${groups} of ${references}`) },
  { title: "Recall", of: ({ recall }) => recall ?? LAST, cell: ({ recall }) => (recall === null ? "not measured" : percent(recall)) },
  { title: "95 %", of: ({ interval }) => interval?.[0] ?? LAST, cell: ({ interval }) => (interval ? `${percent(interval[0])} to ${percent(interval[1])}` : "") },
  { title: "Taken for", of: ({ confused }) => -confused, cell: ({ confused_with: other, confused }) => (other ? [named(other), ` ${percent(confused)}`] : "") },
  { title: "10 more give", of: ({ gain }) => -(gain ?? -LAST), cell: ({ gain }) => (gain === null ? "" : `+${oneDecimal(gain)}`) },
  { title: "Verdict", of: ({ verdict, needs }) => [{ merge: 0, needs: 1, too_few: 2, enough: 3 }[verdict], -(needs ?? 0)], cell: null },
];

export async function showClassesTab(root, visit) {
  const state = { classes: [], by: COLUMNS[2], descending: false };
  const head = el("tr", COLUMNS.map((column) => el("th", { scope: "col" },
    el("button.link", { type: "button", onclick: () => sort(column) }, column.title))));
  const body = el("tbody");
  const table = el("div.scroll", { role: "region", "aria-label": "Readiness of the classes", tabIndex: 0 }, el("table.readiness", el("thead", head), body));
  root.append(await curated("classes", ({ classes }) => { state.classes = classes; draw(); }, visit), table);

  function sort(column) {
    state.descending = state.by === column && !state.descending;
    state.by = column;
    draw();
  }

  function draw() {
    for (const [i, th] of [...head.children].entries()) {
      if (COLUMNS[i] === state.by) th.setAttribute("aria-sort", state.descending ? "descending" : "ascending");
      else th.removeAttribute("aria-sort");
    }
    const sorted = [...state.classes].sort((a, b) => compare(state.by.of(a), state.by.of(b)) || compare(a.label, b.label));
    if (state.descending) sorted.reverse();
    body.replaceChildren(...sorted.map((one) => el("tr", COLUMNS.map(({ cell }) => el("td", cell ? cell(one) : verdict(one))))));
  }

  function verdict(one) {
    if (one.verdict !== MERGE) return el("span.flag", one.says);
    const other = one.confused_with;
    return [el("span.flag.warn", "cannot be told apart from ", named(other)), " ",
      el("button.chip", { type: "button", onclick: () => merge(one.label, other) }, "Merge")];
  }

  async function merge(label, into) {
    const yes = await ask({ title: `Merge “${label}” into “${into}”?`,
      text: `Every reference of “${label}” gets the label “${into}”. The next head knows one class instead of two.`, action: "Merge" });
    if (!yes) return;
    const done = await attempt(() => api.renameClass(label, into, newAction("merge", "cannot be told apart")));
    if (!done) return;
    const gone = state.classes.find((one) => one.label === label);
    state.classes = state.classes.filter((one) => one !== gone);
    draw();
    sayDone(`“${label}” is part of “${into}” now`, done.action, () => { state.classes = [...state.classes, gone]; draw(); });
    changed();
  }
}

function compare(a, b) {
  if (Array.isArray(a)) return a.map((value, i) => value - b[i]).find((by) => by !== 0) ?? 0;
  return typeof a === "string" ? a.localeCompare(b, undefined, { numeric: true }) : a === b ? 0 : a - b;
}
