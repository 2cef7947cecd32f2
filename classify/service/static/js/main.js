/** Shows the page that the address names, and what all pages share. */

import { api, isOffline } from "./api.js";
import { showClassify } from "./classify.js";
import { showCurate } from "./curate.js";
import { $, $$, attempt, el, focusOn, plural, say } from "./dom.js";
import { filesOfDrop, filesOfPaste, othersLeftOut } from "./files.js";
import { showGallery } from "./gallery.js";
import { showHeads } from "./heads.js";
import { showHistory } from "./history.js";
import { showClass } from "./one_class.js";
import { showReference } from "./reference.js";
import { showReview } from "./review.js";
import { Session } from "./session.js";

const PAGES = {
  classify: { title: "Classify", show: showClassify },
  gallery: { title: "Gallery", show: (root, visit) => (visit.argument === null ? showGallery : showClass)(root, visit) },
  curate: { title: "Curate", show: showCurate },
  review: { title: "Review", show: showReview },
  heads: { title: "Heads", show: showHeads },
  history: { title: "History", show: showHistory },
  reference: { title: "Reference", show: showOneReference },
};
const LABELS_OFFERED = 2000; // more than that is no help in a list
const ALIVE_EVERY_MS = 2000;
const FOLDER_SAID = 200; // files from which on it is said that a folder is being read

const session = new Session();
let leaving = new AbortController();

function address() {
  const [, name = "", ...rest] = location.hash.split("/");
  const text = rest.join("/");
  try {
    return { name, argument: text ? decodeURIComponent(text) : null };
  } catch {
    return { name, argument: text }; // typed by hand, and no valid escape
  }
}

/** Show the page of the address. What the last one listened to ends with its signal. */
async function route({ focus = true } = {}) {
  const { name, argument } = address();
  const page = PAGES[name] ?? PAGES.classify;
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  document.title = `${argument ? `${argument} · ` : ""}${page.title} · Holotype`;
  for (const link of $$("nav a")) {
    if (PAGES[link.dataset.page] === page) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const root = el("div");
  $("#main").replaceChildren(el("p.loading", "Loading…"));
  try {
    await page.show(root, { argument, session, signal });
  } catch (error) {
    root.replaceChildren(failure(error));
  }
  if (signal.aborted) return; // somebody went on to another page meanwhile
  $("#main").replaceChildren(root);
  if (!focus) return;
  window.scrollTo(0, 0);
  focusOn($("h1", root));
}

/** The page of its class, with the reference opened: what an evaluation links to. */
async function showOneReference(root, visit) {
  const { id, label } = await api.reference(visit.argument);
  await showClass(root, { ...visit, argument: label });
  showReference(id).then((done) => { if (done) location.hash = `#/gallery/${encodeURIComponent(label)}`; });
}

function failure(error) {
  return el("div.failure", el("h1", "This page cannot be shown"), el("p", error.message),
    el("button.primary", { type: "button", onclick: () => { refresh(); route(); } }, "Try again"));
}

/** What the header says; again after every change. A part that fails is left as it was. */
async function refresh() {
  const [gallery, classes, review] = await Promise.allSettled([api.gallery(), api.classes(), api.review({ limit: 1 })]);
  if (gallery.value) {
    const { name, references, classes: count } = gallery.value;
    $("#gallery-summary").textContent = `${name}: ${plural(references, "reference")}, ${plural(count, "class", "classes")}`;
  }
  if (classes.value) {
    $("#labels").replaceChildren(...classes.value.classes.slice(0, LABELS_OFFERED)
      .map(({ label }) => el("option", { value: label })));
  }
  if (review.value) {
    const badge = $("#review-count");
    badge.textContent = review.value.total;
    badge.hidden = review.value.total === 0;
  }
}

let watching = false;

/** The service is gone: say so until it is back. */
async function watchForReturn() {
  if (watching) return;
  watching = true;
  $("#offline").replaceChildren(el("p", "The service does not answer. This page goes on as soon as it does."));
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, ALIVE_EVERY_MS));
    try {
      await api.alive();
      break;
    } catch (error) {
      if (!isOffline(error)) break;
    }
  }
  watching = false;
  $("#offline").replaceChildren();
  say("The service answers again");
  await refresh();
  if ($(".failure")) await route({ focus: false });
}

/** Pictures are taken on every page: otherwise the browser would leave this one to show them. */
function classify(files) {
  if (!files.length) return;
  if (!["", "classify"].includes(address().name)) location.hash = "#/classify";
  session.ask(files);
}

/** A folder may hold thousands: how far it is read is said, and can be ended. */
async function dropped(transfer) {
  const stopper = new AbortController();
  const text = el("span");
  const note = el("p.toast.going", text, el("button.dismiss", { type: "button", onclick: () => stopper.abort() }, "Cancel"));
  const seen = (n) => {
    if (n < FOLDER_SAID) return;
    text.textContent = `Reading the folder: ${plural(n, "file")}`;
    if (!note.isConnected) $("#status").append(note);
  };
  try {
    take(await filesOfDrop(transfer, { signal: stopper.signal, seen }));
  } finally {
    note.remove();
  }
}

/** A class that is open takes what is dropped, anything else is classified. */
function take({ files, others }) {
  if (!document.dispatchEvent(new CustomEvent("holotype:dropped", { detail: { files, others }, cancelable: true }))) return;
  if (others) say(othersLeftOut(others));
  classify(files);
}

const carriesFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");

for (const type of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(type, async (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    document.body.classList.toggle("over", type === "dragover");
    if (type === "drop") await attempt(() => dropped(event.dataTransfer));
  });
}
document.addEventListener("paste", (event) => {
  const files = filesOfPaste(event.clipboardData);
  if (!files.length) return;
  event.preventDefault();
  classify(files);
});
window.addEventListener("hashchange", () => route());
document.addEventListener("holotype:changed", refresh);
document.addEventListener("holotype:offline", watchForReturn);
refresh();
route({ focus: false });
