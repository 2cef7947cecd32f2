/** Confusion matrix: which class is taken for which. */

import { drawing, scrolling } from "../../service/static/js/charts.js";
import { oneDecimal, svg } from "../../service/static/js/dom.js";

const [MATRIX, CELL_MAX, CELL_MIN] = [760, 28, 9]; // px of the matrix, at most; of a cell
const NUMBERED = 19; // px of a cell that has room for its count
const [LABELS, OVERHANG] = [150, 80]; // px for labels, and beyond the last slanted one
const LONGEST = 20; // characters of a label
export const MOST_CLASSES = Math.floor(MATRIX / CELL_MIN);

/** Rows are true classes, columns the answers; those with the most mistakes, where there are too many. */
export function confusion(name, { classes, confusions }) {
  const counts = [
    ...classes.map(({ label, accuracy, queries }) => ({ truth: label, answered: label, count: Math.round(accuracy * queries) })),
    ...confusions,
  ].filter(({ count }) => count);
  const totals = new Map(classes.map(({ label, queries }) => [label, queries]));
  const shown = worst(classes, confusions).slice(0, MOST_CLASSES).sort();
  const place = new Map(shown.map((label, i) => [label, i]));
  const size = Math.min(CELL_MAX, Math.max(CELL_MIN, MATRIX / shown.length));
  const side = size * shown.length;
  const [width, height] = [LABELS + side + OVERHANG, LABELS + side + 4];
  const cells = counts.filter(({ truth, answered }) => place.has(truth) && place.has(answered)).map(({ truth, answered, count }) =>
    cell({ x: LABELS + size * place.get(answered), y: LABELS + size * place.get(truth), size, truth, answered, count, share: count / totals.get(truth) }));
  return scrolling(`Confusion matrix of ${name}`, drawing("svg.confusion", {
    width, height, title: `Confusion matrix of ${name}`,
    description: "Rows are true classes, columns the answers. The table below lists the commonest confusions.",
  }, svg("rect.matrix", { x: LABELS, y: LABELS, width: side, height: side }), shown.map((label, i) => slanted(label, LABELS + size * (i + 0.5), size)), cells));
}

/** All labels that were true or answered, those in most mistakes first. */
function worst(classes, confusions) {
  const mistakes = new Map(classes.map(({ label }) => [label, 0]));
  for (const { truth, answered, count } of confusions) {
    for (const label of [truth, answered]) mistakes.set(label, (mistakes.get(label) ?? 0) + count);
  }
  return [...mistakes.keys()].sort((a, b) => mistakes.get(b) - mistakes.get(a) || (a < b ? -1 : 1));
}

function slanted(label, middle, size) {
  const short = label.length > LONGEST ? `${label.slice(0, LONGEST - 1)}…` : label;
  const pixels = Math.min(12, 0.95 * size);
  const at = middle + 0.35 * pixels;
  return [
    svg("text", { x: LABELS - 6, y: at, "text-anchor": "end", "font-size": pixels }, short),
    svg("text", { transform: `translate(${at.toFixed(1)} ${LABELS - 6}) rotate(-60)`, "font-size": pixels }, short),
  ];
}

function cell({ x, y, size, truth, answered, count, share }) {
  const right = truth === answered;
  const box = svg(`rect.cell.${right ? "right" : "wrong"}`, { x: x + 0.5, y: y + 0.5, width: size - 1, height: size - 1 },
    svg("title", `${right ? `${truth}: ${count} right` : `${truth} answered as ${answered}: ${count}`} (${oneDecimal(share)})`));
  box.style.setProperty("--share", share);
  return [box, size < NUMBERED ? null
    : svg("text.count", { x: x + size / 2, y: y + size / 2 + 4, "text-anchor": "middle" }, `${count}`)];
}
