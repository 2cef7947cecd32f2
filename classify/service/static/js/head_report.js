/** The report of a head version: how it was chosen, how good it is, and for which classes. */

import { bars, oneDecimal, precisionCurves, reliability, shifts, whiskers } from "./charts.js";
import { el, plural } from "./dom.js";

const LISTED = 12; // classes listed before the rest is folded away

export const scoresOf = (head) => head.report?.cross_validation ?? {};

export function figure(value, error = null) {
  return typeof value === "number" ? oneDecimal(value, error) : "not measured";
}

export function report(head) {
  const parts = [recalls(head), modes(head), trustworthiness(head), candidates(head), challenge(head)].filter(Boolean);
  if (!head.report?.classes) return el("p.soft", "This version came without a report.");
  const { folds_scored: folds, references_scored: scored } = scoresOf(head);
  return el("div.report",
    el("p.soft", scored
      ? `From ${plural(folds ?? 0, "fold")} of cross-validation over ${plural(scored, "reference")}: each was answered by a head that had not seen it.`
      : "Nothing could be cross-validated: there are too few independent references."),
    ...parts);
}

/** Recall of each class, the worst first. */
function recalls(head) {
  const all = head.report?.classes ?? [];
  const scored = all.filter(({ recall }) => recall !== null && recall !== undefined)
    .sort((a, b) => a.recall - b.recall || a.label.localeCompare(b.label));
  if (!scored.length) return null;
  const rows = scored.map(({ label, recall, references }) => ({ label, value: recall, note: `(${references})` }));
  const unscored = all.length - scored.length;
  return el("section", el("h3", "Recall per class, the worst first"),
    bars(rows.slice(0, LISTED)),
    rows.length > LISTED
      ? el("details", el("summary", `${rows.length - LISTED} more`), bars(rows.slice(LISTED))) : null,
    unscored ? el("p.soft", `${plural(unscored, "class", "classes")} could not be scored: too few independent references.`) : null);
}

function candidates(head) {
  const rows = (head.report?.candidates ?? []).filter((row) => typeof row.macro_accuracy === "number");
  if (!rows.length) return null;
  const columns = [["Accuracy", "accuracy", oneDecimal], ["Macro accuracy", "macro_accuracy", oneDecimal],
    ["Macro F1", "macro_f1", oneDecimal], ["Log loss", "log_loss", (value) => value.toFixed(3)]];
  const cell = (value, write) => el("td", typeof value === "number" ? write(value) : "not measured");
  return el("section", el("h3", "Candidates, on the same folds"),
    el("p.soft", "Macro accuracy ± one standard error."),
    whiskers(rows.map((row) => ({
      name: row.name, value: row.macro_accuracy, error: row.standard_error ?? null, chosen: row.name === head.report.winner,
    }))),
    el("details", el("summary", "All figures"),
      el("div.scroll", { tabIndex: 0, role: "region", "aria-label": "Figures of the candidates" },
        el("table",
          el("thead", el("tr", el("th", { scope: "col" }, "Candidate"), columns.map(([name]) => el("th", { scope: "col" }, name)))),
          el("tbody", rows.map((row) => el("tr",
            el("th", { scope: "row" }, row.name === head.report.winner ? el("strong", `${row.name} (chosen)`) : row.name),
            columns.map(([, key, write]) => cell(row[key], write)))))))));
}

const MODES = [["auto", "Both, pooled"], ["knn", "Nearest references"], ["linear", "Linear head"]];

/** What each mode answers out of fold, and what it is worth to answer "unknown". */
function modes(head) {
  const figures = head.report?.calibration ?? {};
  const measured = MODES.filter(([mode]) => typeof figures[mode]?.accuracy === "number");
  if (!measured.length) return null;
  const curves = measured
    .map(([mode, name]) => ({ name, ...head.report.parameters?.calibration?.[mode]?.abstention }))
    .filter(({ coverage, precision }) => coverage?.length > 1 && precision?.length === coverage.length);
  return el("section", el("h3", "Answers of each mode"),
    el("div.scroll", { tabIndex: 0, role: "region", "aria-label": "Figures of the modes" },
      el("table",
        el("thead", el("tr", ["Mode", "Accuracy", "Calibration error"].map((name) => el("th", { scope: "col" }, name)))),
        el("tbody", measured.map(([mode, name]) => el("tr", el("th", { scope: "row" }, name),
          el("td", figure(figures[mode].accuracy)), el("td", figure(figures[mode].calibration_error))))))),
    curves.length ? el("p.soft.above", "Share of right answers, where the less sure ones are “unknown”:") : null,
    curves.length ? precisionCurves(curves, { title: "Share of right answers against the share of queries that is answered" }) : null);
}

/** Whether a confidence is worth what it says, for each mode; heads of before it was kept show none. */
function trustworthiness(head) {
  const fitted = head.report?.parameters?.calibration ?? {};
  const diagrams = MODES.filter(([mode]) => fitted[mode]?.bins?.length);
  if (!diagrams.length) return null;
  return el("section", el("h3", "How much a confidence is worth"),
    el("p.soft", "Share of right answers at each confidence, with its 95 % interval. On the dashed line, answers are right as often as they say. Below: how many answers there are."),
    el("div.diagrams", diagrams.map(([mode, name]) => reliability(name, fitted[mode].bins))));
}

/** How it did against the head that was active when it was trained. */
function challenge(head) {
  const against = head.report?.comparison;
  if (!against?.champion) return null;
  const worse = (against.regressions ?? []).map(({ label, references, champion, challenger }) =>
    ({ label, before: champion, after: challenger, note: `(${references})` }));
  return el("section", el("h3", "Against the head before"),
    el("p", `${against.champion}, on ${plural(against.references, "common reference")}: ${against.reason}.`),
    worse.length ? el("p.soft", "Classes that it recognises less often:") : null,
    worse.length ? shifts(worse.slice(0, LISTED)) : null);
}
