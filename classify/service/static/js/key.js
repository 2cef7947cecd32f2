/** The key of a service that takes one. */

import { el } from "./dom.js";
import { ask, field } from "./forms.js";

// A cookie, because the browser sends no header of ours with an image.
const COOKIE = "holotype_key";

export const hasKey = () => document.cookie.split("; ").some((pair) => pair.startsWith(`${COOKIE}=`));

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
    fields: [field("API key", el("input", { name: "key", type: "password", required: true, autocomplete: "off" }))],
    action: "Continue",
  });
  if (!data) return false;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${COOKIE}=${encodeURIComponent(data.get("key").trim())}; path=/; SameSite=Strict${secure}`;
  return true;
}
