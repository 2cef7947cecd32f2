/** One class: its references, and putting labels right. */

import { api } from "./api.js";
import { classIntake } from "./class_intake.js";
import { attempt, changed, el, named, percent, plural } from "./dom.js";
import { ask, labelField } from "./forms.js";
import { linkTo } from "./gallery.js";
import { figuresOfClasses } from "./gallery_figures.js";
import { referenceGrid } from "./reference_grid.js";
import { sayDone } from "./undo.js";

export async function showClass(root, { argument: label, signal }) {
  const [size, figures] = await Promise.all([sizeOf(label), figuresOfClasses()]);
  if (size === 0) {
    root.append(...missing(label));
    return; // before anything listens that could add to it: that would make a class of a slip
  }
  const heading = el("h1", named(label));
  const references = referenceGrid({ name: `References of ${label}`, heading, own: label });
  const intake = classIntake(label, { reload, signal });
  root.append(
    el("p.back", el("a", { href: "#/gallery" }, "← All classes")),
    el("div.heading", heading,
      el("div.actions", intake.buttons,
        el("button", { type: "button", onclick: rename }, "Rename or merge"),
        el("button.danger", { type: "button", onclick: removeClass }, "Remove class"))),
    fares(figures.of(label)), intake.node, references.node);
  await reload();

  async function reload() {
    await references.begin([label], await sizeOf(label));
  }

  async function rename() {
    const data = await ask({
      title: `Rename “${label}”`,
      text: "A name that exists already merges the two classes. Nothing is embedded again.",
      fields: [labelField({ text: "New name", value: label })], action: "Rename",
    });
    const to = data?.get("label").trim();
    if (!to || to === label || !(await mergeIsMeant(to))) return;
    const done = await attempt(() => api.renameClass(label, to));
    if (!done) return;
    sayDone(`${plural(done.changed, "reference")} now in “${to}”`, done.action, () => { location.hash = linkTo(label); });
    changed();
    location.hash = linkTo(to);
  }

  async function mergeIsMeant(to) {
    const other = (await attempt(api.classes))?.classes.find((one) => one.label === to);
    if (!other) return true;
    return ask({
      title: `Merge into “${to}”?`,
      text: `“${to}” has ${plural(other.count, "reference")} already. Afterwards only Undo tells the two apart.`,
      action: "Merge", danger: true,
    });
  }

  async function removeClass() {
    const data = await ask({
      title: `Remove “${label}”?`,
      text: `All ${plural(references.total, "reference")} leave the gallery; the picture files are not touched, and History brings them back for a while.`,
      action: "Remove class", danger: true,
    });
    const done = data && (await attempt(() => api.removeClass(label)));
    if (!done) return;
    sayDone(`“${label}” removed`, done.action, () => { location.hash = linkTo(label); });
    changed();
    location.hash = "#/gallery";
  }
}

/** How the class fares, in a line; nothing where nobody has asked yet. */
function fares({ recall, confused_with: other, confused, says }) {
  if (typeof recall !== "number") return null;
  return el("p.fares", `Recall ${percent(recall)}`,
    other ? [", confused with ", el("a", { href: linkTo(other) }, named(other)), typeof confused === "number" ? ` (${percent(confused)})` : ""] : null,
    says ? `: ${says}` : null);
}

async function sizeOf(label) {
  const { classes } = await api.classes();
  return classes.find((one) => one.label === label)?.count ?? 0;
}

function missing(label) {
  return [
    el("p.back", el("a", { href: "#/gallery" }, "← All classes")),
    el("h1", "There is no class “", named(label), "”"),
    el("p", "No reference has this label (any more). A class begins with its first picture: ask for it under Classify and add it, or run ",
      el("code", "ingest add"), "."),
  ];
}
