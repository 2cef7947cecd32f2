/** What was done to the gallery, by day, and its way back. */

import { api } from "./api.js";
import { busy, el, named, plural } from "./dom.js";
import { undo } from "./undo.js";

const SHOWN = 200;
const LABELS_SAID = 3;
const IS_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** `#/history` shows all, `#/history/ID` what changed a reference, `#/history/LABEL` what moved a label. */
export async function showHistory(root, { argument, signal }) {
  const list = el("div.history");
  const form = el("form.other", { role: "search", onsubmit: (event) => {
    event.preventDefault();
    const text = form.elements.only.value.trim();
    location.hash = text ? `#/history/${encodeURIComponent(text)}` : "#/history";
  } }, el("label", "Label or id ", el("input", { name: "only", type: "search", value: argument ?? "" })), el("button", "Show"));
  root.append(el("h1", "History"), form, list);
  await load();

  async function load() {
    const only = argument === null ? {} : IS_ID.test(argument) ? { id: argument } : { label: argument };
    const { actions } = await api.history({ ...only, limit: SHOWN });
    if (signal.aborted) return;
    const days = Map.groupBy(actions, ({ action }) => new Date(action.at).toLocaleDateString(undefined, { dateStyle: "full" }));
    list.replaceChildren(...[...days].flatMap(([day, entries]) => [
      el("h2", day), el("ul.plain", { "aria-label": day }, entries.map(line))]));
    if (!actions.length) list.append(el("p", "Nothing is in the history."));
  }

  function line(entry) {
    const { action } = entry;
    const time = new Date(action.at).toLocaleTimeString(undefined, { timeStyle: "short" });
    const button = el("button", { type: "button", disabled: entry.refused !== null, title: entry.refused ?? "",
      onclick: () => busy(button, async () => { if (await undo(action.id)) await load(); }) }, "Undo");
    const fate = entry.undone_by !== null ? "undone" : entry.undoes !== null ? "an undo" : "";
    return el("li.row.between", { "data-action": action.id },
      el("span", el("time", { datetime: action.at }, time), " ", el("strong", action.who), " ", did(entry), " ", ...moved(entry),
        action.why ? el("em", ` (${action.why})`) : "", fate ? el("span.soft", ` ${fate}`) : ""),
      button);
  }
}

const did = ({ what }) => Object.entries(what).map(([name, n]) => `${name} ${plural(n, name === "promoted" ? "head" : "reference")}`).join(", ");

function moved({ before, after }) {
  const [from, to] = [before, after].map((labels) => Object.keys(labels));
  return [...some(from), from.length && to.length ? " → " : "", ...some(to)];
}

const some = (labels) => labels.slice(0, LABELS_SAID).flatMap((label, i) => [i ? ", " : "", named(label)])
  .concat(labels.length > LABELS_SAID ? [` and ${labels.length - LABELS_SAID} more`] : []);
