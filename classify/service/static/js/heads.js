/** Heads: versions with their reports, what changed between two, and which one answers. */

import { api, pause } from "./api.js";
import { whiskers } from "./charts.js";
import { attempt, busy, changed, el, named, oneDecimal, plural, when } from "./dom.js";
import { ask } from "./forms.js";
import { comparison } from "./head_compare.js";
import { report, scoresOf } from "./head_report.js";
import { sayDone } from "./undo.js";

const POLL_MS = 700;
const CHARTED = 12; // newest versions in the chart

export async function showHeads(root, { signal }) {
  const job = el("div.job", { "aria-live": "polite" });
  const start = el("button.primary", { type: "button", onclick: retrain }, "Retrain now");
  const back = el("button", { type: "button", onclick: rollback }, "Roll back");
  const history = el("section", { "aria-label": "Versions over time" });
  const list = el("section.heads", { "aria-label": "Versions" });
  const changes = el("section", { "aria-label": "What changed" });
  let before = null;
  root.append(
    el("div.heading", el("h1", "Heads"), el("div.actions", start, back)),
    el("p.lead", "A head is trained from the stored vectors; no picture is read again. The active one answers, the others are kept."),
    job, list, changes, history);
  await load();
  follow(await api.retrainState());

  async function load() {
    const { heads, active, history: earlier } = await api.heads();
    const newest = [...heads].reverse();
    before = earlier.at(-1) ?? null;
    back.hidden = before === null;
    back.title = before === null ? "" : `To ${before}`;
    list.replaceChildren(...newest.map((head) => card(head, { active, promote })));
    if (!heads.length) list.append(el("p.empty", "No head was trained yet: the nearest references answer alone. Press “Retrain now”."));
    changes.replaceChildren(...comparison(newest, { active, before }));
    history.replaceChildren(...overTime(newest.slice(0, CHARTED), active));
  }

  /** Show the job, and go on while it runs. */
  async function follow(first) {
    let state = first;
    const began = Date.now();
    showJob(state, began);
    while (state.state === "running" && !signal.aborted) {
      try {
        await pause(POLL_MS, signal);
        state = await api.retrainState();
      } catch {
        if (signal.aborted) return;
        continue; // the page says by itself that the service is gone
      }
      showJob(state, began);
      if (state.state !== "running") {
        await attempt(load);
        changed();
      }
    }
  }

  function showJob(state, began) {
    const running = state.state === "running";
    start.disabled = running;
    job.className = `job ${state.state}`;
    if (!running) {
      job.replaceChildren(...outcomeOf(state));
      return;
    }
    if (!job.querySelector("progress")) {
      job.replaceChildren(
        el("progress", { "aria-label": "Training", max: 100 }), el("p.step"),
        el("p.elapsed", { "aria-hidden": "true" }), el("button", { type: "button", onclick: cancel }, "Cancel"));
    }
    const step = job.querySelector(".step");
    const words = `Training: ${state.step ?? "starting"}`;
    if (step.textContent !== words) step.textContent = words; // said once by screen readers
    const since = Date.parse(state.started_at) || began;
    const elapsed = state.elapsed_s ?? Math.max(0, (Date.now() - since) / 1000);
    job.querySelector(".elapsed").textContent = farness(state, elapsed);
    if (typeof state.percent === "number") job.querySelector("progress").value = state.percent;
  }

  async function cancel({ currentTarget: button }) {
    button.disabled = true;
    button.textContent = "Cancelling…";
    if (!await attempt(api.cancelRetrain)) {
      button.disabled = false;
      button.textContent = "Cancel";
    }
  }

  /** The button follows the job: it is for `showJob` to say when it may be used again. */
  async function retrain() {
    start.disabled = true;
    const state = await attempt(() => api.retrain({})) ?? await attempt(api.retrainState);
    if (state) follow(state);
    else start.disabled = false;
  }

  async function rollback() {
    const yes = await ask({
      title: "Roll back?", text: `Version ${before}, which was active before, answers again at once.`, action: "Roll back",
    });
    if (yes) await move(api.rollback);
  }

  async function promote(version) {
    const yes = await ask({ title: `Promote ${version}?`, text: "It answers at once; the present one can be rolled back to.", action: "Promote" });
    if (yes) await move(() => api.promote(version));
  }

  async function move(action) {
    const pointer = await attempt(action);
    if (!pointer) return;
    sayDone(`Head ${pointer.version} answers from now on`, pointer.action, load);
    await attempt(load);
    changed();
  }
}

/** Per cent, time gone and time left, as far as the service says so. */
function farness({ percent, eta_s: left }, elapsed) {
  const known = (value) => typeof value === "number";
  return [known(percent) ? `${Math.floor(percent)} %` : null, duration(elapsed),
    known(left) ? `about ${duration(left)} left` : null].filter(Boolean).join(" · ");
}

function duration(seconds) {
  const s = Math.round(seconds);
  return s < 100 ? `${s} s` : `${Math.round(s / 60)} min`;
}

/** What became of the last training, in words. */
function outcomeOf({ state, result, error, finished_at: finished }) {
  if (state === "failed") return [el("p", `The last training failed: ${error ?? "the service does not say why"}`)];
  if (state === "cancelled") return [el("p", `The training was cancelled${finished ? `, ${when(finished)}` : ""}. What answered before goes on answering.`)];
  if (state !== "done") return [];
  const words = { activated: "Trained", held: "Trained and held", not_needed: "Not trained" }[result?.status] ?? "Trained";
  return [el("p", `${words}${finished ? `, ${when(finished)}` : ""}. ${sentence(result?.reason)}`)];
}

const sentence = (text) => (text ? `${text[0].toUpperCase()}${text.slice(1)}.` : "");

function card(head, { active, promote }) {
  const isActive = head.version === active;
  const scores = scoresOf(head);
  const counts = Object.values(head.report?.gallery?.counts ?? {});
  const total = counts.reduce((sum, n) => sum + n, 0);
  const origin = [when(head.created_at), total ? plural(total, "reference") : null,
    plural(head.labels.length, "class", "classes"), head.report?.winner].filter(Boolean);
  return el(`article.head${isActive ? ".active" : ""}`, { "aria-label": `Head ${head.version}` },
    el("div.heading",
      el("h2.version", named(head.version), " ",
        isActive ? el("span.badge", "active") : null,
        head.status === "held" ? el("span.badge.held", "held") : null),
      isActive ? null : el("button", { type: "button", onclick: () => promote(head.version) }, "Promote")),
    el("p.soft", origin.join(" · ")),
    heldBecause(head),
    el("dl.figures",
      pair("Macro accuracy", oneDecimal(scores.macro_accuracy, scores.standard_error)),
      pair("Accuracy", oneDecimal(scores.accuracy)),
      pair("Macro F1", oneDecimal(scores.macro_f1))),
    el("details", { open: isActive }, el("summary", "Report"), report(head)));
}

function heldBecause({ status, report: { comparison } = {} }) {
  if (status !== "held" || !comparison?.reason) return null;
  return el("p.notice", `Held, because against ${comparison.champion} ${comparison.reason}. It answers only if you promote it.`);
}

const pair = (name, value) => el("div", el("dt", name), el("dd", value));

/** Macro accuracy of the versions, each with one standard error to both sides. */
function overTime(heads, active) {
  const measured = heads.filter((head) => scoresOf(head).macro_accuracy !== undefined);
  if (measured.length < 2) return [];
  return [el("h2", "Over time"),
    el("div.panel", el("p.soft", "Macro accuracy of each version, ± one standard error."),
      whiskers(measured.map((head) => ({
        label: head.version,
        value: scoresOf(head).macro_accuracy,
        error: scoresOf(head).standard_error ?? null,
        chosen: head.version === active,
      }))))];
}
