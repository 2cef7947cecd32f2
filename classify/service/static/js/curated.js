/** What the service found out about the gallery, and the job that finds it anew. */

import { api, pause } from "./api.js";
import { attempt, el } from "./dom.js";

const POLL_MS = 700;

/**
 * What was found of one kind, looked for first where nobody has yet. `show(result)` is called with it, now and whenever
 * somebody had it looked for again; `between()` is a key in which the members of a set are to differ. Resolves to the line that says how far the job is and how old the result is.
 */
export async function curated(kind, show, { signal }, between = () => null) {
  const words = el("span");
  const bar = el("progress", { "aria-label": "How far", max: 100, hidden: true });
  const again = el("button", { type: "button", hidden: true, onclick: look }, "Look again");
  const node = el("div.looked", { role: "group", "aria-label": "State of the search" }, el("p", { "aria-live": "polite" }, words), bar, again);
  const first = await api.curated(kind, between());
  if (first.result) show(first.result);
  if (first.state === "running") follow(first);
  else if (first.result) settle(first);
  else await look();
  return node;

  async function look() {
    again.hidden = true;
    const state = await attempt(() => api.curate(kind));
    if (state) follow(state);
    else again.hidden = false;
  }

  /** Show the job, and go on while it runs. */
  async function follow(started) {
    let state = started;
    again.hidden = true;
    while (state.state === "running" && !signal.aborted) {
      words.textContent = `Looking: ${state.step ?? "starting"}`;
      bar.hidden = false;
      bar.value = state.percent ?? 0;
      try {
        await pause(POLL_MS, signal);
        state = await api.curated(kind, between());
      } catch {
        if (signal.aborted) return; // elsewhere, the page says by itself that the service is gone
      }
    }
    if (signal.aborted) return;
    bar.hidden = true;
    if (state.result && state.state === "done") show(state.result);
    settle(state);
  }

  function settle({ state, error, current, result }) {
    again.hidden = state === "done" && current;
    again.textContent = result ? "Look again" : "Try again";
    words.textContent = state === "failed" ? error
      : current ? "" : "The gallery has changed since this was found. What you decided stays decided.";
    node.hidden = words.textContent === "";
  }
}
