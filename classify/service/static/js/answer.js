/** One answer: its label, its evidence, its probabilities, and where the two modes disagree. */

import { api } from "./api.js";
import { bars } from "./charts.js";
import { baseName, el, named, percent, plural } from "./dom.js";
import { showReference } from "./reference.js";

const FIRST = 8; // neighbours shown before the rest is asked for
const WHO = { knn: "Nearest references", linear: "Linear head", auto: "Both, pooled" };

/** What the page needs of an answer, whichever fields this version of the service sends. */
export function readAnswer(raw) {
  const scores = raw.scores ?? [
    ...(raw.label === null || raw.label === undefined ? [] : [{ label: raw.label, score: raw.score }]),
    ...(raw.runners_up ?? []),
  ];
  const unknown = Boolean(raw.abstained) || raw.label === null || raw.label === undefined;
  return {
    unknown,
    label: unknown ? null : raw.label,
    score: raw.score ?? scores[0]?.score ?? 0,
    scores,
    closest: scores[0] ?? null,
    parts: readParts(raw.parts),
    labelSet: raw.label_set ?? [],
    calibrated: raw.calibrated ?? raw.mode === "linear",
    reason: raw.abstained_because ?? raw.reason ?? null,
    neighbours: raw.neighbours ?? [],
    metric: raw.metric ?? null,
    head: raw.head ?? null,
    knownAs: raw.known_as ?? null,
    notices: raw.notices ?? [],
  };
}

/** The parts of a pooled answer: a list of them, or one per mode. */
function readParts(parts) {
  if (!parts) return [];
  const list = Array.isArray(parts) ? parts : Object.entries(parts).map(([mode, part]) => ({ mode, ...part }));
  return list.map((part) => ({
    mode: part.mode,
    label: part.label ?? part.scores?.[0]?.label ?? null,
    score: part.score ?? part.scores?.[0]?.score ?? 0,
  }));
}

export const disagree = (answer) => new Set(answer.parts.map((part) => part.label)).size > 1;

/** Everything about an answer but what can be done with it. */
export function answerView(answer) {
  return [
    headline(answer),
    ...notices(answer),
    ...evidence(answer),
    el("div.reasons", probabilities(answer), ...parts(answer)),
  ];
}

function headline(answer) {
  if (!answer.unknown) {
    return el("h2.label", named(answer.label), " ", el("span.score", percent(answer.score)));
  }
  return el("div", el("h2.label.unknown", "Unknown"),
    el("p.why", answer.reason ?? (answer.closest
      ? "The evidence is too weak to name it. Closest: " : "There is nothing to compare it with."),
    answer.reason || !answer.closest ? null : [named(answer.closest.label), `, ${percent(answer.closest.score)}.`]));
}

function notices(answer) {
  const lines = answer.notices.map((text) => [text]);
  if (answer.knownAs) lines.unshift(["This very picture is in the gallery as ", el("strong", named(answer.knownAs)), "."]);
  if (answer.labelSet.length > 1) {
    lines.push(["It is one of: ", answer.labelSet.flatMap((label, i) => [i ? ", " : "", el("strong", named(label))])]);
  }
  return lines.map((line) => el("p.notice", ...line));
}

/** The references that voted: the reason to believe the answer, or not to. */
function evidence({ neighbours, label, closest, metric }) {
  if (!neighbours.length) return [];
  const about = label ?? closest?.label ?? null;
  const agreeing = neighbours.filter((n) => n.label === about).length;
  const list = el("ul.evidence", neighbours.slice(0, FIRST).map((n) => neighbour(n, about)));
  const rest = neighbours.length - FIRST;
  const more = rest > 0 ? el("button.quiet", { type: "button", onclick: () => {
    const added = neighbours.slice(FIRST).map((n) => neighbour(n, about));
    list.append(...added);
    more.remove();
    added[0].querySelector("button").focus();
  } }, `Show ${rest} more`) : null;
  return [
    el("h3", "Because of these references ",
      el("span.aside", about === null ? plural(neighbours.length, "neighbour")
        : [`${agreeing} of the ${neighbours.length} nearest `, agreeing === 1 ? "is " : "are ", named(about)])),
    list, more,
    metric === "learned"
      ? el("p.fine", "Ranked by the learned metric; the plain cosine similarity is in brackets.") : null,
  ].filter(Boolean);
}

function neighbour(n, about) {
  const agrees = n.label === about;
  const learned = n.learned_similarity ?? null;
  const shown = learned ?? n.similarity;
  return el("li", el(`figure.neighbour${agrees ? "" : ".dissent"}`,
    el("button.open", { type: "button", onclick: () => showReference(n.id), "aria-label": `Reference of ${n.label}: details` },
      el("img", { src: api.thumbnail(n.id), alt: "", loading: "lazy", decoding: "async", width: 128, height: 128 })),
    el("figcaption",
      el("strong", { title: n.label }, named(n.label)),
      el("span.similarity", { title: learned === null ? "Cosine similarity" : "Similarity by the learned metric (cosine similarity)" },
        shown.toFixed(3), learned === null ? null : el("span.soft", ` (${n.similarity.toFixed(2)})`)),
      el("span.source", { title: n.source }, baseName(n.source)))));
}

function probabilities(answer) {
  const title = answer.calibrated ? "Probability" : "Share of the vote";
  return el("section", { "aria-label": title }, el("h3", title),
    bars(answer.scores.map(({ label, score }) => ({ label, value: score, muted: answer.unknown || label !== answer.label }))));
}

function parts(answer) {
  if (!answer.parts.length) return [];
  const differ = disagree(answer);
  return [el("section.parts", { "aria-label": "What each said" },
    el("h3", differ ? "They disagree" : "Both agree"),
    el("ul", answer.parts.map((part) => el(`li${differ ? ".differs" : ""}`,
      el("span.who", WHO[part.mode] ?? part.mode), part.mode === "knn" ? " say " : " says ",
      el("strong", part.label === null ? "unknown" : named(part.label)),
      part.label === null ? null : ` ${percent(part.score)}`))))];
}
