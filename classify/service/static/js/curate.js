/** Curate: what is wrong with the gallery and what to do next, a tab each. */

import { showClassesTab } from "./curate_classes.js";
import { showDuplicates } from "./curate_duplicates.js";
import { showSuspects } from "./curate_suspects.js";
import { el } from "./dom.js";
import { show as showMap } from "./map.js";

/** Each `show(root, visit)` fills its part of the page; `visit.argument` is what follows the tab in the address. */
const TABS = {
  suspects: { title: "Suspects", show: showSuspects },
  duplicates: { title: "Duplicates", show: showDuplicates },
  classes: { title: "Classes", show: showClassesTab },
  map: { title: "Map", show: showMap },
};

export async function showCurate(root, visit) {
  const [name = "", ...rest] = (visit.argument ?? "").split("/");
  const chosen = Object.hasOwn(TABS, name) ? name : "suspects";
  const body = el("div");
  root.append(
    el("h1", "Curate"),
    el("nav.tabs", { "aria-label": "What to look at" }, Object.entries(TABS).map(([key, { title }]) =>
      el("a", { href: `#/curate/${key}`, "aria-current": key === chosen ? "page" : null }, title))),
    body);
  await TABS[chosen].show(body, { ...visit, argument: rest.join("/") || null });
}
