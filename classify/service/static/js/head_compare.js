/** What changed from one head version to another. */

import { shifts } from "./charts.js";
import { el, named, oneDecimal } from "./dom.js";
import { choices, field } from "./forms.js";
import { scoresOf } from "./head_report.js";

const TELLING = 0.0005; // changes of recall below this are none
const FIGURES = [["Macro accuracy", "macro_accuracy"], ["Accuracy", "accuracy"], ["Macro F1", "macro_f1"]];

/** Two versions to choose, and their difference. */
export function comparison(newest, { active, before }) {
  if (newest.length < 2) return [];
  const versions = newest.map(({ version }) => version);
  // What somebody decides about: a new head that was held, or else the last step that was made.
  const to = newest[0].status === "held" || !versions.includes(active) ? versions[0] : active;
  const previous = to === active ? before : active;
  const from = versions.includes(previous) ? previous : versions.find((version) => version !== to);
  const pick = (text, chosen) => {
    const select = el("select", { onchange: draw }, choices(versions.map((version) =>
      [version, version === active ? `${version} (active)` : version])));
    select.value = chosen;
    return select;
  };
  const [left, right] = [pick("From", from), pick("To", to)];
  const result = el("div.difference", { "aria-live": "polite" });
  draw();
  return [el("h2", "What changed"), el("div.panel", el("div.row", field("From", left), field("To", right)), result)];

  function draw() {
    const one = (version) => newest.find((head) => head.version === version);
    result.replaceChildren(...(left.value === right.value
      ? [el("p.soft", "Choose two different versions.")]
      : difference(one(left.value), one(right.value))));
  }
}

function difference(before, after) {
  const then = new Map((before.report?.classes ?? []).map((c) => [c.label, c]));
  const now = new Map((after.report?.classes ?? []).map((c) => [c.label, c]));
  const added = after.labels.filter((label) => !before.labels.includes(label));
  const gone = before.labels.filter((label) => !after.labels.includes(label));
  const moved = [...now.values()].filter((c) => isShare(c.recall) && isShare(then.get(c.label)?.recall))
    .map((c) => ({ label: c.label, before: then.get(c.label).recall, after: c.recall, note: growth(then.get(c.label), c) }))
    .filter((row) => Math.abs(row.after - row.before) > TELLING)
    .sort((a, b) => (a.after - a.before) - (b.after - b.before));
  return [
    el("dl.figures", FIGURES.map(([name, key]) => el("div", el("dt", name),
      el("dd", ...shift(scoresOf(before)[key], scoresOf(after)[key]))))),
    ...labels("New classes", added), ...labels("Classes that are gone", gone),
    el("h3", "Recall of the classes that changed, the worst change first"),
    moved.length ? shifts(moved) : el("p.soft", "None."),
  ];
}

const isShare = (value) => typeof value === "number";

function growth(then, now) {
  return then.references === now.references ? `(${now.references})` : `(${then.references} → ${now.references})`;
}

function shift(then, now) {
  if (!isShare(then) && !isShare(now)) return [oneDecimal(now)];
  return [`${oneDecimal(then)} → ${oneDecimal(now)}`, trend(then, now)];
}

function trend(then, now) {
  if (!isShare(then) || !isShare(now)) return null;
  const points = 100 * (now - then);
  if (Math.abs(points) < 0.05) return el("span.trend", " unchanged");
  return el(`span.trend.${points > 0 ? "better" : "worse"}`, ` ${points > 0 ? "+" : "−"}${Math.abs(points).toFixed(1)}`);
}

function labels(title, list) {
  if (!list.length) return [];
  return [el("h3", title), el("p", list.flatMap((label, i) => [i ? ", " : "", named(label)]))];
}
