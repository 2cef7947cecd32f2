/** Duplicates: references that show the same thing, side by side; conflicts of labels first. */

import { api, newAction } from "./api.js";
import { curated } from "./curated.js";
import { oneByOne, unchanged } from "./decisions.js";
import { attempt, baseName, el, named, plural } from "./dom.js";
import { choices, field } from "./forms.js";
import { picture } from "./pictures.js";
import { showReference } from "./reference.js";
import { sayDone } from "./undo.js";

const SHOWN = 20; // sets before more are asked for
const SIDE_BY_SIDE = 12; // members shown of a set

export async function showDuplicates(root, visit) {
  const state = { sets: [], shown: SHOWN, threshold: null };
  const count = el("p.left", { "aria-live": "polite" });
  const empty = el("p.empty", { hidden: true }, "No two references show the same thing.");
  const list = el("ol.sets", { "aria-label": "Duplicates" });
  const more = el("button.more", { type: "button", onclick: () => { state.shown += SHOWN; draw(); } }, "Show more");
  const { filter_keys: keys } = await api.gallery();
  const between = el("select", { onchange: again }, choices([["", "all sets"], ["group", "across groups"],
    ...keys.filter((key) => key.startsWith("meta.")).map((key) => [key, `across ${key.slice(5)}`])]));
  const later = oneByOne((waiting) => { list.dataset.waiting = waiting; });
  root.append(await curated("duplicates", take, visit, () => between.value || null),
    el("div.row.filters", field("Show", between)), count, empty, list, more);

  async function again() {
    const { result } = await attempt(() => api.curated("duplicates", between.value || null)) ?? {};
    if (result) take(result);
  }

  function take({ sets, threshold }) {
    Object.assign(state, { sets, threshold, shown: SHOWN });
    draw();
  }

  function draw() {
    const { sets, threshold } = state;
    const conflicts = sets.filter(({ conflict }) => conflict).length;
    const leaks = sets.filter(({ leak }) => leak).length;
    count.textContent = sets.length
      ? `${plural(sets.length, "set")}: ${conflicts} with conflicting labels, ${leaks} across groups or values. Nearer than a similarity of ${threshold.toFixed(3)}.`
      : "";
    empty.hidden = sets.length > 0;
    const there = new Map([...list.children].map((node) => [node.dataset.set, node]));
    list.replaceChildren(...sets.slice(0, state.shown).map((one) => there.get(one.set) ?? card(one)));
    more.hidden = sets.length <= state.shown;
  }

  function card(one) {
    const { members } = one;
    const labels = [...new Set(members.map(({ label }) => label))];
    const groups = [...new Set(members.map(({ group }) => group))];
    const button = (words, action) => el("button", { type: "button", onclick: action }, words);
    return el("li.panel", { "data-set": one.set },
      el("div.heading", el("h2", plural(members.length, one.kind === "exact" ? "copy" : "look-alike", one.kind === "exact" ? "copies" : "look-alikes"), " ",
        one.conflict ? el("span.flag.warn", "labels differ") : null, " ", one.leak ? el("span.flag.warn", "across groups or values") : null),
        el("div.actions",
          labels.length > 1 ? labels.map((label) => button(["All are ", named(label)], () => relabel(one, label))) : null,
          groups.length > 1 || groups[0] === null ? button("Into one group", () => mergeGroups(one)) : null)),
      el("ul.members.beside", members.slice(0, SIDE_BY_SIDE).map((member) => figure(one, member))),
      members.length > SIDE_BY_SIDE ? el("p.soft", `and ${members.length - SIDE_BY_SIDE} more`) : null);
  }

  function figure(one, member) {
    const { id, label, group, source, width, height, copy_of: copyOf, similarity } = member;
    return el("li",
      el("button.open", { type: "button", "aria-label": `Reference of ${label}: details`, onclick: () => showReference(id, one.members.map((other) => other.id)) },
        picture("img", () => api.thumbnail(id), { alt: "", decoding: "async", width: 200, height: 200 })),
      el("strong", named(label)),
      el("span.soft", [copyOf ? "copy" : `similarity ${similarity.toFixed(3)}`, group ? `group ${group}` : null, width ? `${width} × ${height} px` : null].filter(Boolean).join(", ")),
      el("span.source", { title: source }, named(baseName(source))),
      el("div.actions",
        el("button.quiet", { type: "button", onclick: () => keepOnly(one, member) }, "Keep only this"),
        el("button.quiet", { type: "button", onclick: () => remove(one, [member]) }, "Remove")));
  }

  const relabel = (one, label) => settle(one, one.members.filter((member) => member.label !== label), `All are “${label}”`,
    (ids) => api.relabel(ids, label, newAction("relabel", "duplicates with different labels")));

  const keepOnly = (one, kept) => remove(one, one.members.filter((member) => member !== kept));

  const remove = (one, going) => settle(one, going, `${plural(going.length, "duplicate")} removed`,
    (ids) => api.remove(ids, newAction("remove", "duplicates")));

  /** Their groups become one, with all that is in them: they are on one side of every division then. */
  const mergeGroups = (one) => settle(one, one.members, "In one group", async (ids) => {
    const [into = `duplicates-${one.set}`, ...others] = new Set(one.members.map(({ group }) => group).filter(Boolean));
    for (const group of others) ids.push(...await idsOf(group));
    return api.regroup([...new Set(ids)], into, newAction("regroup", "duplicates are held together"));
  });

  /** The set leaves at once, and comes back where the service does not take what was decided. */
  function settle(one, members, words, act) {
    const at = state.sets.indexOf(one);
    state.sets.splice(at, 1);
    draw();
    const back = () => { state.sets.splice(at, 0, one); draw(); };
    later(async () => {
      try {
        const ids = await unchanged(members);
        if (ids.length) sayDone(words, (await act(ids)).action, back);
      } catch (error) {
        back();
        throw error;
      }
    });
  }
}

async function idsOf(group) {
  const ids = [];
  let after = null;
  do {
    const page = await api.inGroup(group, after);
    ids.push(...page.references.map(({ id }) => id));
    after = page.next_after;
  } while (after !== null);
  return ids;
}
