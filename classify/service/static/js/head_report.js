/** The report of a head version: how it was chosen, how good it is, and for which classes. */

import { bars, errorsByAnswered, reliability, shifts, table, whiskers } from "./charts.js";
import { el, oneDecimal, plural } from "./dom.js";

const LISTED = 12; // classes listed before the rest is folded away

export const scoresOf = (head) => head.report?.cross_validation ?? {};

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
  const chosen = ({ name }) => name === head.report.winner;
  return el("section", el("h3", "Candidates, on the same folds"),
    el("p.soft", "Macro accuracy ± one standard error."),
    whiskers(rows.map((row) => ({
      label: row.name, value: row.macro_accuracy, error: row.standard_error ?? null, chosen: chosen(row),
    }))),
    el("details", el("summary", "All figures"), table("Figures of the candidates",
      ["Candidate", "Accuracy", "Macro accuracy", "Macro F1", "Log loss"],
      rows.map((row) => [chosen(row) ? el("strong", `${row.name} (chosen)`) : row.name,
        oneDecimal(row.accuracy), oneDecimal(row.macro_accuracy), oneDecimal(row.macro_f1),
        typeof row.log_loss === "number" ? row.log_loss.toFixed(3) : "not measured"]))));
}

const MODES = [["auto", "Both, pooled"], ["knn", "Nearest references"], ["linear", "Linear head"]];

/** What each mode answers out of fold, and what it is worth to answer "unknown". */
function modes(head) {
  const figures = head.report?.calibration ?? {};
  const measured = MODES.filter(([mode]) => typeof figures[mode]?.accuracy === "number");
  if (!measured.length) return null;
  const curves = measured.map(([mode, name]) => ({ name, points: errors(head.report.parameters?.calibration?.[mode]) }))
    .filter(({ points }) => points.length > 1);
  return el("section", el("h3", "Answers of each mode"),
    table("Figures of the modes", ["Mode", "Accuracy", "Calibration error"], measured.map(([mode, name]) =>
      [name, oneDecimal(figures[mode].accuracy), oneDecimal(figures[mode].calibration_error)])),
    curves.length ? el("p.soft.above", "Errors that are left, where the less sure answers are “unknown”:") : null,
    curves.length ? errorsByAnswered(curves) : null);
}

/** [answered, errors]. A head stores precision with one wrong answer more than was seen: that one is taken out. */
function errors({ abstention: { coverage = [], precision = [] } = {}, figures } = {}) {
  return coverage.map((share, i) => {
    const answered = Math.round(share * figures.answers);
    return [share, Math.max(0, 1 - (precision[i] * (answered + 1)) / answered)];
  });
}

/** Whether a confidence is worth what it says, for each mode; heads of before it was kept show none. */
function trustworthiness(head) {
  const fitted = head.report?.parameters?.calibration ?? {};
  const diagrams = MODES.filter(([mode]) => fitted[mode]?.bins?.length);
  if (!diagrams.length) return null;
  return el("section", el("h3", "How much a confidence is worth"),
    el("p.soft", "Share of right answers at each confidence, with its 95 % interval. Short lines: the confidence that they had; on the dashed line, answers are right as often as they say. Below: how many answers there are."),
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
