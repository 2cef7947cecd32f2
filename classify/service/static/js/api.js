/**
 * The service's API. Every failure is an Error whose message a person can act on.
 * Addresses are relative to the page's own, wherever a proxy has put it.
 */

import { askForKey, hasKey, withKey } from "./key.js";

const BUSY = "urn:holotype:problem:queue-full";
const TOO_MANY = 429; // what a proxy says
const BUSY_TRIES = 60;

export class ApiError extends Error {
  constructor(message, status, type = "") {
    super(message);
    this.status = status;
    this.type = type;
  }
}

/** No answer at all: the service is gone, or the way to it. */
export const isOffline = (error) => error instanceof ApiError && error.status === 0;

async function call(method, path, { json, form, signal, as = "json" } = {}) {
  const init = { method, headers: withKey({}), signal };
  if (json !== undefined) {
    init.body = JSON.stringify(json);
    init.headers["Content-Type"] = "application/json";
  } else if (form) init.body = form;
  const hadKey = hasKey();
  const since = performance.now();
  const response = await reach(path, init);
  if (response.ok) return response.status === 204 ? null : response[as]();
  const error = await failure(response);
  // Without any key set, 403 is about where the request comes from, not about a key.
  if (response.status === 401 || (response.status === 403 && hadKey)) {
    if (await askForKey(error.message, { again: hadKey, since })) return call(method, path, { json, form, signal, as });
  }
  throw error;
}

async function reach(path, init) {
  try {
    return await fetch(path, init);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    document.dispatchEvent(new Event("holotype:offline"));
    throw new ApiError("The service does not answer: is it still running?", 0);
  }
}

async function failure(response) {
  let problem = {};
  try {
    problem = await response.json();
  } catch {
    // Not from the service itself, a proxy perhaps: the status is all there is.
  }
  const error = new ApiError(
    problem.detail || problem.title || `The service answered ${response.status}.`, response.status, problem.type);
  error.waitS = Number(response.headers.get("Retry-After")) || 1;
  return error;
}

/** Wait and ask again while the service has no place for more images. */
async function patiently(action, signal) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await action();
    } catch (error) {
      if ((error.type !== BUSY && error.status !== TOO_MANY) || tries >= BUSY_TRIES) throw error;
      await pause(error.waitS * 1000, signal);
    }
  }
}

export function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => reject(new DOMException("stopped", "AbortError"));
    if (signal?.aborted) { stop(); return; }
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => { clearTimeout(timer); stop(); }, { once: true });
  });
}

const query = (pairs) => {
  const search = new URLSearchParams(pairs.filter(([, value]) => value !== null && value !== undefined));
  return search.size ? `?${search}` : "";
};
const labelled = (label) => [`label=${label}`];

function formOf(files, options) {
  const form = new FormData();
  for (const file of files) form.append("images", file, file.name);
  for (const [name, value] of Object.entries(options)) {
    for (const one of [value ?? ""].flat()) if (one !== "") form.append(name, one);
  }
  return form;
}

/** A new action of the history: what a person does with one click, and why. */
export function newAction(kind, why) {
  const time = new Date().toISOString().replace(/[-:]|\..*/g, "").replace("T", "-");
  const random = [...crypto.getRandomValues(new Uint8Array(3))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return { id: `${time}-${random}`, kind, why };
}

/** Change references; resolves to what the service says, and the id of the action, which can be undone. */
async function change(what, json, action = newAction(what)) {
  return { ...(await call("POST", `v1/references/${what}`, { json: { ...json, action } })), action: action.id };
}

const upload = (path) => (files, options, signal) =>
  patiently(() => call("POST", path, { form: formOf(files, options), signal }), signal);

export const api = {
  alive: () => call("GET", "healthz"),
  gallery: () => call("GET", "v1/gallery"),
  classes: () => call("GET", "v1/classes"),
  // By filter: as part of an address, a class named ".." would be another one.
  exported: () => call("GET", "v1/export", { as: "blob" }),
  renameClass: (label, to, action) => change("relabel", { where: labelled(label), label: to }, action),
  removeClass: (label) => change("remove", { where: labelled(label) }),
  references: ({ label, limit, after }) =>
    call("GET", `v1/references${query([["where", labelled(label)], ["limit", limit], ["after", after]])}`),
  inGroup: (group, after) => call("GET", `v1/references${query([["where", `group=${group}`], ["limit", 1000], ["after", after]])}`),
  reference: (id) => call("GET", `v1/references/${id}`),
  known: (ids) => call("POST", "v1/references/known", { json: { ids } }),
  relabel: (ids, label, action) => change("relabel", { ids, label }, action),
  remove: (ids, action) => change("remove", { ids }, action),
  regroup: (ids, group, action) => change("regroup", { ids, group }, action),
  dismiss: (marks, action) => change("dismiss", { marks }, action),
  history: ({ label, id, limit }) => call("GET", `v1/history${query([["label", label], ["id", id], ["limit", limit]])}`),
  undo: (action) => call("POST", `v1/history/${encodeURIComponent(action)}/undo`),
  original: (id) => call("GET", `v1/references/${id}/original`, { as: "blob" }),
  thumbnail: (id) => call("GET", `v1/references/${id}/thumbnail`, { as: "blob" }),
  classify: upload("v1/classify"),
  add: upload("v1/references"),
  review: ({ limit, after }) => call("GET", `v1/review${query([["limit", limit], ["after", after]])}`),
  reviewThumbnail: (id) => call("GET", `v1/review/${id}/thumbnail`, { as: "blob" }),
  reviewImage: (id) => call("GET", `v1/review/${id}/image`, { as: "blob" }),
  candidates: (id) => patiently(() => call("GET", `v1/review/${id}/candidates`)),
  restoreReviewed: (id) => call("POST", `v1/review/${id}/restore`),
  addReviewed: (ids, label, action) => patiently(() => call("POST", "v1/review", { json: { ids, label, action } })),
  dropReviewed: (id) => call("DELETE", `v1/review/${id}`),
  curated: (kind, between = null) => call("GET", `v1/curate/${kind}${query([["between", between]])}`),
  curate: (kind) => call("POST", `v1/curate/${kind}`),
  map: (meta) => call("GET", `v1/curate/map${query([["meta", meta]])}`),
  heads: () => call("GET", "v1/heads"),
  promote: (version) => call("POST", `v1/heads/${encodeURIComponent(version)}/promote`),
  rollback: () => call("POST", "v1/heads/rollback"),
  retrain: (options) => call("POST", "v1/retrain", { json: options }),
  cancelRetrain: () => call("DELETE", "v1/retrain"),
  retrainState: () => call("GET", "v1/retrain"),
};
