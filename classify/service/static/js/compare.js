/** A query beside the best reference of its first class and of its second: looked at together, zoomed together. */

import { api } from "./api.js";
import { attempt, baseName, el, named } from "./dom.js";
import { openDialog } from "./forms.js";
import { picture } from "./pictures.js";
import { zoomable } from "./zoom.js";

/** Opens the comparison for an answered card. */
export async function compare(card) {
  const [first, second] = await attempt(() => Promise.all(
    card.answer.scores.slice(0, 2).map(({ label }) => best(card, label)))) ?? [];
  if (!first) return;
  const panes = [
    pane("The query", null, queryPicture(card), card.name),
    ...[first, second].filter(Boolean).map((reference) => pane("Best of ", reference.label,
      picture("img", () => api.thumbnail(reference.id), { alt: `Reference of ${reference.label}` }), baseName(reference.source))),
  ];
  const view = zoomable(panes, "div.compare");
  const { promise, close } = openDialog({
    title: "Compare", wide: true,
    content: (dismiss) => [view.node, el("div.actions", view.buttons,
      el("button.quiet", { type: "button", onclick: dismiss }, "Close"))],
  });
  view.node.focus();
  await promise;
  close();
}

/** Opens the query alone, to be zoomed: also where there is nothing to compare it with. */
export async function lookAtQuery(card) {
  const view = zoomable([el("div.view", queryPicture(card))]);
  const { promise, close } = openDialog({
    title: card.name, wide: true,
    content: (dismiss) => [view.node, el("div.actions", view.buttons,
      el("button.quiet", { type: "button", onclick: dismiss }, "Close"))],
  });
  view.node.focus();
  await promise;
  close();
}

/** The nearest reference of a class: the one that was shown, else the service is asked for it. */
async function best({ answer, file, session }, label) {
  const shown = [...answer.neighbours, ...answer.classNeighbours].find((one) => one.label === label);
  if (shown || file === null) return shown ?? null;
  const where = [session.options?.where, `label=${label}`].filter(Boolean);
  const { results: [{ answer: found }] } = await api.classify([file], { mode: "knn", where, evidence: 1 });
  return found?.neighbours[0] ?? null;
}

const pane = (words, label, image, source) => el("figure.pane", el("div.view", image),
  el("figcaption", el("span", words, label === null ? null : el("strong", named(label))), el("span.source", { title: source }, source)));

function queryPicture({ file, thumbnail, name }) {
  const image = el("img", { alt: `The query ${name}` });
  const show = (blob) => {
    const url = URL.createObjectURL(blob);
    for (const end of ["load", "error"]) image.addEventListener(end, () => URL.revokeObjectURL(url), { once: true });
    image.src = url;
  };
  // What the browser cannot show is shown as the service sees it.
  if (file && thumbnail) image.addEventListener("error", () => show(thumbnail), { once: true });
  if (file ?? thumbnail) show(file ?? thumbnail);
  return image;
}
