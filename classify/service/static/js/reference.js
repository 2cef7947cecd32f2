/** One reference, looked at closely and put right. */

import { api } from "./api.js";
import { $, attempt, baseName, changed, el, named, say, when } from "./dom.js";
import { ask, labelField, openDialog, typedLabel } from "./forms.js";
import { isPicture, picture } from "./pictures.js";

/** Opens the reference; resolves to "relabelled", "removed" or null once it is closed. */
export async function showReference(id) {
  const reference = await attempt(() => api.reference(id));
  if (!reference) return null;
  let done = null;
  const { dialog, form, promise, close } = openDialog({
    title: baseName(reference.source) || "Reference",
    wide: true,
    content: (dismiss) => [
      el("div.closely",
        isPicture(reference)
          ? picture("img.large", () => api.thumbnail(id), { alt: `Thumbnail of a reference of ${reference.label}` }) : null,
        facts(reference, dismiss)),
      el("div.correct",
        el("div.other", labelField({ text: "Label", value: reference.label }), el("button", { value: "relabel" }, "Relabel")),
        el("div.actions.end",
          el("button.danger", { type: "button", onclick: remove }, "Remove"),
          el("button", { type: "button", onclick: dismiss }, "Close"))),
    ],
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(() => relabel(typedLabel(form)));
  });
  await promise;
  close();
  return done;

  async function relabel(label) {
    if (label !== reference.label) {
      await api.relabel([id], label);
      finish("relabelled", `Its label is “${label}” now`);
    } else dialog.close();
  }

  async function remove() {
    const data = await ask({
      title: "Remove this reference?",
      text: "It leaves the gallery for good; the picture file is not touched.",
      action: "Remove", danger: true,
    });
    if (data && (await attempt(() => api.remove([id])))) finish("removed", "Reference removed");
    else $("button.danger", form)?.focus();
  }

  function finish(what, words) {
    done = what;
    dialog.close();
    say(words);
    changed();
  }
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
  ];
  return el("dl.facts", rows.filter(([, value]) => value)
    .map(([name, value]) => el("div", el("dt", name), el("dd", value))));
}
