/** Classify: images in, the answer with its evidence out. */

import { api } from "./api.js";
import { $, attempt, el, labelField, percent, say } from "./dom.js";

const EVIDENCE = 10; // neighbours shown for one answer
const MODES = [
  ["auto", "Both, pooled"],
  ["knn", "Nearest references"],
  ["linear", "Linear head"],
];
// Kept while other pages are visited: results of this session.
const shown = [];

export async function showClassify(root) {
  const gallery = await api.gallery();
  const input = el("input.visually-hidden", {
    id: "files", type: "file", accept: "image/*,.heic,.heif,.tif,.tiff", multiple: true,
    onchange: () => { classify([...input.files]); input.value = ""; },
  });
  const drop = el("label.drop", { for: "files" },
    el("strong", "Drop, paste or choose images"),
    el("span", "They are compared with the gallery; nothing is added unless you say so."));
  const zone = el("div.zone", input, drop);
  const options = optionsForm(gallery);
  const results = el("section.results", { "aria-label": "Answers" }, ...shown);
  root.append(el("h1", "What is in this picture?"), zone, options, results);
  if (!gallery.references) {
    results.replaceChildren(el("p.empty", "The gallery is empty: add labelled images with ",
      el("code", "ingest add"), " or below, after dropping one."));
  }

  async function classify(files) {
    const images = files.filter((file) => file.size > 0);
    for (let start = 0; start < images.length; start += gallery.max_images) {
      await classifySome(images.slice(start, start + gallery.max_images));
    }
  }

  async function classifySome(files) {
    const cards = files.map(waitingCard);
    results.prepend(...cards.map((card) => card.node));
    shown.unshift(...cards.map((card) => card.node));
    try {
      const { results: answers } = await api.classify(files, Object.fromEntries(new FormData(options)));
      answers.forEach((result, i) => cards[i].fill(result));
      say(answers.length === 1 ? verdict(answers[0]) : `${answers.length} images classified`);
    } catch (error) {
      for (const card of cards) card.fill({ error: { detail: error.message } });
    }
    document.dispatchEvent(new Event("holotype:changed"));
  }

  const onPaste = (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length) { event.preventDefault(); classify(files); }
  };
  const onDrag = (event) => {
    event.preventDefault();
    zone.classList.toggle("over", event.type === "dragover");
    if (event.type === "drop") classify([...event.dataTransfer.files]);
  };
  document.addEventListener("paste", onPaste);
  for (const type of ["dragover", "dragleave", "drop"]) document.addEventListener(type, onDrag);
  return () => {
    document.removeEventListener("paste", onPaste);
    for (const type of ["dragover", "dragleave", "drop"]) document.removeEventListener(type, onDrag);
  };
}

function optionsForm(gallery) {
  const available = gallery.head ? MODES : MODES.filter(([value]) => value === "knn");
  const form = el("form.options", { "aria-label": "Options", onsubmit: (event) => event.preventDefault() },
    el("div.field", el("label", { for: "mode" }, "Who answers"),
      el("select", { id: "mode", name: "mode" },
        available.map(([value, text]) => el("option", { value }, text)))),
    gallery.head ? el("div.field", el("label", { for: "abstain" }, "Say “unknown” below a precision of"),
      el("select", { id: "abstain", name: "abstain_at" },
        [["", "never"], ["0.8", "80 %"], ["0.9", "90 %"], ["0.95", "95 %"], ["0.99", "99 %"]]
          .map(([value, text]) => el("option", { value }, text)))) : null);
  return form;
}

const verdict = ({ query, answer, error }) =>
  error ? `${query}: ${error.detail}` : `${query}: ${answer.label ?? "unknown"}`;

function waitingCard(file) {
  const picture = el("img.query", { src: URL.createObjectURL(file), alt: `The query ${file.name}` });
  picture.addEventListener("error", () => picture.replaceWith(el("div.query.none", "no preview")));
  const body = el("div.body", { "aria-busy": "true" }, el("p.waiting", "Looking…"));
  const node = el("article.card", { "aria-label": file.name },
    el("div.picture", picture, el("p.name", file.name)), body);
  return {
    node,
    fill(result) {
      body.removeAttribute("aria-busy");
      body.replaceChildren(...(result.error ? failure(result.error) : answerOf(file, result.answer)));
    },
  };
}

const failure = (error) => [el("h2.problem", "No answer"), el("p", error.detail)];

function answerOf(file, answer) {
  const unknown = answer.label === null || answer.abstained;
  const scores = answer.scores ?? [{ label: answer.label, score: answer.score }, ...answer.runners_up];
  return [
    el(`h2.label${unknown ? ".unknown" : ""}`, unknown ? "Unknown" : answer.label),
    ...notices(answer),
    bars(scores.filter((s) => s.label !== null)),
    ...parts(answer.parts),
    corrections(file, unknown ? (scores[0]?.label ?? "") : answer.label, unknown),
    ...evidence(answer.neighbours),
  ];
}

function notices(answer) {
  const lines = [...answer.notices];
  if (answer.known_as) lines.unshift(`This very picture is in the gallery as “${answer.known_as}”.`);
  return lines.map((text) => el("p.notice", text));
}

function bars(scores) {
  return el("ol.bars", { "aria-label": "Probabilities" }, scores.map(({ label, score }) =>
    el("li", el("span.name", label),
      el("span.track", el("span.fill", { style: `width:${Math.max(100 * score, 0.5)}%` })),
      el("span.value", percent(score)))));
}

function parts(list) {
  if (!list || !list.length) return [];
  const differ = new Set(list.map((part) => part.label)).size > 1;
  return [el(`p.parts${differ ? ".differ" : ""}`,
    differ ? "They disagree: " : "Both agree: ",
    list.map((part) => `${part.mode === "knn" ? "neighbours" : "head"} say ${part.label} (${percent(part.score)})`).join(", "))];
}

function corrections(file, label, unknown) {
  const field = labelField({ text: `Label to add ${file.name} under`, value: label, hiddenText: true });
  const add = async (chosen) => {
    const outcome = await attempt(() => api.add([file], { label: chosen, on_conflict: "replace" }));
    if (!outcome) return;
    const [first] = outcome.outcomes;
    const done = ["added", "already_present", "relabelled"].includes(first.outcome);
    say(done ? `${file.name} is in the gallery as “${first.label}”` : first.reason, done ? "info" : "error");
    if (done) form.replaceChildren(el("p.done", `In the gallery as “${first.label}”.`));
    document.dispatchEvent(new Event("holotype:changed"));
  };
  const form = el("form.correct", {
    onsubmit: (event) => { event.preventDefault(); add($("input", form).value.trim()); },
  },
  unknown ? null : el("button.primary", { type: "button", onclick: () => add(label) }, `Correct: add as ${label}`),
  el("div.other", field, el("button", unknown ? "Add under this label" : "Add under another label")));
  return form;
}

function evidence(neighbours) {
  if (!neighbours.length) return [];
  return [
    el("h3", `Because of these ${Math.min(neighbours.length, EVIDENCE)} references`),
    el("ul.evidence", neighbours.slice(0, EVIDENCE).map((n) =>
      el("li", el("figure",
        el("img", { src: api.thumbnail(n.id), alt: `Reference of ${n.label}`, loading: "lazy" }),
        el("figcaption", el("strong", n.label),
          el("span", { title: "Cosine similarity" }, n.similarity.toFixed(3)),
          el("span.source", { title: n.source }, n.source.split("/").pop())))))),
  ];
}
