/** Heads: versions with their reports, what changed between two, and which one answers. */

import { api } from "./api.js";
import { $, ask, attempt, el, percent, plural, say, when } from "./dom.js";

const POLL_MS = 1000;
const LISTED = 12; // classes listed in a report before the rest is folded away

const figure = (value) => (value === null || value === undefined ? "not measured" : percent(value));
const scoresOf = (head) => head.report.cross_validation ?? {};
const countsOf = (head) => head.report.gallery?.counts ?? {};

export async function showHeads(root) {
  let timer = null;
  const job = el("p.job", { "aria-live": "polite" });
  const start = el("button.primary", { type: "button", onclick: retrain }, "Retrain now");
  const back = el("button", { type: "button", onclick: rollback }, "Roll back");
  const list = el("div.heads");
  const comparison = el("section.comparison", { "aria-label": "What changed" });
  root.append(
    el("div.heading", el("h1", "Heads"), el("div.actions", start, back)),
    el("p", "A head is trained from the stored vectors. The active one answers; the others are kept."),
    job, list, comparison);
  await load();
  await watch();
  return () => clearTimeout(timer);

  async function load() {
    const { heads, active, history } = await api.heads();
    back.disabled = history.length === 0;
    list.replaceChildren(...[...heads].reverse().map((head) => card(head, { active, promote, compare })));
    if (!heads.length) list.append(el("p.empty", "No head was trained yet: press “Retrain now”."));
    const newest = heads.find((head) => head.version === active);
    const before = heads.find((head) => head.version === history.at(-1));
    comparison.replaceChildren(...(newest && before ? difference(before, newest) : []));

    function compare() {
      const chosen = heads.filter((head) => $(`input[value="${head.version}"]`, list).checked);
      comparison.replaceChildren(...(chosen.length === 2 ? difference(...chosen) : []));
      if (chosen.length > 2) say("Choose two versions to compare.");
    }
  }

  async function watch() {
    const state = await api.retrainState();
    start.disabled = state.state === "running";
    job.className = `job ${state.state}`;
    job.textContent = jobText(state);
    if (state.state === "running") timer = setTimeout(() => attempt(follow), POLL_MS);
  }

  async function follow() {
    await watch();
    if (start.disabled) return;
    await load();
    document.dispatchEvent(new Event("holotype:changed"));
  }

  async function retrain() {
    if (await attempt(api.retrain)) await attempt(watch);
  }

  async function rollback() {
    const yes = await ask({
      title: "Roll back?", text: "The head that was active before answers again, at once.", action: "Roll back",
    });
    if (yes) await move(api.rollback);
  }

  async function promote(version) {
    const yes = await ask({ title: `Promote ${version}?`, text: "It answers at once.", action: "Promote" });
    if (yes) await move(() => api.promote(version));
  }

  async function move(action) {
    const pointer = await attempt(action);
    if (!pointer) return;
    say(`Head ${pointer.version} answers from now on`);
    await attempt(load);
  }
}

function jobText({ state, step, result, error, finished_at: finished }) {
  if (state === "running") return `Training: ${step}…`;
  if (state === "failed") return `The last training failed: ${error}`;
  if (state === "idle") return "";
  const reason = result?.reason ? `: ${result.reason}` : "";
  const words = { active: "its head answers now", held: "its head is held", not_needed: "nothing to do" };
  return `Trained ${when(finished)}; ${words[result?.status] ?? result?.status ?? "done"}${reason}`;
}

function card(head, { active, promote, compare }) {
  const isActive = head.version === active;
  const scores = scoresOf(head);
  const counts = countsOf(head);
  const total = Object.values(counts).reduce((sum, n) => sum + n, 0);
  return el(`article.head${isActive ? ".active" : ""}`, { "aria-label": `Head ${head.version}` },
    el("div.heading",
      el("h2", head.version,
        isActive ? el("span.badge", "answers") : null,
        head.status === "held" ? el("span.badge.held", "held") : null),
      el("div.actions",
        el("label.compare", el("input", { type: "checkbox", value: head.version, onchange: compare }), " compare"),
        isActive ? null : el("button", { type: "button", onclick: () => promote(head.version) }, "Promote"))),
    el("p", `${when(head.created_at)} · ${plural(total, "reference")}, ${plural(head.labels.length, "class", "classes")} · ${head.report.winner ?? ""}`),
    head.report.held_because ? el("p.notice", head.report.held_because) : null,
    el("dl.figures",
      ...pair("Accuracy", figure(scores.accuracy)),
      ...pair("Macro accuracy", figure(scores.macro_accuracy)),
      ...pair("Macro F1", figure(scores.macro_f1))),
    el("details",
      el("summary", "Report"),
      el("p", "Measured by cross-validation: every figure is of references that the head had not seen."),
      recallBars(head), candidates(head)));
}

const pair = (name, value) => [el("div", el("dt", name), el("dd", value))];

/** Recall of each class, the worst first. */
function recallBars(head) {
  const scored = (head.report.classes ?? []).filter((c) => c.recall !== null);
  scored.sort((a, b) => a.recall - b.recall || a.label.localeCompare(b.label));
  const bar = ({ label, recall, references }) => el("li",
    el("span.name", `${label} (${references})`),
    el("span.track", el("span.fill", { style: `width:${Math.max(100 * recall, 0.5)}%` })),
    el("span.value", percent(recall)));
  return el("div", el("h3", "Recall per class, the worst first"),
    el("ol.bars", scored.slice(0, LISTED).map(bar)),
    scored.length > LISTED
      ? el("details", el("summary", `${scored.length - LISTED} more`), el("ol.bars", scored.slice(LISTED).map(bar)))
      : null);
}

function candidates(head) {
  const rows = head.report.candidates ?? [];
  return el("div.scroll", { tabIndex: 0, role: "region", "aria-label": "Candidates" },
    el("table", el("caption", "Candidates, on the same folds"),
      el("thead", el("tr", ["Candidate", "Accuracy", "Macro accuracy", "Macro F1"].map((name) =>
        el("th", { scope: "col" }, name)))),
      el("tbody", rows.map((row) => el("tr",
        el("th", { scope: "row" }, row.name === head.report.winner ? el("strong", `${row.name} ✓`) : row.name),
        [row.accuracy, row.macro_accuracy, row.macro_f1].map((value) => el("td", figure(value))))))));
}

/** What changed from one version to a later one. */
function difference(before, after) {
  const recallsBefore = new Map((before.report.classes ?? []).map((c) => [c.label, c]));
  const rows = (after.report.classes ?? []).map((c) => change(c, recallsBefore.get(c.label)));
  for (const label of before.labels.filter((l) => !after.labels.includes(l))) {
    rows.push({ label, references: "gone", recall: "", weight: 2 });
  }
  const told = rows.filter((row) => row.weight > 0).sort((a, b) => b.weight - a.weight);
  const moved = (name, key) => el("li", `${name}: ${figure(scoresOf(before)[key])} → ${figure(scoresOf(after)[key])}`);
  return [
    el("h2", `From ${before.version} to ${after.version}`),
    el("ul", moved("Accuracy", "accuracy"), moved("Macro accuracy", "macro_accuracy"), moved("Macro F1", "macro_f1")),
    told.length
      ? el("div.scroll", { tabIndex: 0, role: "region", "aria-label": "Classes that changed" },
        el("table", el("caption", "Classes that changed"),
          el("thead", el("tr", ["Class", "References", "Recall"].map((name) => el("th", { scope: "col" }, name)))),
          el("tbody", told.map((row) => el("tr", el("th", { scope: "row" }, row.label), el("td", row.references), el("td", row.recall))))))
      : el("p", "No class changed."),
  ];
}

function change(now, then) {
  if (!then) return { label: now.label, references: `new, ${now.references}`, recall: figure(now.recall), weight: 2 };
  const shift = (now.recall ?? 0) - (then.recall ?? 0);
  return {
    label: now.label,
    references: now.references === then.references ? `${now.references}` : `${then.references} → ${now.references}`,
    recall: shift ? `${figure(then.recall)} → ${figure(now.recall)}` : figure(now.recall),
    weight: Math.abs(shift) || (now.references === then.references ? 0 : 1e-6),
  };
}
