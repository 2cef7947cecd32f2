/** Building and finding elements. Text is always set as text, never as markup. */

/**
 * Make an element: `el("p.note", {title: "x"}, "text", child)`.
 * Properties starting with `on` are listeners; `data-*` and `aria-*` are attributes.
 */
export function el(spec, ...rest) {
  const [tag, ...classes] = spec.split(".");
  const node = document.createElement(tag || "div");
  if (classes.length) node.className = classes.join(" ");
  const properties = isProperties(rest[0]) ? rest.shift() : {};
  for (const [name, value] of Object.entries(properties)) set(node, name, value);
  node.append(...rest.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

function isProperties(value) {
  return value !== null && typeof value === "object" && !(value instanceof Node) && !Array.isArray(value);
}

function set(node, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
  else if (name.includes("-") || name === "role" || name === "list" || name === "for") {
    node.setAttribute(name, value);
  } else node[name] = value;
}

export const $ = (selector, root = document) => root.querySelector(selector);

/** Show a message to everybody, screen readers included. */
export function say(text, kind = "info") {
  const box = $("#status");
  const note = el(`p.toast.${kind}`, text);
  box.append(note);
  setTimeout(() => note.remove(), kind === "error" ? 12000 : 5000);
}

/** Run something that may fail, and show why it did. */
export async function attempt(action) {
  try {
    return await action();
  } catch (error) {
    say(error.message, "error");
    return undefined;
  }
}

/** Ask before something is done; resolves to the form's data, or null. */
export function ask({ title, text, fields = [], action, danger = false }) {
  return new Promise((resolve) => {
    const form = el("form", { method: "dialog" },
      el("h2", title),
      text ? el("p", text) : null,
      ...fields,
      el("div.actions",
        el("button", { type: "button", onclick: () => dialog.close() }, "Cancel"),
        el(`button.primary${danger ? ".danger" : ""}`, { value: "yes" }, action)));
    const dialog = el("dialog", { "aria-label": title }, form);
    dialog.addEventListener("close", () => {
      resolve(dialog.returnValue === "yes" ? new FormData(form) : null);
      dialog.remove();
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

let fieldCount = 0;

/** A labelled field for a class label, which offers the classes that there are. */
export function labelField({ text = "Label", value = "", name = "label", hiddenText = false } = {}) {
  const id = `field-${++fieldCount}`;
  return el("div.field",
    el(`label${hiddenText ? ".visually-hidden" : ""}`, { for: id }, text),
    el("input", { id, name, value, list: "labels", required: true, maxLength: 200, autocomplete: "off", placeholder: "label" }));
}

export const percent = (share) => `${(100 * share).toFixed(share > 0.995 && share < 1 ? 1 : 0)} %`;
export const plural = (n, one, many = `${one}s`) => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
export const when = (iso) => new Date(iso).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
