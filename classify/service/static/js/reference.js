/** One reference, looked at closely and put right; the arrows go to the next one. */

import { api } from "./api.js";
import { $, attempt, baseName, busy, changed, el, focusOn, named, when } from "./dom.js";
import { ask, labelField, openDialog, typedLabel } from "./forms.js";
import { isPicture, picture } from "./pictures.js";
import { sayDone } from "./undo.js";
import { zoomable } from "./zoom.js";

/**
 * Opens the reference, of those `among` which the arrows go. Resolves to `{id, what}` once it is closed, where
 * `what` is "relabelled" or "removed"; null where nothing was done.
 */
export async function showReference(id, among = [id]) {
  const found = await attempt(() => Promise.all([api.reference(id), api.gallery()]));
  if (!found) return null;
  const state = { reference: found[0], done: null };
  const body = el("div");
  const before = el("button", { type: "button", "aria-label": "Previous reference", onclick: () => step(-1) }, "‹");
  const after = el("button", { type: "button", "aria-label": "Next reference", onclick: () => step(1) }, "›");
  const place = el("span.soft", { "aria-live": "polite" });
  const { dialog, form, promise, close } = openDialog({
    title: "Reference", wide: true,
    content: (dismiss) => [el("div.steps", place, before, after, el("button", { type: "button", onclick: dismiss }, "Close")), body],
  });
  dialog.classList.add("looking");
  dialog.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.target.matches("input") || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === "ArrowLeft") step(-1);
    else if (event.key === "ArrowRight") step(1);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(() => relabel(typedLabel(form)));
  });
  show();
  focusOn($(".zoomed", body));
  await promise;
  close();
  return state.done;

  function show() {
    const { reference } = state;
    const at = among.indexOf(reference.id);
    $("h2", form).replaceChildren(named(baseName(reference.source) || "Reference"));
    for (const part of [before, after, place]) part.hidden = among.length < 2;
    place.textContent = `${at + 1} of ${among.length}`;
    before.disabled = at <= 0;
    after.disabled = at === among.length - 1;
    body.replaceChildren(
      el("div.closely",
        isPicture(reference) ? look(reference, found[1].originals) : "",
        facts(reference, () => dialog.close())),
      el("div.correct",
        el("div.other", labelField({ text: "Label", value: reference.label }), el("button", { value: "relabel" }, "Relabel")),
        el("button.danger", { type: "button", onclick: remove }, "Remove")));
    if (!dialog.contains(document.activeElement) || document.activeElement.disabled) focusOn($(".zoomed", body) ?? body);
  }

  async function step(by) {
    const next = among[among.indexOf(state.reference.id) + by];
    const reference = next && await attempt(() => api.reference(next));
    if (!reference || !dialog.open) return;
    state.reference = reference;
    show();
  }

  async function relabel(label) {
    if (label !== state.reference.label) {
      const { action } = await api.relabel([state.reference.id], label);
      finish("relabelled", `Its label is “${label}” now`, action);
    } else dialog.close();
  }

  async function remove() {
    const data = await ask({
      title: "Remove this reference?",
      text: "It leaves the gallery; the picture file is not touched, and History brings it back for a while.",
      action: "Remove", danger: true,
    });
    const done = data && (await attempt(() => api.remove([state.reference.id])));
    if (done) finish("removed", "Reference removed", done.action);
    else $("button.danger", form)?.focus();
  }

  function finish(what, words, action) {
    state.done = { id: state.reference.id, what };
    dialog.close();
    sayDone(words, action);
    changed();
  }
}

/** Its picture, to be zoomed; and its file at full size, where the service may show it. */
function look({ id, label }, mayShowOriginals) {
  const alt = `Picture of a reference of ${label}`;
  const view = el("div.view", picture("img.large", () => api.thumbnail(id), { alt }));
  const { node, buttons } = zoomable([view]);
  const full = mayShowOriginals ? el("button", { type: "button", onclick: () => busy(full, showFull) }, "Full size") : null;
  const showFull = async () => {
    const blob = await api.original(id);
    view.replaceChildren(picture("img.large", async () => blob, { alt: `${alt}, at full size` }));
    full.remove();
    node.focus();
  };
  return el("div", node, el("div.actions", buttons, full));
}

function facts(reference, dismiss) {
  const rows = [
    ["Class", el("a", { href: `#/gallery/${encodeURIComponent(reference.label)}`, onclick: dismiss }, named(reference.label))],
    ["Source", reference.source],
    ["Group", reference.group],
    ["Size", reference.width ? `${reference.width} × ${reference.height} px` : null],
    ["Added", reference.added_at ? when(reference.added_at) : null],
    ...Object.entries(reference.meta ?? {}),
    ["Id", reference.id],
    ["History", el("a", { href: `#/history/${reference.id}`, onclick: dismiss }, "what was done to it")],
  ];
  return el("dl.facts", rows.filter(([, value]) => value)
    .map(([name, value]) => el("div", el("dt", name), el("dd", value))));
}
