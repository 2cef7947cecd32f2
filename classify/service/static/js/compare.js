/** A query beside the best reference of its first class and of its second: looked at together, zoomed together. */

import { api } from "./api.js";
import { $$, attempt, baseName, el, named } from "./dom.js";
import { openDialog } from "./forms.js";
import { picture } from "./pictures.js";

const MOST = 16; // times as large
const STEP = 1.3;
const PAN = 0.12; // of a picture's side, by a key

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
  const view = zoomable(panes);
  const { promise, close } = openDialog({
    title: "Compare", wide: true,
    content: (dismiss) => [view.node, el("div.actions",
      el("button", { type: "button", onclick: () => view.zoom(STEP) }, "Zoom in"),
      el("button", { type: "button", onclick: () => view.zoom(1 / STEP) }, "Zoom out"),
      el("button", { type: "button", onclick: view.reset }, "All of it"),
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

/** Panes of which each shows the same part of its picture. The wheel, fingers that drag, and keys move it. */
function zoomable(panes) {
  const at = { scale: 1, x: 0, y: 0 }; // of the part's corner, in sides of a pane
  const node = el("div.compare", { tabIndex: 0, role: "group", "aria-label": "Pictures, zoomed together. Plus and minus zoom, arrows move, 0 shows all",
    "aria-keyshortcuts": "+ - 0 ArrowLeft ArrowRight ArrowUp ArrowDown" }, panes);
  const draw = () => {
    for (const side of ["x", "y"]) at[side] = Math.min(0, Math.max(1 - at.scale, at[side]));
    for (const [name, value] of Object.entries(at)) node.style.setProperty(`--${name}`, value);
  };
  const zoom = (by, x = 0.5, y = 0.5) => {
    const scale = Math.min(MOST, Math.max(1, at.scale * by));
    at.x = x - (x - at.x) * (scale / at.scale);
    at.y = y - (y - at.y) * (scale / at.scale);
    at.scale = scale;
    draw();
  };
  const move = (x, y) => {
    at.x += x;
    at.y += y;
    draw();
  };
  const reset = () => zoom(1 / MOST);
  const keys = { "+": () => zoom(STEP), "=": () => zoom(STEP), "-": () => zoom(1 / STEP), 0: reset,
    ArrowLeft: () => move(PAN, 0), ArrowRight: () => move(-PAN, 0), ArrowUp: () => move(0, PAN), ArrowDown: () => move(0, -PAN) };
  node.addEventListener("keydown", (event) => {
    if (!(event.key in keys) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[event.key]();
  });
  for (const view of $$(".view", node)) {
    const share = ({ clientX, clientY }) => {
      const { left, top, width, height } = view.getBoundingClientRect();
      return [(clientX - left) / width, (clientY - top) / height];
    };
    view.addEventListener("wheel", (event) => {
      event.preventDefault();
      zoom(event.deltaY < 0 ? STEP : 1 / STEP, ...share(event));
    }, { passive: false });
    view.addEventListener("pointerdown", (event) => view.setPointerCapture(event.pointerId));
    view.addEventListener("pointermove", (event) => {
      if (view.hasPointerCapture(event.pointerId)) move(event.movementX / view.clientWidth, event.movementY / view.clientHeight);
    });
  }
  draw();
  return { node, zoom, reset };
}
