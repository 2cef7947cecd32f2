/** The key of a service that takes one. */

import { el } from "./dom.js";
import { ask, field } from "./forms.js";

// Of this tab and this origin: a cookie would go to every port of the host.
const KEPT = "holotype_key";

export const hasKey = () => sessionStorage.getItem(KEPT) !== null;

/** The headers of a request, with the key if there is one. */
export const withKey = (headers) => (hasKey() ? { ...headers, Authorization: `Bearer ${sessionStorage.getItem(KEPT)}` } : headers);

let asking = null;
let answer = { given: false, at: -Infinity }; // the last one; ms, as performance.now() counts

/**
 * Ask once, however many requests were refused; resolves to whether a key was given.
 * Requests that were under way when the answer was given, which began at `since`, take it too:
 * they were refused for what they were sent with, and go again with the key that came meanwhile.
 */
export async function askForKey(reason, { again, since }) {
  if (since < answer.at) return answer.given;
  asking ??= prompt(reason, again).finally(() => { asking = null; });
  const given = await asking;
  answer = { given, at: performance.now() };
  return given;
}

async function prompt(reason, again) {
  const data = await ask({
    title: again ? "Another key is needed" : "This service takes a key",
    text: again ? `The service says: ${reason}` : "Whoever runs it gives out keys: some only read, some may change the gallery too.",
    fields: [field("API key", el("input", {
      name: "key", type: "password", required: true, autocomplete: "off",
      pattern: "[ -~]+", title: "Letters, digits and signs of ASCII", // what a header can hold
    }))],
    action: "Continue",
  });
  if (!data) return false;
  sessionStorage.setItem(KEPT, data.get("key").trim());
  return true;
}
