/** Building and finding elements. Text is always set as text, never as markup. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * Make an element: `el("p.note", {title: "x"}, "text", child)`.
 * Properties starting with `on` are listeners; those with a hyphen are attributes.
 * Children that are null are left out.
 */
export function el(spec, ...rest) {
  const [tag, ...classes] = spec.split(".");
  return fill(document.createElement(tag), classes, rest);
}

/** The same for SVG, where all properties are attributes. */
export function svg(spec, ...rest) {
  const [tag, ...classes] = spec.split(".");
  return fill(document.createElementNS(SVG, tag), classes, rest);
}

function fill(node, classes, rest) {
  if (classes.length) node.setAttribute("class", classes.join(" "));
  const properties = isProperties(rest[0]) ? rest.shift() : {};
  for (const [name, value] of Object.entries(properties)) set(node, name, value);
  node.append(...rest.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return node;
}

function isProperties(value) {
  return value !== null && typeof value === "object" && !(value instanceof Node) && !Array.isArray(value);
}

const ATTRIBUTES = new Set(["role", "list", "for"]); // read-only or named otherwise as properties

function set(node, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
  else if (node.namespaceURI === SVG || name.includes("-") || ATTRIBUTES.has(name)) {
    node.setAttribute(name, value);
  } else node[name] = value;
}

export const $ = (selector, root = document) => root.querySelector(selector);
export const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

const INFO_MS = 5000;
const SAVE_MS = 60_000; // in which a browser has taken a file that it is handed

/**
 * Show a message to everybody, screen readers included. Errors stay until dismissed; what is "heard"
 * stands on the page already, and would cover it. A control, such as a button that undoes it, comes with it.
 */
export function say(text, kind = "info", control = null) {
  for (const same of $$(".toast").filter((other) => $("span", other).textContent === text)) same.remove();
  const note = el(`p.toast.${kind}`, el("span", text), control ?? "");
  if (kind === "error") {
    note.append(el("button.dismiss", { type: "button", onclick: () => note.remove() }, "Dismiss"));
  } else setTimeout(() => note.remove(), control ? 2 * INFO_MS : INFO_MS);
  $("#status").append(note);
}

/** Run something that may fail, and show why it did; undefined then. */
export async function attempt(action) {
  try {
    return await action();
  } catch (error) {
    if (error.name !== "AbortError") say(error.message, "error");
    return undefined;
  }
}

/** Keep a form or a button from being used twice while it works. */
export async function busy(control, action) {
  const buttons = control.matches("button") ? [control] : $$("button", control);
  const usable = buttons.filter((button) => !button.disabled);
  for (const button of usable) button.disabled = true;
  try {
    return await attempt(action);
  } finally {
    for (const button of usable) button.disabled = false;
  }
}

/** Move the keyboard to something that is not a control. */
export function focusOn(node) {
  if (!node) return;
  if (!node.matches("a, button, input, select, summary")) node.tabIndex = -1;
  node.focus({ preventScroll: true });
}

/** The text of a label, whichever way its script runs. */
export const named = (label) => el("bdi", label);

/** Shares in [0, 1] for people: never a certainty that was not measured. */
export function percent(share) {
  if (share > 0 && share < 0.005) return "< 1 %";
  if (share < 1 && share >= 0.995) return "> 99 %";
  return `${(100 * share).toFixed(0)} %`;
}

/** A share with one decimal, perhaps with its standard error; what is no number was not measured. */
export function oneDecimal(share, error = null) {
  if (typeof share !== "number") return "not measured";
  const text = (100 * share).toFixed(1);
  return error === null ? `${text} %` : `${text} ± ${(100 * error).toFixed(1)} %`;
}
export const plural = (n, one, many = `${one}s`) => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
export const when = (iso) => {
  const time = new Date(iso);
  return Number.isNaN(time.getTime()) ? String(iso ?? "")
    : time.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
};
/** Hand a Blob to the browser as a file to keep. */
export function save(blob, name) {
  const url = URL.createObjectURL(blob);
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), SAVE_MS);
}

export const baseName = (path) => String(path ?? "").split("/").pop();

/** Tell the rest of the page that the gallery, the queue or the heads changed. */
export const changed = () => document.dispatchEvent(new Event("holotype:changed"));
