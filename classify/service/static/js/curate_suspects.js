/** Suspects: references whose label the others contradict, by cohort. */

import { curated } from "./curated.js";
import { el, named, plural } from "./dom.js";

export async function showSuspects(root, visit) {
  const list = el("ul.cohorts", { "aria-label": "Cohorts" });
  root.append(await curated("suspects", show, visit), list);

  function show({ cohorts }) {
    list.replaceChildren(...cohorts.map(({ label, proposed, members }) =>
      el("li", named(label), " → ", named(proposed), ", ", plural(members.length, "suspect"))));
    if (!cohorts.length) list.replaceWith(el("p.empty", "No label is contradicted by the other references."));
  }
}
