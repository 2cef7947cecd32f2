/** The service's API. Every failure is an Error whose message a person can act on. */

const KEY_COOKIE = "holotype_key";

export class ApiError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

async function call(method, path, { json, form } = {}) {
  const init = { method, headers: { Accept: "application/json" } };
  if (json !== undefined) {
    init.body = JSON.stringify(json);
    init.headers["Content-Type"] = "application/json";
  } else if (form) init.body = form;
  let response;
  try {
    response = await fetch(path, init);
  } catch {
    throw new ApiError("The service does not answer: is it still running?", 0);
  }
  if (response.status === 401 && (await askForKey())) return call(method, path, { json, form });
  if (!response.ok) throw new ApiError(await reason(response), response.status);
  return response.status === 204 ? null : response.json();
}

async function reason(response) {
  try {
    const problem = await response.json();
    return problem.detail || problem.title;
  } catch {
    return `The service answered ${response.status}.`;
  }
}

/** The key goes into a cookie of this page, because images cannot send a header. */
async function askForKey() {
  const { ask, el } = await import("./dom.js");
  const data = await ask({
    title: "This service needs a key",
    fields: [el("div.field", el("label", { for: "api-key" }, "API key"),
      el("input", { id: "api-key", name: "key", type: "password", required: true, autocomplete: "off" }))],
    action: "Continue",
  });
  if (!data) return false;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${KEY_COOKIE}=${encodeURIComponent(data.get("key"))}; path=/; SameSite=Strict${secure}`;
  return true;
}

const query = (parameters) => {
  const search = new URLSearchParams();
  for (const [name, value] of parameters) if (value !== null && value !== undefined) search.append(name, value);
  const text = search.toString();
  return text ? `?${text}` : "";
};
const segment = (label) => label.split("/").map(encodeURIComponent).join("/");

export const api = {
  gallery: () => call("GET", "/v1/gallery"),
  classes: () => call("GET", "/v1/classes"),
  renameClass: (label, to) => call("PATCH", `/v1/classes/${segment(label)}`, { json: { label: to } }),
  removeClass: (label) => call("DELETE", `/v1/classes/${segment(label)}`),
  references: ({ label, limit, after }) =>
    call("GET", `/v1/references${query([["where", `label=${label}`], ["limit", limit], ["after", after]])}`),
  relabel: (ids, label) => call("POST", "/v1/references/relabel", { json: { ids, label } }),
  remove: (ids) => call("POST", "/v1/references/remove", { json: { ids } }),
  thumbnail: (id) => `/v1/references/${id}/thumbnail`,
  classify: (files, options) => call("POST", "/v1/classify", { form: formOf(files, options) }),
  add: (files, options) => call("POST", "/v1/references", { form: formOf(files, options) }),
  review: () => call("GET", "/v1/review"),
  reviewThumbnail: (id) => `/v1/review/${id}/thumbnail`,
  addReviewed: (ids, label) => call("POST", "/v1/review", { json: { ids, label } }),
  dropReviewed: (id) => call("DELETE", `/v1/review/${id}`),
  heads: () => call("GET", "/v1/heads"),
  promote: (version) => call("POST", `/v1/heads/${encodeURIComponent(version)}/promote`),
  rollback: () => call("POST", "/v1/heads/rollback"),
  retrain: () => call("POST", "/v1/retrain", { json: {} }),
  retrainState: () => call("GET", "/v1/retrain"),
};

function formOf(files, options) {
  const form = new FormData();
  for (const file of files) form.append("images", file, file.name);
  for (const [name, value] of Object.entries(options)) if (value !== "" && value !== null) form.append(name, value);
  return form;
}
