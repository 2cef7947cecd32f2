/** What colour and shape each reference has on the map, and the legend that says so. */

import { el, named, plural, svg } from "./dom.js";

const DARK = matchMedia("(prefers-color-scheme: dark)");

/* Six hues that people with any colour vision tell apart (after Okabe and Ito), in two shapes: twelve names. */
const HUES = {
  light: ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"],
  dark: ["#6aa9ff", "#ff8a4c", "#2fc79a", "#e59bc8", "#f0c040", "#9be3f5"],
};
const SHAPES = 2;
const NAMED = HUES.light.length * SHAPES;
/* Of values: from little to much by lightness, which everybody sees. */
const RAMP = { light: ["#c3cfcb", "#e08a3c", "#8c1d18"], dark: ["#3b4845", "#c9762f", "#ffd9a0"] };
const OTHER = { light: "#8fa19c", dark: "#5f716c" };
const STAR = { light: "#16201d", dark: "#ffffff" };
const FAINT = 40; // of 255, what is not meant at the moment

const scheme = () => (DARK.matches ? "dark" : "light");
const bytes = (hex) => [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));

/** Calls back whenever the colours of the page change. */
export const onScheme = (action, signal) => DARK.addEventListener("change", action, { signal });

/** A column of names, each row one of them by number (-1: none); the most frequent come first and have a colour. */
export function namesScale(title, names, codes, nameless) {
  const counts = new Map();
  for (const code of codes) counts.set(code, (counts.get(code) ?? 0) + 1);
  const ranked = [...counts].filter(([code]) => code >= 0).sort((a, b) => b[1] - a[1] || a[0] - b[0]).map(([code]) => code);
  const rank = new Map(ranked.slice(0, NAMED).map((code, i) => [code, i]));
  const look = (code) => (rank.has(code)
    ? { hex: HUES[scheme()][rank.get(code) % HUES.light.length], shape: Math.floor(rank.get(code) / HUES.light.length) }
    : { hex: OTHER[scheme()], shape: 0 });
  return {
    title,
    order: (rows) => rows,
    look: (i) => look(codes[i]),
    say: (i) => (codes[i] < 0 ? nameless : names[codes[i]]),
    /** Entries are buttons: looked at, they stand out; pressed, they are selected. */
    legend({ stress, select }) {
      const entries = [...ranked, ...(counts.has(-1) ? [-1] : [])];
      const rowsOf = (code) => () => codes.flatMap((one, i) => (one === code ? [i] : []));
      return el("ul.map-names", { "aria-label": title }, entries.map((code) => {
        const enter = () => stress(rowsOf(code)());
        return el("li", el("button.link", { type: "button", onclick: () => select(rowsOf(code)(), code < 0 ? nameless : names[code]),
          onmouseenter: enter, onfocus: enter, onmouseleave: () => stress(null), onblur: () => stress(null) },
        swatch(look(code)), code < 0 ? nameless : named(names[code]), el("span.soft", ` ${counts.get(code).toLocaleString("en")}`)));
      }), ranked.length > NAMED ? el("li.fine", `The ${NAMED} largest have colours; point at another one to see it.`) : null);
    },
  };
}

/** A column of numbers, null where one is not known. */
export function valuesScale(title, values, { low = 0, high, words }) {
  const known = values.filter((value) => value !== null);
  const top = high ?? (quantile(known, 0.98) || 1);
  const share = (value) => Math.min(1, Math.max(0, (value - low) / (top - low || 1)));
  return {
    title,
    order: (rows) => rows.sort((a, b) => (values[a] ?? -1) - (values[b] ?? -1)), // the highest on top
    look: (i) => ({ hex: values[i] === null ? OTHER[scheme()] : between(share(values[i])), shape: 0 }),
    say: (i) => (values[i] === null ? `${title.toLowerCase()} not known` : `${title.toLowerCase()} ${values[i].toFixed(2)}`),
    legend() {
      const steps = Array.from({ length: 24 }, (_, i) => svg("rect", { x: 8 * i, y: 0, width: 8.5, height: 14, fill: between(i / 23) }));
      const unknown = values.length - known.length;
      return el("div.map-values", el("p", words),
        svg("svg", { viewBox: "0 0 192 14", width: 192, height: 14, role: "img", "aria-label": `From ${low.toFixed(2)}, pale, to ${top.toFixed(2)}, strong` }, steps),
        el("p.ends", el("span", low.toFixed(2)), el("span", `${top.toFixed(2)}${high === undefined ? " and more" : ""}`)),
        unknown ? el("p.fine", `Of ${plural(unknown, "reference")} it is not known.`) : null);
    },
  };
}

const quantile = (values, share) => values.toSorted((a, b) => a - b)[Math.floor(share * (values.length - 1))];

function between(share) {
  const ramp = RAMP[scheme()].map(bytes);
  const [at, part] = share < 0.5 ? [0, 2 * share] : [1, 2 * share - 1];
  return `#${ramp[at].map((one, i) => Math.round(one + part * (ramp[at + 1][i] - one)).toString(16).padStart(2, "0")).join("")}`;
}

const MARKS = ["M7 1 A6 6 0 1 0 7 13 A6 6 0 1 0 7 1Z", "M7 0 L14 7 L7 14 L0 7Z"];
const swatch = ({ hex, shape }) => svg("svg.swatch", { viewBox: "0 0 14 14", width: 14, height: 14, "aria-hidden": "true" }, svg("path", { d: MARKS[shape], fill: hex }));

/**
 * What is drawn of `n` references, and of the queries after them: those in `gone` are left out, those in `chosen` are
 * larger, and where some are stressed the others are faint.
 */
export function painted({ n, queries, scale, gone, chosen, stressed }) {
  const all = n + queries;
  const [colours, forms] = [new Uint8Array(4 * all), new Float32Array(all)];
  const meant = stressed ?? (chosen.size ? chosen : null);
  const rows = [];
  const parts = new Map(); // of colours that were taken apart already
  for (let i = 0; i < n; i += 1) {
    if (gone.has(i)) continue;
    rows.push(i);
    const { hex, shape } = scale.look(i);
    if (!parts.has(hex)) parts.set(hex, bytes(hex));
    colours.set(parts.get(hex), 4 * i);
    colours[4 * i + 3] = meant && !meant.has(i) ? FAINT : 225;
    forms[i] = shape + (chosen.has(i) ? 10 : 0);
  }
  const drawn = scale.order(rows);
  if (meant) drawn.sort((a, b) => meant.has(a) - meant.has(b));
  for (let i = n; i < all; i += 1) {
    colours.set([...bytes(STAR[scheme()]), 255], 4 * i);
    forms[i] = 3;
    drawn.push(i);
  }
  const ink = scheme() === "dark" ? [0.04, 0.07, 0.06] : [0.09, 0.13, 0.11];
  return { colours, forms, order: new Uint32Array(drawn), ink };
}
