/** Answers as rows: what the list of many shows, how it is ordered, and the file that one takes away. */

/** The columns of `classify query --csv`. */
export const COLUMNS = ["path", "label", "state", "score", "runner_up", "runner_up_score",
  "nearest_reference", "nearest_label", "novelty", "head", "problem"];

const ACTS = /^[=+\-@\t\r\n]/; // what a spreadsheet would run as a formula gets an apostrophe

/** A card as such a row, and what else the list goes by. Null where there is no answer. */
export function rowOf({ path, raw, error }) {
  const [second] = raw?.runners_up ?? [];
  const [nearest] = raw?.neighbours ?? [];
  const label = raw?.label ?? null;
  const state = raw === null ? null : raw.state ?? (label === null ? "unknown" : "answered");
  return {
    path,
    label,
    state,
    score: raw?.score ?? null,
    runner_up: second?.label ?? null,
    runner_up_score: second?.score ?? null,
    nearest_reference: nearest?.source ?? null,
    nearest_label: nearest?.label ?? null,
    novelty: raw?.novelty?.score ?? null,
    head: raw?.head ?? null,
    problem: raw === null ? error : null,
    nearest_id: nearest?.id ?? null,
    // Of an unknown picture both labels are wrong: that they differ says nothing.
    disagrees: state !== "unknown" && (raw?.disagrees ?? false),
  };
}

const DOUBTS = [null, "unknown", "unsure", "answered"]; // the states, the most doubtful first
const doubt = ({ state, disagrees }) => DOUBTS.indexOf(state) - (disagrees ? 0.5 : 0);
const words = (a, b) => (a ?? "").localeCompare(b ?? "", undefined, { numeric: true });

/** Orders of rows. Where two are equal they stay as they came. */
export const ORDERS = {
  doubt: (a, b) => doubt(a) - doubt(b) || (a.score ?? 0) - (b.score ?? 0),
  label: (a, b) => (a.label === null) - (b.label === null) || words(a.label, b.label) || (b.score ?? 0) - (a.score ?? 0),
  name: (a, b) => words(a.path, b.path),
  asked: () => 0,
};

export function csvOf(rows) {
  const lines = rows.map((row) => COLUMNS.map((name) => cell(row[name])).join(","));
  return [COLUMNS.join(","), ...lines, ""].join("\n");
}

function cell(value) {
  if (value === null) return "";
  const text = typeof value === "string" && ACTS.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
