/** Small pictures of numbers. Each says in words what it shows. */

import { el, named, percent, svg } from "./dom.js";

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
