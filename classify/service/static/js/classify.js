/** Classify: images in, the answer with its evidence out. */

import { api } from "./api.js";
import { $, busy, el, named, plural, say } from "./dom.js";
import { labelField, typedLabel } from "./forms.js";
import { optionsForm } from "./options.js";

const LABELS_COUNTED = 12; // verdicts offered as filters

export async function showClassify(root, { session, signal }) {
  const gallery = await api.gallery();
  session.gallery = gallery;
  const options = optionsForm(gallery, session);
  const overview = el("section.overview", { "aria-label": "Overview" });
  const results = el("section.results", { "aria-label": "Answers" });
  const hint = el("p.empty", ...(gallery.references ? ["Answers appear here, each with the references that it rests on."] : emptyGallery()));
  const top = [el("h1", "What is in this picture?"), chooser(session), options];
  root.append(...(gallery.space === null ? top : vectorsOnly(gallery)), overview, results, gallery.space === null ? hint : "");
  const view = { only: null };
  const showAll = () => {
    results.replaceChildren(...session.cards.map((card) => card.node));
    showAnswers();
  };
  const showAnswers = () => {
    hint.hidden = session.cards.length > 0;
    showOverview(overview, session, view, filter);
    filter();
  };
  const filter = () => {
    for (const card of session.cards) card.node.hidden = view.only !== null && card.verdictKey !== view.only;
  };
  session.addEventListener("cards", showAll, { signal });
  session.addEventListener("answers", showAnswers, { signal });
  showAll();
}

/** Instead of the chooser, where there is no encoder; who drops a picture is told so. */
const vectorsOnly = ({ space }) => [el("h1", "This gallery holds vectors"),
  el("p", `They are of the space “${space}”, which come from elsewhere: no picture can be compared with them. `
    + "Programs ask with ", el("code", "POST v1/classify/vectors"), ".")];

const emptyGallery = () => ["The gallery is empty. Add labelled images with ", el("code", "ingest add FOLDER"),
  ", or drop one here and give it a label: it can be found from then on."];

function chooser(session) {
  const input = el("input.visually-hidden", {
    id: "files", type: "file", accept: "image/*,.heic,.heif,.tif,.tiff", multiple: true,
    onchange: () => { session.ask([...input.files]); input.value = ""; },
  });
  return el("div.zone", input, el("label.drop", { for: "files" },
    el("strong", "Drop, paste or choose images"),
    el("span", "They are compared with the gallery; nothing is added unless you say so.")));
}

/** How far it is, what was found, and what can be done with all of it. */
function showOverview(overview, session, view, filter) {
  const { cards, pending } = session;
  if (cards.length < 2) {
    view.only = null;
    overview.replaceChildren(...(cards.length ? [el("div.row", clearButton(session))] : []));
    return;
  }
  const counts = new Map();
  for (const { verdictKey } of cards) counts.set(verdictKey, (counts.get(verdictKey) ?? 0) + 1);
  if (!counts.has(view.only)) view.only = null;
  const focused = overview.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  const typed = $("input[name=label]", overview)?.value ?? "";
  overview.replaceChildren(
    pending ? progress(session, pending) : "",
    el("div.chips", { role: "group", "aria-label": "Show only" }, chips(counts, cards.length, view, () => {
      filter();
      showOverview(overview, session, view, filter);
    })),
    el("div.row", pending ? null : addAll(session, view, typed), clearButton(session)));
  if (focused) $(`[data-key="${CSS.escape(focused)}"]`, overview)?.focus();
}

function progress(session, pending) {
  const done = session.cards.length - pending;
  return el("div.progress",
    el("progress", { max: session.cards.length, value: done, "aria-label": "Classified" }),
    el("span", `${done} of ${plural(session.cards.length, "image")}`),
    el("button", { type: "button", onclick: () => session.stop(), "data-key": "stop" }, "Stop"));
}

function chips(counts, total, view, redraw) {
  const told = [...counts].filter(([key]) => key !== "waiting").sort(([, a], [, b]) => b - a).slice(0, LABELS_COUNTED);
  const words = (key) => {
    if (key === "unknown") return "Unknown";
    if (key === "unsure") return "Unsure";
    return key === "failed" ? "No answer" : named(key.slice("label:".length));
  };
  return [[null, total], ...told].map(([key, count]) => el("button.chip", {
    type: "button", "data-key": `only-${key}`, "aria-pressed": String(view.only === key),
    onclick: () => { view.only = key; redraw(); },
  }, key === null ? "All" : words(key), " ", el("span.badge", String(count))));
}

/** One label for every picture that is shown. */
function addAll(session, view, typed) {
  const shown = session.cards.filter((card) => card.state === "answered" && !card.held
    && (view.only === null || card.verdictKey === view.only));
  if (shown.length < 2) return null;
  const form = el("form.other", { onsubmit: (event) => { event.preventDefault(); add(); } },
    labelField({ text: `Add the ${shown.length} shown under`, value: typed }),
    el("button", `Add ${shown.length}`));
  async function add() {
    const label = typedLabel(form);
    const added = await busy(form, () => session.add(shown, label));
    if (added === undefined) return;
    say(`${plural(added, "image")} in the gallery as “${label}”`);
    session.dispatchEvent(new Event("answers"));
  }
  return form;
}

const clearButton = (session) => el("button.quiet.clear", { type: "button", onclick: () => {
  session.clear();
  $("#files")?.focus();
} }, "Clear the answers");
