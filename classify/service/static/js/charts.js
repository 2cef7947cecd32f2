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

const SIDE = 240;
const EDGE = 34;

/**
 * Confidence against accuracy; on the diagonal both are the same.
 * Bins: confidence, accuracy, count.
 */
export function reliability(bins, { title }) {
  const at = (share) => EDGE + share * (SIDE - EDGE - 8);
  const up = (share) => SIDE - at(share);
  const most = Math.max(...bins.map((bin) => bin.count), 1);
  return svg("svg.chart.square", { viewBox: `0 0 ${SIDE} ${SIDE}`, role: "img", "aria-label": title },
    svg("line.diagonal", { x1: at(0), y1: up(0), x2: at(1), y2: up(1) }),
    [0, 0.5, 1].map((tick) => [
      svg("text.tick", { x: at(tick), y: SIDE - 18, "text-anchor": "middle" }, `${100 * tick}`),
      svg("text.tick", { x: EDGE - 6, y: up(tick) + 4, "text-anchor": "end" }, `${100 * tick}`),
    ]),
    svg("text.tick", { x: at(0.5), y: SIDE - 3, "text-anchor": "middle" }, "confidence, %"),
    bins.filter((bin) => bin.count).map((bin) =>
      svg("circle.bin", { cx: at(bin.confidence), cy: up(bin.accuracy), r: 3 + 7 * Math.sqrt(bin.count / most) },
        svg("title", `${percent(bin.confidence)} sure, ${percent(bin.accuracy)} right (${bin.count})`))));
}

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
