/** Shows the page that the address names, and what all pages share. */

import { api } from "./api.js";
import { showClassify } from "./classify.js";
import { $, attempt, el, plural } from "./dom.js";
import { showGallery } from "./gallery.js";
import { showHeads } from "./heads.js";
import { showReview } from "./review.js";

const PAGES = {
  classify: { title: "Classify", show: showClassify },
  gallery: { title: "Gallery", show: showGallery },
  review: { title: "Review", show: showReview },
  heads: { title: "Heads", show: showHeads },
};

let leave = null;

async function route(event) {
  const [, name = "", ...rest] = location.hash.split("/");
  const page = PAGES[name] ?? PAGES.classify;
  const argument = rest.length ? decodeURIComponent(rest.join("/")) : null;
  if (leave) leave();
  document.title = `${page.title} · Holotype`;
  for (const link of document.querySelectorAll("nav a")) {
    if (PAGES[link.dataset.page] === page) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const main = $("#main");
  main.replaceChildren();
  const root = el("div");
  main.append(root);
  leave = (await attempt(() => page.show(root, argument))) ?? null;
  if (event) main.focus({ preventScroll: true });
}

/** What the header says; called again after every change. */
export async function refreshSummary() {
  const [gallery, classes, review] = await Promise.all([api.gallery(), api.classes(), api.review()]);
  $("#gallery-summary").textContent =
    `${gallery.name}: ${plural(gallery.references, "reference")}, ${plural(gallery.classes, "class", "classes")}`;
  $("#labels").replaceChildren(...classes.classes.map((c) => el("option", { value: c.label })));
  const badge = $("#review-count");
  badge.textContent = review.items.length;
  badge.hidden = review.items.length === 0;
}

window.addEventListener("hashchange", route);
document.addEventListener("holotype:changed", () => attempt(refreshSummary));
await attempt(refreshSummary);
await route();
