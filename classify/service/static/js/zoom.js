/** Looking closer: the wheel, keys and buttons zoom, dragging and arrows move; several pictures go together. */

import { $$, el } from "./dom.js";

const MOST = 16; // times as large
const STEP = 1.3;
const PAN = 0.12; // of a picture's side, by a key

/**
 * A group of `panes`, each with a `.view` around its picture, that show the same part of it. Arrows that have
 * nothing to move, because all of it is shown, are left to others. `buttons` are for who has no wheel.
 */
export function zoomable(panes, spec = "div.zoomed") {
  const at = { scale: 1, x: 0, y: 0 }; // of the part's corner, in sides of a pane
  const node = el(spec, { tabIndex: 0, role: "group", "aria-label": `${panes.length > 1 ? "Pictures, zoomed together" : "Picture"}. Plus and minus zoom, arrows move, 0 shows all`,
    "aria-keyshortcuts": "+ - 0 ArrowLeft ArrowRight ArrowUp ArrowDown" }, panes);
  const draw = () => {
    for (const side of ["x", "y"]) at[side] = Math.min(0, Math.max(1 - at.scale, at[side]));
    for (const [name, value] of Object.entries(at)) node.style.setProperty(`--${name}`, value);
    node.classList.toggle("closer", at.scale > 1);
  };
  const zoom = (by, x = 0.5, y = 0.5) => {
    const scale = Math.min(MOST, Math.max(1, at.scale * by));
    at.x = x - (x - at.x) * (scale / at.scale);
    at.y = y - (y - at.y) * (scale / at.scale);
    at.scale = scale;
    draw();
  };
  const move = (x, y) => {
    at.x += x;
    at.y += y;
    draw();
  };
  const reset = () => zoom(1 / MOST);
  const zooming = { "+": () => zoom(STEP), "=": () => zoom(STEP), "-": () => zoom(1 / STEP), 0: reset };
  const moving = { ArrowLeft: () => move(PAN, 0), ArrowRight: () => move(-PAN, 0), ArrowUp: () => move(0, PAN), ArrowDown: () => move(0, -PAN) };
  node.addEventListener("keydown", (event) => {
    const act = zooming[event.key] ?? (at.scale > 1 ? moving[event.key] : null);
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  });
  for (const view of $$(".view", node)) followPointer(view, { zoom, move });
  draw();
  const button = (words, onclick) => el("button", { type: "button", onclick }, words);
  const buttons = [button("Zoom in", () => zoom(STEP)), button("Zoom out", () => zoom(1 / STEP)), button("All of it", reset)];
  return { node, buttons };
}

function followPointer(view, { zoom, move }) {
  view.addEventListener("wheel", (event) => {
    event.preventDefault();
    const { left, top, width, height } = view.getBoundingClientRect();
    zoom(event.deltaY < 0 ? STEP : 1 / STEP, (event.clientX - left) / width, (event.clientY - top) / height);
  }, { passive: false });
  view.addEventListener("pointerdown", (event) => view.setPointerCapture(event.pointerId));
  view.addEventListener("pointermove", (event) => {
    if (view.hasPointerCapture(event.pointerId)) move(event.movementX / view.clientWidth, event.movementY / view.clientHeight);
  });
}
