/** The map of the gallery: what looks alike lies together; what stands out is looked at and put right. */

import { api } from "./api.js";
import { curated } from "./curated.js";
import { attempt, el, named, plural, say } from "./dom.js";
import { choices, field } from "./forms.js";
import { namesScale, onScheme, painted, valuesScale } from "./map_colours.js";
import { mapSelection } from "./map_selection.js";
import { scatter } from "./scatter.js";

const BESIDE = 5; // neighbours that say where a query lies, as in the service
const REST_MS = 60; // that the pointer rests on a point before its picture is asked for
const KEPT = 200; // pictures of points
const LARGER = 1.6;

export async function show(root, visit) {
  const { session, signal } = visit;
  const state = { map: null, scale: null, gone: new Set(), chosen: new Set(), stressed: null, queries: [], values: new Map() };
  const card = hoverCard(signal);
  const plot = scatter({ name: "Map of the gallery. Plus and minus zoom, arrows move, 0 shows all. The legend selects by name, without a pointer.",
    pointed, picked, lassoed: (rows) => select(rows.filter((i) => i < state.map.ids.length), "inside the line"), signal });
  const colour = el("select", { onchange: () => recolour().then(() => showChosen({ keep: true })) });
  const legend = el("div.legend-of-map");
  const count = el("p.count", { "aria-live": "polite" });
  const tools = [["move", "Move"], ["lasso", "Lasso"]].map(([tool, words]) =>
    el("button.chip", { type: "button", "aria-pressed": String(tool === plot.tool), onclick: () => take(tool) }, words));
  const chosen = mapSelection({ relabelled, removed, cleared: () => select([], "") });
  const body = el("div", { hidden: true },
    el("div.row.filters", field("Colour by", colour),
      el("div.row", { role: "group", "aria-label": "What dragging does" }, tools),
      el("div.row", { role: "group", "aria-label": "View" },
        el("button.chip", { type: "button", "aria-label": "Zoom in", onclick: () => plot.zoom(LARGER) }, "+"),
        el("button.chip", { type: "button", "aria-label": "Zoom out", onclick: () => plot.zoom(1 / LARGER) }, "−"),
        el("button.chip", { type: "button", onclick: () => plot.fit() }, "All of it"),
        el("button.chip", { type: "button", onclick: () => select(plot.inView().filter((i) => i < state.map.ids.length), "in view") }, "Select what is in view"))),
    count, el("div.map", el("div.map-plot", plot.node, card.node), legend), chosen.node);
  root.append(body);
  onScheme(() => state.scale && recolour(), signal);
  session.addEventListener("answers", () => state.map && placeAll({ keepView: true }), { signal });
  // What changed since is put in its place at once: that costs little, and nobody has to ask.
  await attempt(() => api.curate("map"));
  root.prepend(await curated("map", draw, visit));

  async function draw(map) {
    const [again, ids] = [state.map !== null, new Set([...state.chosen].map((i) => state.map.ids[i]))];
    Object.assign(state, { map, gone: new Set(), stressed: null, chosen: new Set(map.ids.flatMap((id, i) => (ids.has(id) ? [i] : []))) });
    state.values.clear();
    body.hidden = false;
    if (!again) await offerColours();
    placeAll({ keepView: again });
    await recolour();
    showChosen({ keep: true });
  }

  async function offerColours() {
    const { map } = state;
    const { filter_keys: keys } = await api.gallery();
    const meta = keys.filter((key) => key.startsWith("meta.")).map((key) => key.slice(5));
    colour.replaceChildren(...choices([["label", "Label"], ["error", "Error"], ["novelty", "Novelty"],
      ...(map.groups.length ? [["group", "Group"]] : []), ...meta.map((key) => [`meta.${key}`, key])]));
  }

  async function recolour() {
    const { map } = state;
    const by = colour.value || "label";
    const scale = await attempt(() => scaleOf(map, by));
    if (!scale || signal.aborted) return;
    Object.assign(state, { scale, stressed: null }); // who pointed at the old legend points at nothing now
    legend.replaceChildren(el("h2", scale.title), scale.legend({
      stress: (rows) => { state.stressed = rows && new Set(rows); paint(); },
      select: (rows, name) => select(rows.filter((i) => !state.gone.has(i)), name),
    }));
    paint();
  }

  async function scaleOf(map, by) {
    if (by === "label") return namesScale("Label", map.labels, map.label, "no label");
    if (by === "group") return namesScale("Group", map.groups, map.group, "in no group");
    if (by === "error") {
      return valuesScale("Error", map.error, { high: 1, words: "How likely another label is right, by models that never saw the reference." });
    }
    if (by === "novelty") return valuesScale("Novelty", map.novelty, { words: "How unlike the nearest class: one minus the cosine with its mean." });
    const key = by.slice(5);
    if (!state.values.has(key)) {
      const { result } = await api.map(key);
      const codes = new Map(result.ids.map((id, i) => [id, result.meta.codes[i]]));
      state.values.set(key, { names: result.meta.names, codes: map.ids.map((id) => codes.get(id) ?? -1) });
    }
    const { names, codes } = state.values.get(key);
    return namesScale(key, names, codes, "without");
  }

  /** The references, and after them the queries of this visit: each in the middle of its nearest. */
  function placeAll({ keepView }) {
    const { map } = state;
    const rows = new Map(map.ids.map((id, i) => [id, i]));
    state.queries = session.cards.flatMap((one) => {
      const nearest = (one.answer?.neighbours ?? []).flatMap(({ id }) => (rows.has(id) ? [rows.get(id)] : [])).slice(0, BESIDE);
      return nearest.length ? [{ card: one, x: median(nearest.map((i) => map.x[i])), y: median(nearest.map((i) => map.y[i])) }] : [];
    });
    const pairs = new Float32Array(2 * (map.ids.length + state.queries.length));
    for (const [side, name] of ["x", "y"].entries()) {
      for (let i = 0; i < map.ids.length; i += 1) pairs[2 * i + side] = map[name][i];
      state.queries.forEach((query, i) => { pairs[2 * (map.ids.length + i) + side] = query[name]; });
    }
    plot.place(pairs, { keepView });
    if (state.scale) paint();
  }

  function paint() {
    const { map, queries, gone } = state;
    const later = map.later.filter((is, i) => is && !gone.has(i)).length;
    count.textContent = plural(map.ids.length - gone.size, "reference")
      + (later ? `, ${later} of them put beside their nearest since the map was laid out` : "")
      + (queries.length ? `; ${plural(queries.length, "query", "queries")} of this visit as stars` : "");
    plot.paint(painted({ ...state, n: map.ids.length, queries: queries.length }));
  }

  function take(tool) {
    plot.tool = tool;
    tools.forEach((button, i) => button.setAttribute("aria-pressed", String(tool === ["move", "lasso"][i])));
    plot.node.classList.toggle("lassoing", tool === "lasso");
  }

  function select(rows, words) {
    state.chosen = new Set(rows);
    state.words = words;
    state.stressed = null;
    paint();
    showChosen();
    if (!rows.length && words) say(`Nothing lies ${words}`);
  }

  function showChosen(how) {
    const { map, scale, gone } = state;
    const rows = [...state.chosen].filter((i) => !gone.has(i));
    if (map.error && scale?.title === "Error") rows.sort((a, b) => (map.error[b] ?? -1) - (map.error[a] ?? -1));
    if (scale?.title === "Novelty") rows.sort((a, b) => (map.novelty[b] ?? -1) - (map.novelty[a] ?? -1));
    chosen.show(rows.map((i) => ({ id: map.ids[i], label: map.labels[map.label[i]], note: scale?.title === "Label" ? null : scale?.say(i) })), state.words ?? "", how);
  }

  function pointed(i, x, y) {
    plot.node.classList.toggle("pointing", i !== null);
    if (i === null) card.hide();
    else if (i >= state.map.ids.length) card.query(state.queries[i - state.map.ids.length].card, x, y);
    else card.reference(state.map.ids[i], [state.map.labels[state.map.label[i]], state.scale.title === "Label" ? null : state.scale.say(i)], x, y);
  }

  function picked(i, x, y) {
    if (i === null) select([], "");
    else if (i < state.map.ids.length) select([i], "picked");
    if (i !== null) pointed(i, x, y);
  }

  function relabelled(ids, label) {
    const { map } = state;
    if (!map.labels.includes(label)) map.labels = [...map.labels, label];
    const code = map.labels.indexOf(label);
    const moved = new Set(ids);
    map.ids.forEach((id, i) => { if (moved.has(id)) map.label[i] = code; });
    recolour().then(() => showChosen({ keep: true }));
  }

  function removed(ids, { back = false } = {}) {
    const these = new Set(ids);
    state.map.ids.forEach((id, i) => { if (these.has(id)) state.gone[back ? "delete" : "add"](i); });
    paint();
    showChosen({ keep: true });
  }
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return (sorted[Math.floor((sorted.length - 1) / 2)] + sorted[Math.ceil((sorted.length - 1) / 2)]) / 2;
}

/** A picture beside the pointer, and what it is of. */
function hoverCard(signal) {
  const image = el("img", { alt: "", hidden: true });
  const words = el("p");
  const node = el("div.map-card", { hidden: true, "aria-hidden": "true" }, image, words);
  const pictures = new Map(); // addresses by id, the latest last
  let [meant, resting] = [null, 0];
  signal.addEventListener("abort", () => { for (const url of pictures.values()) URL.revokeObjectURL(url); }, { once: true });
  return { node, hide, reference, query };

  function hide() {
    meant = null;
    clearTimeout(resting);
    node.hidden = true;
  }

  function put(x, y, ...said) {
    node.hidden = false;
    words.replaceChildren(...said.filter((one) => one !== null).flatMap((one, i) => (i ? [el("br"), named(one)] : [named(one)])));
    const room = node.parentElement;
    node.style.setProperty("left", `${x > room.clientWidth / 2 ? x - node.offsetWidth - 14 : x + 14}px`);
    node.style.setProperty("top", `${Math.max(4, Math.min(y - 20, room.clientHeight - node.offsetHeight - 4))}px`);
  }

  function reference(id, said, x, y) {
    if (id !== meant) {
      clearTimeout(resting);
      image.hidden = !pictures.has(id);
      if (pictures.has(id)) image.src = pictures.get(id);
      else resting = setTimeout(() => load(id).then(() => { if (id === meant) put(x, y, ...said); }), REST_MS);
    }
    meant = id;
    put(x, y, ...said);
  }

  async function load(id) {
    const blob = await api.thumbnail(id).catch(() => null); // its words stand in for it
    if (blob === null || signal.aborted) return;
    pictures.set(id, URL.createObjectURL(blob));
    if (pictures.size > KEPT) {
      const [oldest, url] = pictures.entries().next().value;
      URL.revokeObjectURL(url);
      pictures.delete(oldest);
    }
    if (id !== meant) return;
    image.src = pictures.get(id);
    image.hidden = false;
  }

  function query(one, x, y) {
    meant = one;
    clearTimeout(resting);
    image.hidden = one.smallUrl === null;
    if (one.smallUrl) image.src = one.smallUrl;
    put(x, y, one.verdict);
  }
}
