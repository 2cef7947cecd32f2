/** What is known of every class beside its size: its recall, what it is taken for, how many are suspects. */

import { api } from "./api.js";

/**
 * A map from labels to `{recall, confused_with, suspects, says}`, each perhaps missing. From what `curate classes` and
 * `curate suspects` found last, or else from the active head's report; nothing is looked for here.
 */
export async function figuresOfClasses() {
  const [ready, suspects, heads] = await Promise.allSettled([api.curated("classes"), api.curated("suspects"), api.heads()]);
  const found = new Map();
  const note = (label, what) => found.set(label, { ...found.get(label), ...what });
  const { heads: all = [], active = null } = heads.value ?? {};
  const reported = all.find(({ version }) => version === active)?.report?.classes ?? [];
  for (const one of ready.value?.result?.classes ?? reported) note(one.label, one);
  const cohorts = suspects.value?.result?.cohorts;
  for (const { label, members } of cohorts ?? []) note(label, { suspects: (found.get(label)?.suspects ?? 0) + members.length });
  return { of: (label) => found.get(label) ?? {}, suspected: cohorts !== undefined };
}
