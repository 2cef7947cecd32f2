/** Classify: images in, the answer with its evidence out. */

import { AnswerList } from "./answer_list.js";
import { answerTools } from "./answer_tools.js";
import { api } from "./api.js";
import { $, el, say } from "./dom.js";
import { imageInputs, othersLeftOut } from "./files.js";
import { openedAnswer } from "./opened_answer.js";
import { optionsForm } from "./options.js";
import { answerSelection } from "./selection.js";

const MANY = 8; // answers that are shown whole, one below the other; more are a list

export async function showClassify(root, { session, signal }) {
  const gallery = await api.gallery();
  session.gallery = gallery;
  await session.restore(`${gallery.name} ${gallery.fingerprint_id}`);
  const options = optionsForm(gallery, session);
  const hint = el("p.empty", ...(gallery.references ? ["Answers appear here, each with the references that it rests on."] : emptyGallery()));
  const asking = el("div", ...(gallery.space === null ? [el("h1", "What is in this picture?"), chooser(session), options] : vectorsOnly(gallery)));
  const tools = answerTools(session, { arrange, selectAll: () => list.select(list.shown, true), clear });
  const results = el("section.results", { "aria-label": "Answers" });
  const opened = openedAnswer({ behind: [asking, tools.node, results], shown: () => list.shown, closed: (card) => list.focus(card), signal });
  const list = new AnswerList(session, { open: (card) => opened.open(card), selectionChanged: () => selection.update() });
  const selection = answerSelection(session, list);
  root.append(asking, tools.node, results, opened.node, gallery.space === null ? hint : "");
  const stale = new Set();
  session.addEventListener("cards", showAll, { signal });
  session.addEventListener("answers", showSoon, { signal });
  showAll();

  function isMany() {
    return session.cards.length > MANY;
  }

  function showAll() {
    results.replaceChildren(...(isMany() ? [list.node, selection.node] : session.cards.map((card) => card.node)));
    arrange();
    opened.follow(isMany() ? session.cards : []);
  }

  /** Answers come in eights: what they change is drawn once a frame. */
  function showSoon({ detail }) {
    if (!stale.size) {
      requestAnimationFrame(() => {
        list.refresh(stale);
        stale.clear();
        arrange();
      });
    }
    for (const card of detail) stale.add(card);
  }

  function arrange() {
    hint.hidden = session.cards.length > 0;
    asking.classList.toggle("some", session.cards.length > 0);
    tools.update(session.cards.map((card) => list.rowOf(card)), isMany());
    if (isMany()) list.arrange();
    else for (const card of session.cards) card.node.hidden = !list.lets(card);
    selection.update();
  }

  function clear() {
    session.clear();
    $("#files")?.focus();
  }
}

/** Instead of the chooser, where there is no encoder; who drops a picture is told so. */
const vectorsOnly = ({ space }) => [el("h1", "This gallery holds vectors"),
  el("p", `They are of the space “${space}”, which come from elsewhere: no picture can be compared with them. `
    + "Programs ask with ", el("code", "POST v1/classify/vectors"), ".")];

const emptyGallery = () => ["The gallery is empty. Add labelled images with ", el("code", "ingest add FOLDER"),
  ", or drop one here and give it a label: it can be found from then on."];

function chooser(session) {
  const [input, folder] = imageInputs("files", (files, others) => {
    if (others) say(othersLeftOut(others));
    session.ask(files);
  });
  return el("div.zone", input, el("label.drop", { for: input.id },
    el("strong", "Drop, paste or choose images"),
    el("span", "or a folder of them. They are compared with the gallery; nothing is added unless you say so.")),
  folder, el("label.folder", { for: folder.id }, "Choose a folder"));
}
