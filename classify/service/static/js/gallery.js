/** Gallery: the classes, how each fares, and a look into each; or the references of all that are found. */

import { api } from "./api.js";
import { attempt, busy, el, named, percent, plural, save, say } from "./dom.js";
import { choices, field } from "./forms.js";
import { figuresOfClasses } from "./gallery_figures.js";
import { isPicture, onSight, picture } from "./pictures.js";
import { referenceGrid } from "./reference_grid.js";

const SAMPLES = 4; // thumbnails of a class
const PAUSE_MS = 250; // after a key, before what is typed is looked for in references

export const linkTo = (label) => `#/gallery/${encodeURIComponent(label)}`;

const byName = (a, b) => a.label.localeCompare(b.label, undefined, { numeric: true });
const ORDERS = {
  size: ["Largest first", (a, b) => b.count - a.count || byName(a, b)],
  recall: ["Weakest first", (a, b) => (a.recall ?? 2) - (b.recall ?? 2) || byName(a, b)],
  suspects: ["Most suspects first", (a, b) => (b.suspects ?? 0) - (a.suspects ?? 0) || byName(a, b)],
  name: ["By name", byName],
};

export async function showGallery(root) {
  const [{ classes }, figures] = await Promise.all([api.classes(), figuresOfClasses()]);
  const exporting = el("button", { type: "button", onclick: () => busy(exporting, takeAway) }, "Export");
  const heading = el("h1", "Gallery");
  root.append(heading);
  if (!classes.length) {
    root.append(el("p.empty", "The gallery is empty. Add labelled images with ", el("code", "ingest add FOLDER"),
      ", or give a label to one on the ", el("a", { href: "#/classify" }, "Classify"), " page."));
    return;
  }
  const tiles = classes.map((one) => tile({ ...figures.of(one.label), ...one }));
  const known = {
    size: true, name: true, suspects: figures.suspected, recall: tiles.some(({ recall }) => typeof recall === "number"),
  };
  const search = el("input", { type: "search", autocomplete: "off", oninput: () => filter() });
  const order = el("select", { onchange: sort }, choices(Object.entries(ORDERS).filter(([name]) => known[name]).map(([name, [text]]) => [name, text])));
  const views = ["Classes", "References"].map((text) =>
    el("button", { type: "button", "aria-pressed": String(text === "Classes"), onclick: () => show(text) }, text));
  const count = el("p.count", { "aria-live": "polite" });
  const list = el("ul.classes");
  const references = referenceGrid({ name: "References of the classes that are found", heading });
  references.node.hidden = true;
  let typing = 0;
  root.append(
    el("div.row.filters", field("Find a class", search), field("Order", order),
      el("div.switch", { role: "group", "aria-label": "Show" }, views), el("div.actions.push", exporting)),
    count, list, references.node);
  sort();
  filter();

  function sort() {
    tiles.sort(ORDERS[order.value][1]);
    list.replaceChildren(...tiles.map((t) => t.node));
    if (!references.node.hidden) showReferences();
  }

  function filter() {
    const wanted = search.value.trim().normalize("NFC").toLowerCase();
    let shown = 0;
    for (const t of tiles) {
      t.node.hidden = !t.label.toLowerCase().includes(wanted);
      shown += t.node.hidden ? 0 : 1;
    }
    count.textContent = wanted ? (shown ? `${shown} of ${plural(tiles.length, "class", "classes")}` : "No class has that in its name.")
      : plural(tiles.length, "class", "classes");
    clearTimeout(typing);
    if (!references.node.hidden) typing = setTimeout(showReferences, PAUSE_MS);
  }

  function show(view) {
    for (const button of views) button.setAttribute("aria-pressed", String(button.textContent === view));
    list.hidden = view !== "Classes";
    references.node.hidden = !list.hidden;
    if (list.hidden) showReferences();
  }

  async function showReferences() {
    // Counted anew: what was relabelled here is of another class now.
    const counts = new Map((await attempt(api.classes))?.classes.map((one) => [one.label, one.count]));
    const labels = tiles.filter((t) => !t.node.hidden && counts.has(t.label)).map((t) => t.label);
    await attempt(() => references.begin(labels, labels.reduce((sum, label) => sum + counts.get(label), 0)));
  }
}

/** All vectors with their ids, labels and groups, as an Arrow stream. */
async function takeAway() {
  const { name } = await api.gallery();
  save(await api.exported(), `${name}.arrow`);
  say("pyarrow, Polars, DuckDB and R read the file");
}

function tile({ label, count, recall, confused_with: other, suspects }) {
  const samples = el("div.samples", { "aria-hidden": "true" });
  const node = el("li", el("a.class", { href: linkTo(label) },
    samples, el("strong", { title: label }, named(label)), el("span", plural(count, "reference")),
    typeof recall === "number" ? el("span", `recall ${percent(recall)}`) : null,
    other ? el("span", "confused with ", named(other)) : null,
    suspects ? el("span", plural(suspects, "suspect")) : null));
  onSight(node, async () => {
    const page = await attempt(() => api.references({ label, limit: SAMPLES }));
    samples.replaceChildren(...(page?.references ?? []).filter(isPicture).map(({ id }) =>
      picture("img", () => api.thumbnail(id), { alt: "", decoding: "async" })));
  });
  return { node, label, count, recall, suspects };
}
