/** One answer: its label, its evidence, its probabilities, and where the two modes disagree. */

import { api } from "./api.js";
import { bars } from "./charts.js";
import { baseName, el, named, percent, plural } from "./dom.js";
import { picture } from "./pictures.js";
import { showReference } from "./reference.js";

const FIRST = 8; // neighbours shown before the rest is asked for
const UNCALIBRATED = { knn: "Share of the vote" };
const WHO = { knn: "Nearest references", linear: "Linear head", auto: "Both, pooled" };

/** What the page needs of an answer; what an older service does not send is left out. */
export function readAnswer(raw) {
  const label = raw.label ?? null;
  const others = raw.runners_up ?? [];
  const scores = label === null ? others : [{ label, score: raw.score }, ...others];
  return {
    mode: raw.mode,
    label,
    unknown: label === null,
    scores,
    closest: scores[0] ?? null,
    calibrated: raw.calibrated ?? raw.mode === "linear",
    reason: raw.abstained ?? null,
    labelSet: raw.label_set ?? null,
    unusual: raw.novelty?.unusual ?? false,
    parts: (raw.parts ?? []).map(({ mode, scores: said }) => ({ mode, best: said[0] ?? null })),
    neighbours: raw.neighbours ?? [],
    voted: raw.voted ?? raw.neighbours?.length ?? 0,
    metric: raw.metric ?? null,
    knownAs: raw.known_as ?? null,
    notices: raw.notices ?? [],
  };
}

export const disagree = ({ parts }) => new Set(parts.map(({ best }) => best?.label)).size > 1;

/** Everything about an answer but what can be done with it. */
export function answerView(answer) {
  return [
    headline(answer),
    ...notices(answer),
    ...evidence(answer),
    el("div.reasons", probabilities(answer), ...parts(answer)),
  ];
}

function headline({ label, scores, closest, reason }) {
  if (label !== null) {
    return el("h2.label", named(label), " ", el("span.score", percent(scores[0].score)));
  }
  return el("div", el("h2.label.unknown", "Unknown"),
    el("p.why", reason === null ? "" : `${reason[0].toUpperCase()}${reason.slice(1)}. `,
      closest === null ? "There is nothing to compare it with."
        : ["The closest is ", named(closest.label), `, ${percent(closest.score)}.`]));
}

function notices({ knownAs, labelSet, unusual, reason, notices: said }) {
  const lines = said.map((text) => [text]);
  const lead = labelSet === null ? [] : [el("p.notice.info", "The labels that may be meant: ",
    labelSet.flatMap((label, i) => [i ? ", " : "", el("strong", named(label))]), ".")];
  if (knownAs !== null) lines.unshift(["This very picture is in the gallery as ", el("strong", named(knownAs)), "."]);
  // When it is the reason for the answer, it has been said.
  if (unusual && !reason?.startsWith("unlike")) {
    lines.push(["It is stranger than 95 of 100 pictures of the classes in the gallery."]);
  }
  return [...lead, ...lines.map((line) => el("p.notice", ...line))];
}

/** The references that voted: the reason to believe the answer, or not to. */
function evidence({ neighbours, label, closest, metric, voted }) {
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
        : [`${agreeing} of the ${neighbours.length} nearest `, agreeing === 1 ? "is " : "are ", named(about),
          voted > neighbours.length ? `; ${voted} voted` : ""])),
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
      picture("img", () => api.thumbnail(n.id), { alt: "", decoding: "async", width: 128, height: 128 })),
    el("figcaption",
      el("strong", { title: n.label }, named(n.label)),
      el("span.similarity", { title: learned === null ? "Cosine similarity" : "Similarity by the learned metric (cosine similarity)" },
        shown.toFixed(3), learned === null ? null : el("span.soft", ` (${n.similarity.toFixed(2)})`)),
      el("span.source", { title: n.source }, baseName(n.source)))));
}

function probabilities(answer) {
  const title = answer.calibrated ? "Probability" : UNCALIBRATED[answer.mode] ?? "Score";
  return el("section", { "aria-label": title }, el("h3", title),
    bars(answer.scores.map(({ label, score }) => ({ label, value: score, muted: answer.unknown || label !== answer.label }))));
}

function parts(answer) {
  if (!answer.parts.length) return [];
  const differ = disagree(answer);
  return [el("section.parts", { "aria-label": "What each said" },
    el("h3", differ ? "They disagree" : "Both agree"),
    el("ul", answer.parts.map(({ mode, best }) => el(`li${differ ? ".differs" : ""}`,
      el("span.who", WHO[mode] ?? mode), mode === "knn" ? " say " : " says ",
      el("strong", best === null ? "nothing" : named(best.label)),
      best === null ? null : ` ${percent(best.score)}`))))];
}
