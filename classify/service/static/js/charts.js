/** Charts of numbers, for all pages. Each says in words what it shows; shares are in [0, 1]. */

import { el, named, oneDecimal, percent, plural, svg } from "./dom.js";

/* Lists: a row for each thing, with its name, a line from 0 to 1 with something on it, and a value. */

function row(spec, { label, note = null, value }, ...pieces) {
  return el(spec,
    el("span.name", { title: label }, named(label), note === null ? null : el("span.note", ` ${note}`)),
    line(...pieces),
    el("span.value", value));
}

const line = (...pieces) => el("span.line", { "aria-hidden": "true" }, pieces);

function placed(spec, style, properties = {}) {
  const node = el(spec, properties);
  Object.assign(node.style, style);
  return node;
}

const part = (share) => `${100 * share}%`;
const from = (low, high) => placed("span.span", { left: part(low), width: part(high - low) });
const mark = (share, spec = "span.mark") => placed(spec, { left: part(share) });
const scale = (low, high) => el("li.scale", { "aria-hidden": "true" },
  el("span.name"), el("span.ends", [low, high].map((end) => el("span", whole(end)))), el("span.value"));
const whole = (share) => `${Math.round(100 * share)} %`;

/** Horizontal bars. Rows: label, value, perhaps a note, perhaps muted. */
export function bars(rows) {
  return el("ol.bars", rows.map(({ label, value, note, muted = false }) =>
    row(`li${muted ? ".muted" : ""}`, { label, note, value: percent(value) },
      placed("span.fill", { width: part(Math.max(value, 0.005)) }))));
}

/** Points with one standard error to each side, on a common scale. Rows: label, value, error (or null), chosen. */
export function whiskers(rows) {
  const ends = rows.flatMap(({ value, error }) => [value - (error ?? 0), value + (error ?? 0)]);
  const low = Math.max(0, Math.min(...ends) - 0.01);
  const high = Math.min(1, Math.max(...ends) + 0.01);
  const at = (share) => (share - low) / (high - low || 1);
  return el("ol.whiskers", rows.map(({ label, value, error, chosen }) =>
    row(`li${chosen ? ".chosen" : ""}`, { label, value: oneDecimal(value, error) },
      error === null ? null : from(at(value - error), at(value + error)), mark(at(value)))),
  scale(low, high));
}

/** Recall before and after: where it was, where it is. Rows: label, before, after, perhaps a note. */
export function shifts(rows) {
  return el("ol.shifts", rows.map(({ label, before, after, note }) =>
    row(`li${after < before ? ".worse" : ".better"}`, { label, note, value: `${percent(before)} → ${percent(after)}` },
      from(Math.min(before, after), Math.max(before, after)), mark(after))));
}

/** A figure with its interval, without words: these stand beside it. */
export const interval = ({ value, low, high }) => line(from(low, high), mark(value));

/** A line for each thing, with a mark for each series. Rows: label, value, shares of the series by their order. */
export function dots(names, rows) {
  const height = (i) => `${(100 * (i + 0.5)) / names.length}%`;
  return el("div", legend(names), el("ol.dots", rows.map(({ label, value, shares }) =>
    row("li", { label, value }, from(0, Math.max(...shares)), shares.map((share, i) =>
      placed(`span.mark.series-${i}`, { left: part(share), top: height(i) }, { title: `${label}, ${names[i]}: ${oneDecimal(share)}` })))),
  scale(0, 1)));
}

/* Pictures: lines and bars between two axes. */

let drawn = 0; // pictures have titles, which need an id each

/** A picture with a title, and a description that stands for it where it cannot be seen. */
export function drawing(spec, { width, height, title, description, ...more }, ...shapes) {
  drawn += 1;
  const [name, words] = [`drawing-${drawn}`, `drawing-${drawn}-words`];
  return svg(spec, { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-labelledby": name, "aria-describedby": words, ...more },
    svg("title", { id: name }, title), svg("desc", { id: words }, description), ...shapes);
}

/** Values from `low` to `high` onto pixels. */
function axis({ low = 0, high = 1, start, end, ticks = [0, 0.5, 1], name = "", write = whole }) {
  return { start, end, ticks, name, write, at: (value) => start + ((value - low) / (high - low || 1)) * (end - start) };
}

const grid = (x, y) => [
  y.ticks.map((tick) => [
    svg("line.grid", { x1: x.start, x2: x.end, y1: y.at(tick), y2: y.at(tick) }),
    svg("text", { x: x.start - 6, y: y.at(tick) + 4, "text-anchor": "end" }, y.write(tick)),
  ]),
  x.ticks.map((tick) => svg("text", { x: x.at(tick), y: y.start + 16, "text-anchor": "middle" }, x.write(tick))),
  svg("text.name", { x: x.start, y: y.end - 10 }, y.name),
];

const [WIDE, HIGH, LEFT, RIGHT, TOP, BOTTOM] = [380, 240, 46, 22, 28, 40]; // px of lines, and their margins

/**
 * Lines between two axes. Series: name, points as [x, y], perhaps a band as [x, low, high], perhaps marks
 * as [x, y, what it says]. A goal has a value of y, and a name.
 */
export function lines(series, { title, description, x, y, goal = null }) {
  const across = axis({ ...x, start: LEFT, end: WIDE - RIGHT });
  const up = axis({ ...y, start: HIGH - BOTTOM, end: TOP });
  const path = (points) => points.map(([a, b]) => `${across.at(a).toFixed(1)},${up.at(b).toFixed(1)}`).join(" ");
  const around = (band) => [...band.map(([a, , high]) => [a, high]), ...band.map(([a, low]) => [a, low]).reverse()];
  return el("div.lines", legend(series.map(({ name }) => name)),
    drawing("svg.chart", { width: WIDE, height: HIGH, title, description },
      grid(across, up),
      svg("text", { x: (across.start + across.end) / 2, y: HIGH - 6, "text-anchor": "middle" }, across.name),
      series.map(({ band }, i) => (band ? svg(`polygon.band.series-${i}`, { points: path(around(band)) }) : null)),
      series.map(({ points }, i) => svg(`polyline.series-${i}`, { points: path(points) })),
      series.map(({ marks = [] }, i) => marks.map(([a, b, words]) => spot(i, across.at(a), up.at(b), words))),
      goal === null ? null : [
        svg("line.goal", { x1: across.start, x2: across.end, y1: up.at(goal.value), y2: up.at(goal.value) }),
        svg("text.goal-name", { x: across.start + 4, y: up.at(goal.value) - 5 }, goal.name),
      ]));
}

const spot = (i, x, y, words = null) =>
  svg(`rect.mark.series-${i}`, { x: x - 4.5, y: y - 4.5, width: 9, height: 9 }, words === null ? null : svg("title", words));

/** Which line and which mark is whose: each series has its own colour, dashes and shape. */
const legend = (names) => el("ul.legend", names.map((name, i) => el("li",
  svg("svg.key", { viewBox: "0 0 28 12", "aria-hidden": "true" }, svg(`line.series-${i}`, { x1: 0, x2: 28, y1: 6, y2: 6 }), spot(i, 14, 6)),
  name)));

const GOAL = 0.05; // share of errors that is marked

/**
 * Errors among the answers against the share of queries that is answered, the surest first.
 * Curves: name, points as [answered, errors] by rising share, perhaps how much is answered at the goal.
 */
export function errorsByAnswered(curves) {
  const worst = Math.max(1.2 * GOAL, ...curves.flatMap(({ points }) => steady(points).map(([, errors]) => errors)));
  const step = [0.01, 0.02, 0.05, 0.1].find((size) => worst <= 6 * size) ?? 0.2;
  const ticks = Array.from({ length: Math.ceil(worst / step - 1e-9) + 1 }, (_, i) => i * step);
  const top = ticks.at(-1);
  return lines(curves.map(({ name, points, atGoal }) => ({
    name,
    points: points.map(([answered, errors]) => [answered, Math.min(errors, top)]),
    marks: atGoal ? [[atGoal, GOAL, `${name}: ${oneDecimal(atGoal)} answered at ${whole(GOAL)} errors`]] : [],
  })), {
    title: "Errors against the share of queries that is answered",
    description: curves.map(({ name, points }) => `${name}: ${oneDecimal(points.at(-1)?.[1])} errors where all are answered`).join("; "),
    x: { name: "answered, the surest first", ticks: [0, 0.25, 0.5, 0.75, 1] },
    y: { name: "errors among the answers", high: top, ticks },
    goal: { value: GOAL, name: `${whole(GOAL)} errors` },
  });
}

/** Without the first tenth, where a single wrong answer is a cliff. */
const steady = (points) => points.slice(Math.floor(points.length / 10));

const [SIDE, COUNTS] = [150, 22]; // px of the square, and of the tallest count below it

/**
 * How often answers of a confidence are right: bars on the diagonal are worth what they say.
 * Bins: low, high, answers, confidence, accuracy. The strip below counts the answers.
 */
export function reliability(name, bins) {
  const x = axis({ start: LEFT, end: LEFT + SIDE });
  const y = axis({ start: TOP + SIDE, end: TOP, name: "answered rightly" });
  const foot = y.start + 20 + COUNTS;
  const most = Math.max(...bins.map(({ answers }) => answers));
  const column = (spec, { low, high }, bottom, height) => svg(spec,
    { x: x.at(low) + 0.75, width: x.at(high) - x.at(low) - 1.5, y: bottom - height, height });
  const across = (spec, x1, y1, x2, y2) => svg(spec, { x1: x.at(x1), y1: y.at(y1), x2: x.at(x2), y2: y.at(y2) });
  return drawing("svg.chart.reliability", {
    width: LEFT + SIDE + RIGHT, height: foot + 34, title: `Reliability: ${name}`, description: bins.map(inWords).join("; "),
  },
  grid(x, y),
  bins.map((bin) => svg("g.bin", svg("title", inWords(bin)),
    column("rect.right", bin, y.start, Math.max(y.start - y.at(bin.accuracy), 1)),
    column("rect.count", bin, foot, (COUNTS * bin.answers) / most))),
  across("line.ideal", 0, 0, 1, 1),
  bins.map((bin) => [bin, wilson(bin), (bin.low + bin.high) / 2]).map(([bin, { low, high }, middle]) => [
    across("line.interval", middle, low, middle, high),
    across("line.said", bin.low, bin.confidence, bin.high, bin.confidence),
  ]),
  svg("text", { x: x.at(0.5), y: foot + 14, "text-anchor": "middle" }, "confidence"),
  svg("text.name", { x: x.at(0.5), y: foot + 30, "text-anchor": "middle" }, name));
}

const inWords = ({ low, high, answers, confidence, accuracy }) =>
  `confidence ${whole(low)} to ${whole(high)}: ${plural(answers, "answer")}, `
  + `on average ${oneDecimal(confidence)} sure, ${oneDecimal(accuracy)} right`;

const Z_95 = 1.96;

/** Between which shares the true one lies in 95 of 100 cases (Wilson's score interval). */
function wilson({ answers: n, accuracy }) {
  const spread = Z_95 ** 2 / n;
  const middle = (accuracy + spread / 2) / (1 + spread);
  const half = (Z_95 * Math.sqrt((accuracy * (1 - accuracy)) / n + spread / (4 * n))) / (1 + spread);
  return { low: Math.max(0, middle - half), high: Math.min(1, middle + half) };
}

/* Figures. */

/** A table; the first column names its rows. Cells are text, or elements. */
export function table(name, heads, rows) {
  return scrolling(name, el("table",
    el("thead", el("tr", heads.map((head) => el("th", { scope: "col" }, head)))),
    el("tbody", rows.map(([first, ...cells]) => el("tr", el("th", { scope: "row" }, first), cells.map((cell) => el("td", cell)))))));
}

/** What is wider than a phone, reached with the keyboard, too. */
export const scrolling = (name, content) => el("div.scroll", { tabIndex: 0, role: "region", "aria-label": name }, content);
