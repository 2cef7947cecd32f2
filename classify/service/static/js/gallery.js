/** Gallery: classes, one class's references, and putting labels right. */

import { api } from "./api.js";
import { $, ask, attempt, el, labelField, plural, say } from "./dom.js";

const PAGE = 60; // references fetched at a time
const SAMPLES = 4; // thumbnails of a class

const changed = () => document.dispatchEvent(new Event("holotype:changed"));
const linkTo = (label) => `#/gallery/${encodeURIComponent(label)}`;

export async function showGallery(root, label) {
  if (label === null) return showClasses(root);
  return showClass(root, label);
}

async function showClasses(root) {
  const { classes } = await api.classes();
  const search = el("input", { id: "search", type: "search", placeholder: "label", oninput: filter });
  const tiles = classes.map(tile);
  const none = el("p.empty", { hidden: classes.length > 0 },
    classes.length ? "No class has that in its name." : "The gallery is empty.");
  root.append(
    el("h1", "Gallery"),
    el("div.field.search", el("label", { for: "search" }, "Find a class"), search),
    el("ul.classes", tiles.map((t) => t.node)), none);
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((e) => e.isIntersecting)) {
      watcher.unobserve(entry.target);
      tiles.find((t) => t.node === entry.target).load();
    }
  }, { rootMargin: "200px" });
  tiles.forEach((t) => watcher.observe(t.node));

  function filter() {
    const wanted = search.value.trim().toLowerCase();
    for (const t of tiles) t.node.hidden = !t.label.toLowerCase().includes(wanted);
    none.hidden = tiles.some((t) => !t.node.hidden);
  }
  return () => watcher.disconnect();
}

function tile({ label, count }) {
  const samples = el("div.samples", { "aria-hidden": "true" });
  const node = el("li", el("a.class", { href: linkTo(label) },
    samples, el("strong", label), el("span", plural(count, "reference"))));
  return {
    node,
    label,
    async load() {
      const page = await attempt(() => api.references({ label, limit: SAMPLES }));
      samples.replaceChildren(...(page?.references ?? []).map((r) =>
        el("img", { src: api.thumbnail(r.id), alt: "", loading: "lazy" })));
    },
  };
}

async function showClass(root, label) {
  const grid = el("ul.references", { "aria-label": `References of ${label}` });
  const more = el("button", { type: "button", hidden: true }, "Show more");
  const bar = selectionBar();
  const count = el("p.count");
  root.append(
    el("p", el("a", { href: "#/gallery" }, "← All classes")),
    el("div.heading", el("h1", label),
      el("div.actions",
        el("button", { type: "button", onclick: rename }, "Rename or merge"),
        el("button.danger", { type: "button", onclick: removeAll }, "Remove class"))),
    count, bar.node, grid, more);
  let after = null;
  let total = 0;
  more.addEventListener("click", () => attempt(load));
  grid.addEventListener("change", () => bar.update(selected()));
  await load();

  async function load() {
    const page = await api.references({ label, limit: PAGE, after });
    grid.append(...page.references.map(card));
    after = page.next_after;
    more.hidden = after === null;
    if (!total) total = (await api.classes()).classes.find((c) => c.label === label)?.count ?? 0;
    count.textContent = total ? plural(total, "reference") : "No reference has this label.";
  }

  function selected() {
    return [...grid.querySelectorAll("input:checked")].map((box) => box.value);
  }

  function selectionBar() {
    const text = el("span", { "aria-live": "polite" });
    const buttons = [
      el("button", { type: "button", onclick: relabel }, "Relabel"),
      el("button.danger", { type: "button", onclick: remove }, "Remove"),
    ];
    const node = el("div.selection", { hidden: true }, text, ...buttons);
    return {
      node,
      update(ids) {
        node.hidden = ids.length === 0;
        text.textContent = `${ids.length} selected`;
      },
    };
  }

  async function relabel() {
    const ids = selected();
    const data = await ask({
      title: `Relabel ${plural(ids.length, "reference")}`, fields: [labelField()], action: "Relabel",
    });
    if (!data) return;
    const to = data.get("label").trim();
    await apply(ids, () => api.relabel(ids, to), `${plural(ids.length, "reference")} moved to “${to}”`);
  }

  async function remove() {
    const ids = selected();
    const data = await ask({
      title: `Remove ${plural(ids.length, "reference")}?`,
      text: "They leave the gallery for good; the picture files are not touched.",
      action: "Remove", danger: true,
    });
    if (data) await apply(ids, () => api.remove(ids), `${plural(ids.length, "reference")} removed`);
  }

  async function apply(ids, action, message) {
    if (!(await attempt(action))) return;
    for (const box of grid.querySelectorAll("input:checked")) box.closest("li").remove();
    total -= ids.length;
    count.textContent = plural(total, "reference");
    bar.update([]);
    say(message);
    changed();
  }

  async function rename() {
    const data = await ask({
      title: `Rename “${label}”`,
      text: "A name that exists already merges the two classes. Nothing is embedded again.",
      fields: [labelField({ text: "New name", value: label })], action: "Rename",
    });
    const to = data?.get("label").trim();
    if (!to || to === label) return;
    const { classes } = await api.classes();
    const other = classes.find((c) => c.label === to);
    if (other && !(await ask({
      title: `Merge into “${to}”?`,
      text: `“${to}” has ${plural(other.count, "reference")} already. Afterwards the two cannot be told apart.`,
      action: "Merge", danger: true,
    }))) return;
    const done = await attempt(() => api.renameClass(label, to));
    if (!done) return;
    say(`${plural(done.changed, "reference")} now in “${to}”`);
    changed();
    location.hash = linkTo(to);
  }

  async function removeAll() {
    const data = await ask({
      title: `Remove “${label}”?`,
      text: `All ${plural(total, "reference")} leave the gallery for good; the picture files are not touched.`,
      action: "Remove class", danger: true,
    });
    if (!data || !(await attempt(() => api.removeClass(label)))) return;
    say(`“${label}” removed`);
    changed();
    location.hash = "#/gallery";
  }
}

function card(reference) {
  const name = reference.source.split("/").pop();
  const box = el("input", { type: "checkbox", value: reference.id, id: `ref-${reference.id}` });
  return el("li", box, el("label", { for: box.id },
    el("img", { src: api.thumbnail(reference.id), alt: "", loading: "lazy" }),
    el("span.source", { title: reference.source }, name),
    reference.group ? el("span.group", `group ${reference.group}`) : null));
}
