/** The page of an evaluation: what the data in the same file says, section by section. */

import { dots, errorsByAnswered, interval, lines, reliability, table } from "../../service/static/js/charts.js";
import { $, baseName, el, named, oneDecimal, plural } from "../../service/static/js/dom.js";
import { MOST_CLASSES, confusion } from "./confusion.js";

const CLASSES_DRAWN = 60; // the weakest; the table has all
const CONFUSIONS_LISTED = 50;

const { evaluation, mode_names: names, pictures, made, service } = JSON.parse($("#evaluation").textContent);
const modes = Object.entries(evaluation.modes).map(([mode, figures]) =>
  ({ mode, name: names[mode], mistakes: evaluation.mistakes[mode] ?? [], ...figures }));

function section(title, words, ...content) {
  return el("section", el("h2", title), el("p.lead", words), content);
}

/** The same within another section. */
const ofMode = (title, words, ...content) => el("section.part", el("h3", title), el("p.lead", words), content);

const folded = (title, heads, rows) => el("details", el("summary", title), table(title, heads, rows));
const pairs = (spec, rows) => el(spec, rows.map(([name, value]) => el("div", el("dt", name), el("dd", value))));
const range = ({ low, high }) => `${oneDecimal(low)} to ${oneDecimal(high)}`;

function header() {
  const { gallery, source, method, references, classes: all, backbone, head, fingerprint } = evaluation.subject;
  return el("header", el("p.brand", "Holotype"), el("h1", "How well “", named(gallery), "” answers"), el("p.lead", `${source}: ${method}.`),
    pairs("dl.subject", [["queries", evaluation.queries.toLocaleString("en")], ["references", references.toLocaleString("en")],
      ["classes", all.toLocaleString("en")], ["encoder", backbone], ["head", head ?? "none"], ["fingerprint", fingerprint]]));
}

function remarks() {
  const { near_duplicates: near, absent_classes: absent, unreadable, notices, subject } = evaluation;
  const gone = Object.values(absent).reduce((sum, n) => sum + n, 0);
  return [
    ...notices,
    near ? `${plural(near, "query has", "queries have")} the same picture, or nearly the same, in the gallery; the line “without near-duplicates” leaves them out.` : null,
    gone ? `${plural(gone, "query", "queries")} of classes that cannot be answered are left out: ${Object.keys(absent).sort().join(", ")}.` : null,
    unreadable.length ? `${plural(unreadable.length, "image")} could not be read.` : null,
    !evaluation.modes.linear && subject.source !== "leave-one-out" ? "No head has been trained: only k-NN is shown." : null,
  ].filter(Boolean).map((text) => el("p.notice", text));
}

/** What to use, first of all, and what that rests on: each mode against the chosen one. */
function verdict() {
  const { verdict: said, near_duplicates: near } = evaluation;
  if (!said) return null;
  const compared = `${plural(said.queries, "query", "queries")} that every mode answered${near ? ", those with a near-duplicate in the gallery left out" : ""}`;
  return el("section.verdict", { "aria-label": "Verdict" }, el("p.sentence", said.sentence),
    el("p.soft", said.tests.length ? `Compared on the same ${compared}.` : `On ${compared}.`),
    said.tests.length ? basis(said) : null);
}

function basis({ mode: chosen, tests }) {
  const fold = folded("What that rests on", [`against ${names[chosen]}`, "it alone right", `${names[chosen]} alone right`, "difference in points, 95 % interval", "p"],
    tests.map(({ mode, only_this: own, only_other: other, difference: { value, low, high }, p_value: p }) =>
      [names[mode], own, other, `${points(value)} (${points(low)} to ${points(high)})`, p < 0.001 ? "< 0.001" : p.toFixed(3)]));
  fold.append(el("p.fine", "p: McNemar's exact test, adjusted for all pairs of modes (Holm); queries are taken as independent, so many of one specimen or burst make it too sure. Within noise is not the same as equal: the interval says how far apart they may be."));
  return fold;
}

const points = (share) => `${share < 0 ? "−" : "+"}${Math.abs(100 * share).toFixed(1)}`;

function summary({ name, accuracy, ...figures }, i) {
  return el(`section.panel.series-${i}`, { "aria-label": name }, el("h2", name),
    el("p.big", oneDecimal(accuracy?.value)),
    el("p.soft", "accuracy, 95 % interval ", accuracy === null ? oneDecimal(null) : range(accuracy)),
    accuracy === null ? null : interval(accuracy),
    pairs("dl.few", [
      ...(figures.near_duplicates ? [["without near-duplicates", oneDecimal(figures.without_duplicates?.value)]] : []),
      ["macro accuracy", oneDecimal(figures.macro_accuracy)], ["macro F1", oneDecimal(figures.macro_f1)],
      ["among the first three", oneDecimal(figures.top3)], ["calibration error", oneDecimal(figures.calibration_error)],
      ["answered at 5 % errors", oneDecimal(figures.coverage_at_risk["0.05"])],
    ]));
}

function trust({ name, calibration }, i) {
  return ofMode("What a score is worth",
    "Bars: how often answers of that score were right. Short lines: the score they had. Where both meet, a score is a probability. Thin lines: 95 % intervals; grey: how many queries.",
    el(`figure.series-${i}`, reliability(name, calibration),
      folded(`The bins of ${name}`, ["scores", "queries", "mean score", "right"], calibration.map(({ low, high, answers, confidence, accuracy }) =>
        [`${low.toFixed(2)} to ${high.toFixed(2)}`, answers, oneDecimal(confidence), oneDecimal(accuracy)]))));
}

function errors() {
  const levels = Object.keys(modes[0].coverage_at_risk).sort((a, b) => a - b);
  return section("Errors, if only the confident are answered",
    "From left to right, less and less confident answers are let through. The mark shows how far one can go with 5 % errors.",
    errorsByAnswered(modes.map(({ name, risk, coverage_at_risk: reached }) =>
      ({ name, points: risk.map(({ coverage, risk: wrong }) => [coverage, wrong]), atGoal: reached["0.05"] }))),
    folded("Coverage at fixed error rates", ["errors at most", ...modes.map(({ name }) => name)],
      levels.map((level) => [oneDecimal(Number(level)), ...modes.map(({ coverage_at_risk: reached }) => oneDecimal(reached[level]))])));
}

/** Per class the figures of every mode, the least mean accuracy first. */
function byClass() {
  const rows = new Map();
  for (const { classes: figures } of modes) {
    for (const one of figures) rows.set(one.label, [...(rows.get(one.label) ?? []), one]);
  }
  const mean = (figures) => figures.reduce((sum, { accuracy }) => sum + accuracy, 0) / figures.length;
  return [...rows.entries()].sort(([a, left], [b, right]) => mean(left) - mean(right) || (a < b ? -1 : 1));
}

function classes() {
  const rows = byClass();
  return section("Class by class", "Share of each class's queries that were answered rightly, the weakest first. More references of these, or a look at their labels, pay most.",
    dots(modes.map(({ name }) => name), rows.slice(0, CLASSES_DRAWN).map(([label, figures]) =>
      ({ label, value: plural(figures[0].queries, "query", "queries"), shares: figures.map(({ accuracy }) => accuracy) }))),
    rows.length > CLASSES_DRAWN ? el("p.fine", `The ${CLASSES_DRAWN} weakest of ${rows.length.toLocaleString("en")} classes are drawn.`) : null,
    folded("All classes", ["class", "queries", ...modes.flatMap(({ name }) => [`${name}: accuracy`, `${name}: precision`, `${name}: F1`])],
      rows.map(([label, figures]) => [named(label), figures[0].queries,
        ...figures.flatMap(({ accuracy, precision, f1 }) => [oneDecimal(accuracy), oneDecimal(precision), oneDecimal(f1)])])));
}

function confusions(mode) {
  const all = new Set([...mode.classes.map(({ label }) => label), ...mode.confusions.map(({ answered }) => answered)]).size;
  return ofMode("What is taken for what", "Rows are true classes, columns the answers. What is on the diagonal is right.",
    el("figure", confusion(mode.name, mode),
      all > MOST_CLASSES ? el("p.fine", `The ${MOST_CLASSES} classes with the most mistakes, of ${all.toLocaleString("en")}.`) : null,
      folded(`The commonest confusions of ${mode.name}`, ["class", "answered as", "times"],
        mode.confusions.slice(0, CONFUSIONS_LISTED).map(({ truth, answered, count }) => [named(truth), named(answered), count]))));
}

/** Sizes double along the axis. */
function learning(curve) {
  if (curve === null) return null;
  const series = Object.entries(curve.points).map(([name, points]) => ({ name, points }));
  const sizes = series[0].points.map((point) => point.per_class);
  const floor = Math.min(0.8, Math.floor(10 * Math.min(...series.flatMap(({ points }) => points.map(({ low }) => low)))) / 10);
  const ticks = Array.from({ length: Math.round(10 * (1 - floor)) + 1 }, (_, i) => floor + i / 10);
  const last = (points) => oneDecimal(points.at(-1).accuracy);
  return section("Would more references help?",
    `References drawn from the gallery, ${plural(curve.classes, "class", "classes")}; shaded: 95 % interval of the mean over draws.`,
    lines(series.map(({ name, points }) => ({
      name,
      points: points.map((p) => [Math.log2(p.per_class), p.accuracy]),
      band: points.map((p) => [Math.log2(p.per_class), Math.max(p.low, floor), Math.min(p.high, 1)]),
      marks: points.map((p) => [Math.log2(p.per_class), p.accuracy, `${name}, ${p.per_class} per class: ${oneDecimal(p.accuracy)}`]),
    })), {
      title: "Learning curve",
      description: `With ${plural(sizes.at(-1), "reference")} per class: ${series.map(({ name, points }) => `${name} ${last(points)}`).join(", ")}.`,
      x: { name: "references per class", high: Math.log2(sizes.at(-1)), ticks: sizes.map(Math.log2), write: (value) => `${Math.round(2 ** value)}` },
      y: { name: "macro accuracy", low: floor, ticks },
    }),
    folded("The curve's figures", ["references per class", ...series.map(({ name }) => name)],
      sizes.map((size, i) => [size, ...series.map(({ points }) => `${oneDecimal(points[i].accuracy)} (${range(points[i])})`)])));
}

function mistakes({ name, mistakes: all }) {
  return ofMode("The most confident mistakes",
    "Each with the nearest references: the evidence that misled. A wrong label in the gallery shows up here first.",
    all.length ? el("ol.mistakes", { "aria-label": `The most confident mistakes of ${name}` }, all.map(mistake))
      : el("p", `${name} made no mistake.`));
}

/** A tab for each mode, the one to use in front: its mistakes, what it confuses, what its scores are worth. */
function byMode() {
  const first = Math.max(0, modes.findIndex(({ mode }) => mode === evaluation.verdict?.mode));
  const panels = modes.map((mode, i) => el("div", { id: `mode-${mode.mode}`, role: "tabpanel", "aria-labelledby": `tab-${mode.mode}` },
    el("h2.on-paper", mode.name), mistakes(mode), confusions(mode), trust(mode, i)));
  const tabs = modes.map(({ mode, name }, i) => el("button", {
    type: "button", id: `tab-${mode}`, role: "tab", "aria-controls": `mode-${mode}`, onclick: () => choose(i),
    onkeydown: (event) => move(event, i),
  }, name));
  choose(first);
  return el("section", { "aria-label": "Mode by mode" },
    el("h2", "Mode by mode"), el("div.tabs", { role: "tablist", "aria-label": "Modes" }, tabs), panels);

  function choose(chosen) {
    tabs.forEach((tab, i) => {
      tab.setAttribute("aria-selected", String(i === chosen));
      tab.tabIndex = i === chosen ? 0 : -1;
      panels[i].hidden = i !== chosen;
    });
  }

  function move(event, i) {
    const to = { ArrowRight: i + 1, ArrowLeft: i - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = (to + tabs.length) % tabs.length;
    choose(next);
    tabs[next].focus();
  }
}

/** A link to a reference on the page of the service, in a window of its own. */
const linked = (id, ...content) => (service && id
  ? el("a.reference-link", { href: `${service}/#/reference/${encodeURIComponent(id)}`, target: "_blank", rel: "noopener" }, content)
  : content);

function mistake({ id, name, truth, answered, score, picture, neighbours }) {
  return el("li.panel",
    el("div.closely", linked(id, shown("img.query", picture, `the query, of ${truth}`)),
      pairs("dl", [["is", el("strong", named(truth))], ["answered", el("strong.of-other", named(answered))], ["score", score.toFixed(2)]])),
    el("p.fine", { title: name }, baseName(name)),
    el("ul.neighbours", { "aria-label": "nearest references" }, neighbours.map(({ id, label, similarity, learned, source }) =>
      el("li", { title: `${label}, cosine ${similarity.toFixed(3)}${learned === null ? "" : `, learned metric ${learned.toFixed(3)}`}: ${source}` },
        linked(id, shown("img", pictures[id], `reference of ${label}`)),
        el(label === truth ? "span" : "span.of-other", named(label)), el("span.soft", (learned ?? similarity).toFixed(2))))));
}

const shown = (spec, jpeg, words) => (jpeg ? el(spec, { src: `data:image/jpeg;base64,${jpeg}`, alt: words }) : el("div.without", "no picture"));

function footer() {
  const settings = Object.entries(evaluation.settings).filter(([, value]) => value !== null && value.length !== 0)
    .map(([name, value]) => `${name} ${value}`);
  return el("footer", el("p.fine", `Made ${made}. ${settings.join(", ")}.`),
    service ? el("p.fine", "Pictures of references lead to the page of the service at ", el("code", service), " (classify serve).") : null,
    el("p.fine", "Accuracy interval: Wilson. Calibration error: mean distance of score and accuracy over bins of equal width. Macro figures are means over classes."));
}

$("#main").append(...[header(), verdict(), ...remarks(), el("div.summaries", modes.map(summary)), byMode(), errors(), classes(),
  learning(evaluation.learning_curve), footer()].filter(Boolean));
