/** One answer: its label, its evidence, its probabilities, and where the two modes disagree. */

import { api } from "./api.js";
import { bars } from "./charts.js";
import { compare } from "./compare.js";
import { $$, baseName, el, named, percent, plural } from "./dom.js";
import { picture } from "./pictures.js";
import { showReference } from "./reference.js";

const FIRST = 8; // neighbours shown before the rest is asked for
const UNCALIBRATED = { knn: "Share of the vote" };
const OF_THE_GALLERY = "no query is called unknown"; // the beginning of a notice that says nothing of the answer
const PERHAPS = 3; // labels that an unsure answer names, at most
const WORTH_A_WORD = 0.01; // runners-up below this are left out
const WHO = { knn: "Nearest references", linear: "Linear head", auto: "Both, pooled" };

/** What the page needs of an answer; what an older service does not send is left out. */
export function readAnswer(raw) {
  const label = raw.label ?? null;
  const others = raw.runners_up ?? [];
  const scores = label === null ? others : [{ label, score: raw.score }, ...others];
  return {
    mode: raw.mode,
    label,
    state: raw.state ?? (label === null ? "unknown" : "answered"),
    scores,
    closest: scores[0] ?? null,
    calibrated: raw.calibrated ?? raw.mode === "linear",
    why: raw.why ?? null,
    labelSet: raw.label_set ?? null,
    parts: (raw.parts ?? []).map(({ mode, scores: said }) => ({ mode, best: said[0] ?? null })),
    neighbours: raw.neighbours ?? [],
    classNeighbours: raw.class_neighbours ?? [],
    voted: raw.voted ?? raw.neighbours?.length ?? 0,
    metric: raw.metric ?? null,
    knownAs: raw.known_as ?? null,
    notices: raw.notices ?? [],
  };
}

export const disagree = ({ parts }) => new Set(parts.map(({ best }) => best?.label)).size > 1;

/** Everything about an answer but what can be done with it; `card` is the query that it is of. */
export function answerView(answer, card) {
  return [
    headline(answer),
    ...notices(answer),
    ...evidence(answer, card),
    el("div.reasons", probabilities(answer), ...parts(answer)),
    ...details(answer),
  ];
}

/** The first labels that are worth a word: of an unsure answer several, of another one. */
export function perhaps({ state, scores }) {
  const likely = scores.filter(({ score }, i) => i === 0 || score >= WORTH_A_WORD);
  return likely.slice(0, state === "unsure" ? PERHAPS : 1);
}

function headline(answer) {
  const { state, closest, why } = answer;
  if (state === "answered") {
    return el("h2.label", named(closest.label), " ", el("span.score", percent(closest.score)));
  }
  const words = state === "unsure"
    ? ["Unsure, perhaps ", perhaps(answer).map(({ label, score }, i) => [
      i ? " or " : "", el("span", named(label), " ", el("span.score", percent(score)))])]
    : ["Unknown", closest === null ? "" : [", looks most like ", named(closest.label)]];
  return el("div", el("h2.label.unknown", ...words),
    why === null ? null : el("p.why", `${why[0].toUpperCase()}${why.slice(1)}.`));
}

const isQuiet = (notice) => notice.startsWith(OF_THE_GALLERY);

function notices({ knownAs, labelSet, notices: said }) {
  const lines = said.filter((text) => !isQuiet(text)).map((text) => [text]);
  const lead = labelSet === null ? [] : [el("p.notice.info", "The labels that may be meant: ",
    labelSet.flatMap((label, i) => [i ? ", " : "", el("strong", named(label))]), ".")];
  if (knownAs !== null) lines.unshift(["This very picture is in the gallery as ", el("strong", named(knownAs)), "."]);
  return [...lead, ...lines.map((line) => el("p.notice", ...line))];
}

/** The references that voted: the reason to believe the answer, or not to; and those of its own class. */
function evidence({ neighbours, classNeighbours, state, closest, voted }, card) {
  if (!neighbours.length) return [];
  const about = closest?.label ?? null;
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
    el("h3", state === "unknown" ? "It looks like these references " : "Because of these references ",
      el("span.aside", about === null ? plural(neighbours.length, "neighbour")
        : [`${agreeing} of the ${neighbours.length} nearest `, agreeing === 1 ? "is " : "are ", named(about),
          voted > neighbours.length ? `; ${voted} voted` : ""])),
    list, more,
    ...(classNeighbours.length ? [
      el("h3", "The nearest references of ", named(about)),
      el("ul.evidence", classNeighbours.map((n) => neighbour(n, about)))] : []),
    el("button", { type: "button", onclick: () => compare(card) }, "Compare"),
  ].filter(Boolean);
}

/** The arrows go to the references beside it. */
function lookAt({ currentTarget }) {
  const row = $$("[data-id]", currentTarget.closest("ul"));
  showReference(currentTarget.dataset.id, row.map((button) => button.dataset.id));
}

function neighbour(n, about) {
  const agrees = n.label === about;
  return el("li", el(`figure.neighbour${agrees ? "" : ".dissent"}`,
    el("button.open", { type: "button", "data-id": n.id, onclick: lookAt, "aria-label": `Reference of ${n.label}: details` },
      picture("img", () => api.thumbnail(n.id), { alt: "", decoding: "async", width: 128, height: 128 })),
    el("figcaption",
      el("strong", { title: n.label }, named(n.label)),
      el("span.source", { title: n.source }, baseName(n.source)))));
}

/** Numbers that say little to who knows the pictures, for who wants to know how it was worked out. */
function details({ neighbours, classNeighbours, metric, notices: said }) {
  const all = [...neighbours, ...classNeighbours];
  const quiet = said.filter(isQuiet).map((text) => el("p.fine", `${text[0].toUpperCase()}${text.slice(1)}.`));
  if (!all.length) return quiet;
  const learned = metric === "learned";
  const columns = ["Reference", "Class", "Cosine", ...(learned ? ["Learned metric"] : []), "Part of the vote"];
  const row = (n) => [baseName(n.source), named(n.label), n.similarity.toFixed(3),
    ...(learned ? [n.learned_similarity?.toFixed(3) ?? ""] : []), n.weight.toFixed(3)];
  return [el("details", el("summary", "How near they are"), quiet,
    el("div.scroll", el("table", el("thead", el("tr", columns.map((name) => el("th", { scope: "col" }, name)))),
      el("tbody", all.map((n) => el("tr", row(n).map((value) => el("td", value))))))))];
}

/** Of an unknown picture none: they would say how it divides among classes of which it has none. */
function probabilities(answer) {
  if (answer.state === "unknown") return null;
  const title = answer.calibrated ? "Probability" : UNCALIBRATED[answer.mode] ?? "Score";
  const shown = answer.scores.filter(({ score }, i) => i === 0 || score >= WORTH_A_WORD);
  return el("section", { "aria-label": title }, el("h3", title),
    bars(shown.map(({ label, score }) => ({ label, value: score, muted: label !== answer.label }))));
}

function parts(answer) {
  if (!answer.parts.length || answer.state === "unknown") return [];
  const differ = disagree(answer);
  return [el("section.parts", { "aria-label": "What each said" },
    el("h3", differ ? "They disagree" : "Both agree"),
    el("ul", answer.parts.map(({ mode, best }) => el(`li${differ ? ".differs" : ""}`,
      el("span.who", WHO[mode] ?? mode), mode === "knn" ? " say " : " says ",
      el("strong", best === null ? "nothing" : named(best.label)),
      best === null ? null : ` ${percent(best.score)}`))))];
}
