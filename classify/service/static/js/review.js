/** Review: queries that were in doubt, to be labelled and added. */

import { api } from "./api.js";
import { $, attempt, el, labelField, percent, plural, say, when } from "./dom.js";

const changed = () => document.dispatchEvent(new Event("holotype:changed"));

export async function showReview(root) {
  const queue = await api.review();
  const list = el("ul.review", { "aria-label": "Queries in doubt" });
  const empty = el("p.empty", queue.keeps_queries
    ? "Nothing to review: no query abstained or was named differently by the two modes."
    : "This service keeps no queries. Set HOLOTYPE_KEEP_QUERIES to how many it may keep.");
  const field = labelField({ text: "Label for the selected" });
  const several = el("form.selection", { hidden: true, onsubmit: addSeveral },
    el("span", { "aria-live": "polite" }), field, el("button.primary", "Add selected"));
  root.append(el("h1", "Review"), el("p", "Queries in doubt. One click takes a suggestion; or type a label."),
    several, list, empty);
  list.append(...queue.items.map(row));
  list.addEventListener("change", update);
  update();

  function update() {
    const ids = selected();
    several.hidden = ids.length === 0;
    $("span", several).textContent = `${ids.length} selected`;
    empty.hidden = list.children.length > 0;
  }

  function selected() {
    return [...list.querySelectorAll("input[type=checkbox]:checked")].map((box) => box.value);
  }

  function row(item) {
    const box = el("input", { type: "checkbox", value: item.id, "aria-label": `Select ${item.query}` });
    const own = labelField({ text: `Label for ${item.query}`, hiddenText: true });
    const form = el("form.own", {
      onsubmit: (event) => { event.preventDefault(); add([item.id], $("input", form).value.trim()); },
    }, own, el("button", "Add"));
    return el("li", { "data-id": item.id },
      box,
      el("img", { src: api.reviewThumbnail(item.id), alt: `The query ${item.query}`, loading: "lazy" }),
      el("div.body",
        el("p", el("strong", item.query), ` · ${item.reason} · ${when(item.kept_at)}`),
        el("div.suggestions", suggestions(item).map(({ label, who }) =>
          el("button.primary", { type: "button", onclick: () => add([item.id], label) }, `Add as ${label}`,
            el("small", ` ${who}`)))),
        el("div.row", form, el("button.quiet", { type: "button", onclick: () => drop(item) }, "Discard"))));
  }

  async function addSeveral(event) {
    event.preventDefault();
    await add(selected(), $("input", field).value.trim());
  }

  async function add(ids, label) {
    const answer = await attempt(() => api.addReviewed(ids, label));
    if (!answer) return;
    answer.outcomes.forEach((outcome, i) => {
      const failed = ["broken", "failed", "label_conflict"].includes(outcome.outcome);
      if (failed) say(`${outcome.source}: ${outcome.reason}`, "error");
      else $(`[data-id="${ids[i]}"]`, list)?.remove();
    });
    say(`${plural(ids.length, "query", "queries")} added as “${label}”`);
    update();
    changed();
  }

  async function drop(item) {
    await attempt(() => api.dropReviewed(item.id));
    $(`[data-id="${item.id}"]`, list)?.remove();
    update();
    changed();
  }
}

/** The best label of each mode, once each, with who said it. */
function suggestions(item) {
  const found = new Map();
  for (const [mode, scores] of Object.entries(item.answers)) {
    if (!scores.length) continue;
    const { label, score } = scores[0];
    const said = `${mode === "knn" ? "neighbours" : mode === "linear" ? "head" : mode} ${percent(score)}`;
    found.set(label, found.has(label) ? `${found.get(label)}, ${said}` : said);
  }
  return [...found].map(([label, who]) => ({ label, who }));
}
