/** Classes: which are ready, and which need more. */

import { curated } from "./curated.js";
import { el, named } from "./dom.js";

export async function showClassesTab(root, visit) {
  const list = el("ul", { "aria-label": "Classes" });
  root.append(await curated("classes", show, visit), list);

  function show({ classes }) {
    list.replaceChildren(...classes.map(({ label, verdict }) => el("li", named(label), ": ", verdict)));
  }
}
