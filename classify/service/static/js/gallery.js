/** Gallery: the classes, with their sizes and a look into each. */

import { api } from "./api.js";
import { attempt, busy, el, named, plural, save, say } from "./dom.js";
import { choices, field } from "./forms.js";
import { isPicture, onSight, picture } from "./pictures.js";

const SAMPLES = 4; // thumbnails of a class

export const linkTo = (label) => `#/gallery/${encodeURIComponent(label)}`;

const ORDERS = {
  size: (a, b) => b.count - a.count || a.label.localeCompare(b.label),
  name: (a, b) => a.label.localeCompare(b.label, undefined, { numeric: true }),
};

export async function showGallery(root) {
  const { classes } = await api.classes();
  const exporting = el("button", { type: "button", onclick: () => busy(exporting, takeAway) }, "Export");
  root.append(el("h1", "Gallery"));
  if (!classes.length) {
    root.append(el("p.empty", "The gallery is empty. Add labelled images with ", el("code", "ingest add FOLDER"),
      ", or give a label to one on the ", el("a", { href: "#/classify" }, "Classify"), " page."));
    return;
  }
  const search = el("input", { type: "search", autocomplete: "off", oninput: filter });
  const order = el("select", { onchange: sort }, choices([["size", "Largest first"], ["name", "By name"]]));
  const count = el("p.count", { "aria-live": "polite" });
  const list = el("ul.classes");
  const tiles = classes.map(tile);
  root.append(el("div.row.filters", field("Find a class", search), field("Order", order), el("div.actions.push", exporting)), count, list);
  sort();
  filter();

  function sort() {
    tiles.sort((a, b) => ORDERS[order.value](a, b));
    list.replaceChildren(...tiles.map((t) => t.node));
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
  }
}

/** All vectors with their ids, labels and groups, as an Arrow stream. */
async function takeAway() {
  const { name } = await api.gallery();
  save(await api.exported(), `${name}.arrow`);
  say("pyarrow, Polars, DuckDB and R read the file");
}

function tile({ label, count }) {
  const samples = el("div.samples", { "aria-hidden": "true" });
  const node = el("li", el("a.class", { href: linkTo(label) },
    samples, el("strong", { title: label }, named(label)), el("span", plural(count, "reference"))));
  onSight(node, async () => {
    const page = await attempt(() => api.references({ label, limit: SAMPLES }));
    samples.replaceChildren(...(page?.references ?? []).filter(isPicture).map(({ id }) =>
      picture("img", () => api.thumbnail(id), { alt: "", decoding: "async" })));
  });
  return { node, label, count };
}
