/** Duplicates: references of the same picture, or nearly. */

import { curated } from "./curated.js";
import { el, plural } from "./dom.js";

export async function showDuplicates(root, visit) {
  const list = el("ul", { "aria-label": "Duplicates" });
  root.append(await curated("duplicates", show, visit), list);

  function show({ sets }) {
    list.replaceChildren(...sets.map(({ ids }) => el("li", plural(ids.length, "reference"))));
  }
}
