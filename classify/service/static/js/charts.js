/** Small pictures of numbers. Each says in words what it shows. */

import { el, named, percent, plural, svg } from "./dom.js";

/** Horizontal bars of shares in [0, 1], with their label and their value. */
export function bars(rows) {
  return el("ol.bars", rows.map(({ label, value, note = null, muted = false }) =>
    el(`li${muted ? ".muted" : ""}`,
      el("span.name", { title: label }, named(label), note === null ? null : el("span.note", ` ${note}`)),
      track(value),
      el("span.value", percent(value)))));
}

function track(value) {
  return el("span.track", { "aria-hidden": "true" }, placed("span.fill", { width: `${Math.max(100 * value, 0.5)}%` }));
}

/**
 * Points with a whisker of one standard error to each side, on a common scale.
 * Rows: name, value, error (or null), chosen.
 */
export function whiskers(rows) {
  const ends = rows.flatMap(({ value, error }) => [value - (error ?? 0), value + (error ?? 0)]);
  const low = Math.max(0, Math.min(...ends) - 0.01);
  const high = Math.min(1, Math.max(...ends) + 0.01);
  const place = (share) => `${(100 * (share - low)) / (high - low || 1)}%`;
  return el("ol.whiskers", rows.map(({ name, value, error, chosen }) => {
    const point = placed("span.end", { left: place(value) });
    const spread = error === null ? null
      : placed("span.span", { left: place(value - error), width: `${(200 * error) / (high - low || 1)}%` });
    return el(`li${chosen ? ".chosen" : ""}`,
      el("span.name", { title: name }, named(name)),
      el("span.line", { "aria-hidden": "true" }, spread, point),
      el("span.value", oneDecimal(value, error)));
  }),
  el("li.scale", { "aria-hidden": "true" }, el("span.name"),
    el("span.ends", el("span", `${(100 * low).toFixed(0)} %`), el("span", `${(100 * high).toFixed(0)} %`)), el("span.value")));
}

/** A share with its standard error, for people. */
export function oneDecimal(value, error = null) {
  const text = (100 * value).toFixed(1);
  return error === null ? `${text} %` : `${text} ± ${(100 * error).toFixed(1)} %`;
}

function placed(spec, style) {
  const node = el(spec);
  Object.assign(node.style, style);
  return node;
}

const [WIDE, HIGH, LEFT, BOTTOM, TOP] = [360, 230, 44, 40, 10]; // px of the drawing, and its margins

/**
 * Share of right answers against the share of queries that is answered, the surest first.
 * Curves: name, coverage and precision, as columns of shares by rising coverage.
 */
export function precisionCurves(curves, { title }) {
  const low = Math.min(0.9, ...curves.flatMap(({ precision }) => steady(precision)));
  const floor = Math.max(0, Math.floor(low * 10) / 10);
  const x = (share) => LEFT + share * (WIDE - LEFT - 22);
  const y = (share) => TOP + ((1 - share) / (1 - floor)) * (HIGH - TOP - BOTTOM);
  const middle = (1 + floor) / 2;
  return el("div.curves",
    svg("svg.chart", { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-label": title },
      [floor, middle, 1].map((tick) => [
        svg("line.grid", { x1: x(0), x2: x(1), y1: y(tick), y2: y(tick) }),
        svg("text", { x: LEFT - 6, y: y(tick) + 4, "text-anchor": "end" }, `${(100 * tick).toFixed(0)} %`),
      ]),
      [0, 0.5, 1].map((tick) => svg("text", { x: x(tick), y: HIGH - BOTTOM + 16, "text-anchor": "middle" }, `${100 * tick} %`)),
      svg("text", { x: x(0.5), y: HIGH - 6, "text-anchor": "middle" }, "answered, the surest first"),
      curves.map(({ coverage, precision }, i) => svg(`polyline.line${i}`, {
        points: coverage.map((share, j) => `${x(share).toFixed(1)},${y(Math.max(precision[j], floor)).toFixed(1)}`).join(" ") }))),
    el("ul.legend", curves.map(({ name }, i) => el("li",
      svg("svg.key", { viewBox: "0 0 28 8", "aria-hidden": "true" }, svg(`line.line${i}`, { x1: 0, x2: 28, y1: 4, y2: 4 })), name))));
}

/** Without the first tenth, where a single wrong answer is a cliff. */
const steady = (values) => values.slice(Math.floor(values.length / 10));

/** Recall before and after, one line each: where it was, where it is. */
export function shifts(rows) {
  return el("ol.shifts", rows.map(({ label, before, after, note = null }) => {
    const [low, high] = [Math.min(before, after), Math.max(before, after)];
    const span = placed("span.span", { left: `${100 * low}%`, width: `${100 * (high - low)}%` });
    const end = placed("span.end", { left: `${100 * after}%` });
    return el(`li${after < before ? ".worse" : ".better"}`,
      el("span.name", { title: label }, named(label), note === null ? null : el("span.note", ` ${note}`)),
      el("span.line", { "aria-hidden": "true" }, span, end),
      el("span.value", `${percent(before)} → ${percent(after)}`));
  }));
}

const [SIDE, FOOT, COUNTS] = [150, 34, 22]; // px of the square, of what stands below it, and of its tallest count
let drawn = 0; // diagrams have titles, which need an id each

/**
 * How often answers of a confidence are right: bars on the diagonal are worth what they say.
 * Bins: low, high, answers, confidence, accuracy. The strip below counts the answers.
 */
export function reliability(name, bins) {
  drawn += 1;
  const [title, description] = [`reliability-${drawn}`, `reliability-${drawn}-bins`];
  const x = (share) => LEFT + share * SIDE;
  const y = (share) => TOP + (1 - share) * SIDE;
  const most = Math.max(...bins.map(({ answers }) => answers));
  const foot = TOP + SIDE + 20;
  const inside = (bin) => ({ x: x(bin.low) + 0.75, width: x(bin.high) - x(bin.low) - 1.5 });
  return svg("svg.chart.reliability", {
    viewBox: `0 0 ${LEFT + SIDE + 26} ${foot + COUNTS + FOOT}`, role: "img",
    "aria-labelledby": title, "aria-describedby": description,
  },
  svg("title", { id: title }, `Reliability: ${name}`),
  svg("desc", { id: description }, bins.map(inWords).join("; ")),
  [0, 0.5, 1].map((tick) => [
    svg("line.grid", { x1: x(0), x2: x(1), y1: y(tick), y2: y(tick) }),
    svg("text", { x: LEFT - 6, y: y(tick) + 4, "text-anchor": "end" }, `${100 * tick} %`),
    svg("text", { x: x(tick), y: y(0) + 14, "text-anchor": "middle" }, `${100 * tick} %`),
  ]),
  bins.map((bin) => svg("g.bin", svg("title", inWords(bin)),
    svg("rect.right", { ...inside(bin), y: y(bin.accuracy), height: Math.max(y(0) - y(bin.accuracy), 1) }),
    svg("rect.count", { ...inside(bin), y: foot + COUNTS * (1 - bin.answers / most), height: (COUNTS * bin.answers) / most }))),
  svg("line.ideal", { x1: x(0), x2: x(1), y1: y(0), y2: y(1) }),
  bins.map((bin) => {
    const { low, high } = interval(bin);
    const middle = (x(bin.low) + x(bin.high)) / 2;
    return svg("line.interval", { x1: middle, x2: middle, y1: y(low), y2: y(high) });
  }),
  svg("text", { x: x(0.5), y: foot + COUNTS + 14, "text-anchor": "middle" }, "confidence"),
  svg("text.name", { x: x(0.5), y: foot + COUNTS + 30, "text-anchor": "middle" }, name));
}

const inWords = ({ low, high, answers, confidence, accuracy }) =>
  `confidence ${(100 * low).toFixed(0)} to ${(100 * high).toFixed(0)} %: ${plural(answers, "answer")}, `
  + `on average ${oneDecimal(confidence)} sure, ${oneDecimal(accuracy)} right`;

const Z_95 = 1.96;

/** Between which shares the true one lies in 95 of 100 cases (Wilson's score interval). */
function interval({ answers: n, accuracy }) {
  const spread = Z_95 ** 2 / n;
  const middle = (accuracy + spread / 2) / (1 + spread);
  const half = (Z_95 * Math.sqrt((accuracy * (1 - accuracy)) / n + spread / (4 * n))) / (1 + spread);
  return { low: Math.max(0, middle - half), high: Math.min(1, middle + half) };
}
