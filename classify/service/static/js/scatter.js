/** Points to look around in: zoomed and moved, pointed at, and lassoed. What they mean is for others to say. */

import { el, svg } from "./dom.js";
import { pointsOnCanvas, pointsOnGpu } from "./points_gl.js";

const STEP = 1.3;
const PAN = 60; // px by a key
const [CLOSEST, MOST] = [0.8, 400]; // times as large as all of it
const REACH = 14; // px from the pointer to a point that is meant
const STILL = 5; // px that a click may move
const CELLS = 96; // of a side of the grid that says what is near

/**
 * `pointed(i, x, y)` is called with the point under the pointer (null: none), `picked(i)` with one that is clicked,
 * `lassoed(rows)` with all inside a line that was drawn. `tool` is "move" or "lasso"; Shift is the other one.
 */
export function scatter({ name, pointed, picked, lassoed, signal }) {
  const canvas = el("canvas");
  const line = svg("polygon");
  const node = el("div.scatter", { tabIndex: 0, role: "group", "aria-label": name, "aria-keyshortcuts": "+ - 0 ArrowLeft ArrowRight ArrowUp ArrowDown" },
    canvas, svg("svg.lasso", { "aria-hidden": "true" }, line));
  const points = pointsOnGpu(canvas) ?? pointsOnCanvas(canvas);
  const view = { x: 0, y: 0, k: 1 };
  const self = { node, tool: "move", place, paint, show, zoom: (by) => zoom(by, canvas.clientWidth / 2, canvas.clientHeight / 2), fit, inView, at };
  let [xy, order, near] = [new Float32Array(), [], null];
  let [box, fitted, waiting, ink] = [{ x: 0, y: 0, wide: 2, high: 2 }, true, 0, [0, 0, 0]];

  const sized = new ResizeObserver(() => {
    const dots = window.devicePixelRatio;
    const [width, height] = [Math.round(canvas.clientWidth * dots), Math.round(canvas.clientHeight * dots)];
    if (canvas.width === width && canvas.height === height) return;
    Object.assign(canvas, { width, height });
    if (fitted) fit();
    show();
  });
  sized.observe(node);
  signal.addEventListener("abort", () => { sized.disconnect(); cancelAnimationFrame(waiting); points.end(); }, { once: true });
  follow();
  return self;

  /** Where the points are: pairs x, y. */
  function place(pairs, { keepView = false } = {}) {
    xy = pairs;
    points.place(pairs);
    const [xs, ys] = [0, 1].map((side) => extent(pairs, side));
    box = { x: (xs[0] + xs[1]) / 2, y: (ys[0] + ys[1]) / 2, wide: xs[1] - xs[0] || 1, high: ys[1] - ys[0] || 1, left: xs[0], low: ys[0] };
    near = null;
    if (!keepView) fit();
  }

  function paint(painted) {
    order = painted.order;
    ink = painted.ink;
    near = null;
    points.paint(painted);
    show();
  }

  function show() {
    if (waiting || signal.aborted) return;
    waiting = requestAnimationFrame(() => {
      waiting = 0;
      const dots = window.devicePixelRatio;
      points.draw({ x: view.x, y: view.y, k: view.k * dots, size: wide() * dots, ink });
    });
  }

  /** Of a point, px: larger where there are few, or they are looked at closely. */
  function wide() {
    const crowd = Math.min(10, Math.max(4.5, 320 / Math.sqrt(order.length + 1)));
    return crowd * Math.min(2.2, Math.max(1, (view.k / whole()) ** 0.3));
  }

  function whole() {
    return 0.92 * Math.min(canvas.clientWidth / box.wide, canvas.clientHeight / box.high) || 1;
  }

  function fit() {
    Object.assign(view, { x: box.x, y: box.y, k: whole() });
    fitted = true;
    show();
  }

  function zoom(by, left, top) {
    const before = at(left, top);
    view.k = Math.min(MOST * whole(), Math.max(CLOSEST * whole(), view.k * by));
    const after = at(left, top);
    view.x += before.x - after.x;
    view.y += before.y - after.y;
    fitted = false;
    show();
  }

  function move(right, down) {
    view.x -= right / view.k;
    view.y += down / view.k;
    fitted = false;
    show();
  }

  /** What lies at a pixel of the node. */
  function at(left, top) {
    return { x: view.x + (left - canvas.clientWidth / 2) / view.k, y: view.y - (top - canvas.clientHeight / 2) / view.k };
  }

  /** Rows of all points that the window shows. */
  function inView() {
    const [low, high] = [at(0, canvas.clientHeight), at(canvas.clientWidth, 0)];
    return [...order].filter((i) => xy[2 * i] >= low.x && xy[2 * i] <= high.x && xy[2 * i + 1] >= low.y && xy[2 * i + 1] <= high.y);
  }

  function cellOf(x, y) {
    const [column, row] = [(x - box.left) / box.wide, (y - box.low) / box.high].map((share) => Math.floor(share * (CELLS - 1)));
    return { column, row };
  }

  function nearest(left, top) {
    if (near === null) {
      near = new Map();
      order.forEach((i, z) => {
        const { column, row } = cellOf(xy[2 * i], xy[2 * i + 1]);
        const key = column * CELLS + row;
        if (!near.has(key)) near.set(key, []);
        near.get(key).push([i, z]);
      });
    }
    const [one, other] = [at(left - REACH, top + REACH), at(left + REACH, top - REACH)];
    const [from, to] = [cellOf(one.x, one.y), cellOf(other.x, other.y)];
    const [columns, rows] = [[from.column, to.column], [from.row, to.row]].map(([low, high]) => [Math.max(0, low), Math.min(CELLS - 1, high)]);
    const here = at(left, top);
    let best = { i: null, far: REACH / view.k, z: -1 };
    for (let column = columns[0]; column <= columns[1]; column += 1) {
      for (let row = rows[0]; row <= rows[1]; row += 1) {
        for (const [i, z] of near.get(column * CELLS + row) ?? []) {
          const far = Math.hypot(xy[2 * i] - here.x, xy[2 * i + 1] - here.y);
          if (far < best.far || (far === best.far && z > best.z)) best = { i, far, z };
        }
      }
    }
    return best.i;
  }

  /** Rows of all points inside a line of pixels. */
  function inside(corners) {
    const around = corners.map(([left, top]) => at(left, top));
    return [...order].filter((i) => isInside(xy[2 * i], xy[2 * i + 1], around));
  }

  function follow() {
    const down = new Map(); // pointers that touch it: [left, top]
    let [drawn, began, pinched] = [null, null, false];
    const pixel = (event) => {
      const { left, top } = node.getBoundingClientRect();
      return [event.clientX - left, event.clientY - top];
    };
    const drawLine = () => line.setAttribute("points", (drawn ?? []).map((corner) => corner.map(Math.round).join(",")).join(" "));
    const middle = () => [...down.values()].reduce(([x, y], [left, top]) => [x + left / down.size, y + top / down.size], [0, 0]);
    const spread = () => { const [one, two] = [...down.values()]; return Math.hypot(one[0] - two[0], one[1] - two[1]) || 1; };

    node.addEventListener("wheel", (event) => {
      event.preventDefault();
      zoom(STEP ** (-event.deltaY / (event.deltaMode ? 3 : 100)), ...pixel(event));
    }, { passive: false });
    node.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      node.setPointerCapture(event.pointerId);
      down.set(event.pointerId, pixel(event));
      began = pixel(event);
      pinched = down.size > 1;
      drawn = !pinched && (self.tool === "lasso") !== event.shiftKey ? [began] : null;
      drawLine();
      pointed(null);
    });
    node.addEventListener("pointermove", (event) => {
      const now = pixel(event);
      if (!down.has(event.pointerId)) {
        if (event.pointerType === "mouse") pointed(nearest(...now), ...now);
        return;
      }
      const [before, apart] = [middle(), down.size > 1 ? spread() : 1];
      down.set(event.pointerId, now);
      if (drawn) {
        drawn.push(now);
        drawLine();
        return;
      }
      const after = middle();
      move(after[0] - before[0], after[1] - before[1]);
      if (down.size > 1) zoom(spread() / apart, ...after);
    });
    const lift = (event) => {
      if (!down.delete(event.pointerId) || down.size) return;
      const now = pixel(event);
      const corners = drawn;
      drawn = null;
      drawLine();
      if (pinched || event.type === "pointercancel") return;
      if (Math.hypot(now[0] - began[0], now[1] - began[1]) < STILL && (corners?.length ?? 0) < 8) picked(nearest(...now), ...now);
      else if (corners) lassoed(inside(corners));
    };
    node.addEventListener("pointerup", lift);
    node.addEventListener("pointercancel", lift);
    node.addEventListener("pointerleave", () => pointed(null));
    const keys = { "+": () => self.zoom(STEP), "=": () => self.zoom(STEP), "-": () => self.zoom(1 / STEP), 0: fit,
      ArrowLeft: () => move(PAN, 0), ArrowRight: () => move(-PAN, 0), ArrowUp: () => move(0, PAN), ArrowDown: () => move(0, -PAN) };
    node.addEventListener("keydown", (event) => {
      if (!Object.hasOwn(keys, event.key) || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      keys[event.key]();
    });
  }
}

function extent(pairs, side) {
  let [low, high] = [Infinity, -Infinity];
  for (let i = side; i < pairs.length; i += 2) {
    low = Math.min(low, pairs[i]);
    high = Math.max(high, pairs[i]);
  }
  return pairs.length ? [low, high] : [-1, 1];
}

/** Whether a line that goes from the point to the right crosses the outline an odd number of times. */
function isInside(x, y, around) {
  let odd = false;
  let before = around.at(-1);
  for (const corner of around) {
    if ((corner.y > y) !== (before.y > y) && x < ((before.x - corner.x) * (y - corner.y)) / (before.y - corner.y) + corner.x) odd = !odd;
    before = corner;
  }
  return odd;
}
