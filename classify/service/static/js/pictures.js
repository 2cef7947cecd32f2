/** Pictures of the service. A browser sends no key with an image, so they are fetched and shown from memory. */

import { el } from "./dom.js";

const actions = new WeakMap();
const watcher = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    watcher.unobserve(target);
    actions.get(target)();
  }
}, { rootMargin: "300px" });

/** Do something once, when an element comes near the window. */
export function onSight(node, action) {
  actions.set(node, action);
  watcher.observe(node);
}

/** Whether a reference has a picture; one whose vector came from elsewhere has none. */
export const isPicture = (reference) => reference.width > 0;

/** An image that is loaded when it comes near the window; `load` resolves to its bytes, a Blob. */
export function picture(spec, load, properties) {
  const image = el(spec, properties);
  onSight(image, async () => {
    try {
      const url = URL.createObjectURL(await load());
      for (const end of ["load", "error"]) image.addEventListener(end, () => URL.revokeObjectURL(url), { once: true });
      image.src = url;
    } catch {
      // Its description stands in for it.
    }
  });
  return image;
}
