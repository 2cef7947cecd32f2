/** Decisions about references: done in their order, each an action of its own, and only to what is still what was looked at. */

import { api } from "./api.js";
import { changed, plural, say } from "./dom.js";

/** Does one thing after the other, so that what is undone has been done; errors are said. `told` hears how many wait. */
export function oneByOne(told = () => {}) {
  let waiting = 0;
  let last = Promise.resolve();
  return (action) => {
    told(waiting += 1);
    last = last.then(action).catch((error) => say(error.message, "error")).finally(() => {
      told(waiting -= 1);
      if (waiting === 0) changed();
    });
  };
}

/** Ids of those that still have the label that they were shown with; that some have not is said. */
export async function unchanged(members) {
  const ids = members.map(({ id }) => id);
  const { labels } = await api.known(ids);
  const same = members.filter(({ id, label }) => labels[id] === label).map(({ id }) => id);
  if (same.length < ids.length) say(`${plural(ids.length - same.length, "reference was", "references were")} changed elsewhere, and left alone`);
  return same;
}
