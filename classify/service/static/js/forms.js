/** Fields and dialogs. */

import { busy, el, named } from "./dom.js";

export const MAX_LABEL = 200; // characters, as the service has it

let fieldCount = 0;

/** A control with its label above it. */
export function field(text, control, { hiddenText = false } = {}) {
  control.id ||= `field-${++fieldCount}`;
  return el("div.field", el(`label${hiddenText ? ".visually-hidden" : ""}`, { for: control.id }, text), control);
}

/** A field for a class label, which offers the classes that there are. */
export function labelField({ text = "Label", value = "", hiddenText = false, placeholder = "" } = {}) {
  return field(text, el("input", {
    name: "label", value, list: "labels", required: true, maxLength: MAX_LABEL, autocomplete: "off",
    placeholder, dir: "auto", enterKeyHint: "done",
  }), { hiddenText });
}

/** What can be done with a picture that the gallery holds under another label than was asked for. */
export function conflictView({ present, label, keep, replace }) {
  const view = el("div.notice", { role: "group", "aria-label": "In the gallery under another label", "data-choice": "" },
    el("p", "This very picture is in the gallery as ", el("strong", named(present)), ", not ", named(label), "."),
    el("div.row",
      el("button", { type: "button", onclick: () => busy(view, keep) }, "Keep ", named(present)),
      el("button", { type: "button", onclick: () => busy(view, replace) }, "Change it to ", named(label))));
  return view;
}

/** Options of a select: pairs of value and text. */
export const choices = (pairs) => pairs.map(([value, text]) => el("option", { value }, text));

/** What was typed into the label field of a form. */
export const typedLabel = (form) => new FormData(form).get("label").trim();

/**
 * Ask before something is done; resolves to the form's data, or null.
 * The keyboard goes back to where it was.
 */
export function ask({ title, text = null, fields = [], action, danger = false }) {
  const { promise, close } = openDialog({
    title,
    content: (dismiss) => [
      text ? el("p", text) : null,
      ...fields,
      el("div.actions.end",
        el("button", { type: "button", onclick: dismiss }, "Cancel"),
        el(`button.primary${danger ? ".danger" : ""}`, { value: "yes" }, action)),
    ],
  });
  return promise.then(({ dialog, form }) => {
    close();
    return dialog.returnValue === "yes" ? new FormData(form) : null;
  });
}

/** A modal dialog; `promise` resolves once it is closed. */
export function openDialog({ title, content, wide = false }) {
  const before = document.activeElement;
  const form = el("form", { method: "dialog" });
  const dialog = el(`dialog${wide ? ".wide" : ""}`, form);
  const dismiss = () => dialog.close();
  const heading = el("h2", { id: `field-${++fieldCount}` }, title);
  dialog.setAttribute("aria-labelledby", heading.id);
  form.append(heading, ...content(dismiss).flat().filter((child) => child !== null));
  // A click on the backdrop is a click on the dialog itself, outside its form.
  dialog.addEventListener("mousedown", (event) => { if (event.target === dialog) dismiss(); });
  document.body.append(dialog);
  dialog.showModal();
  const promise = new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve({ dialog, form }));
  });
  const close = () => {
    dialog.remove();
    if (before?.isConnected) before.focus({ preventScroll: true });
  };
  return { dialog, form, promise, close };
}
