/** Points on the graphics card: one WebGL2 call a frame, whatever their number. */

const VERTEX = `#version 300 es
in vec2 place;
in vec4 colour;
in float form;
uniform vec2 scale, shift;
uniform float size;
out vec4 ink;
flat out int shape;
void main() {
  shape = int(mod(form, 10.0));
  ink = colour;
  gl_Position = vec4(place * scale + shift, 0.0, 1.0);
  gl_PointSize = size * (form >= 10.0 ? 1.6 : 1.0) * (shape == 3 ? 3.2 : 1.0);
}`;

const FRAGMENT = `#version 300 es
precision mediump float;
in vec4 ink;
flat in int shape;
uniform vec3 edge;
out vec4 result;
float reach(vec2 p) {
  if (shape == 1) return abs(p.x) + abs(p.y);
  if (shape == 2) return 1.2 * max(abs(p.x), abs(p.y));
  if (shape == 3) {
    vec2 arm = sqrt(abs(p));
    return (arm.x + arm.y) * (arm.x + arm.y) / 1.3;
  }
  return length(p);
}
void main() {
  float d = reach(2.0 * gl_PointCoord - 1.0);
  if (d > 1.0) discard;
  vec3 colour = mix(ink.rgb, edge, 0.4 * smoothstep(0.65, 0.9, d));
  float alpha = ink.a * (1.0 - smoothstep(0.88, 1.0, d));
  result = vec4(colour * alpha, alpha);
}`;

/**
 * Draws on a canvas; null where the browser has no WebGL2. `place(xy)` and `paint({colours, forms, order})` hand
 * over what is drawn: pairs, RGBA bytes, shapes (0 disc, 1 diamond, 2 square, 3 star; 10 more is larger) and which
 * points, the last on top.
 */
export function pointsOnGpu(canvas) {
  const gl = canvas.getContext("webgl2", { antialias: false, depth: false, premultipliedAlpha: true });
  const program = gl && programOf(gl);
  if (!program) return null;
  gl.useProgram(program);
  const at = (name) => gl.getUniformLocation(program, name);
  const [scale, shift, size, edge] = ["scale", "shift", "size", "edge"].map(at);
  const attribute = (name, count, type, normalised) => {
    const [buffer, location] = [gl.createBuffer(), gl.getAttribLocation(program, name)];
    return (data) => {
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.bufferData(gl.ARRAY_BUFFER, data, gl.DYNAMIC_DRAW);
      gl.enableVertexAttribArray(location);
      gl.vertexAttribPointer(location, count, type, normalised, 0, 0);
    };
  };
  const fill = {
    place: attribute("place", 2, gl.FLOAT, false),
    colour: attribute("colour", 4, gl.UNSIGNED_BYTE, true),
    form: attribute("form", 1, gl.FLOAT, false),
  };
  const order = gl.createBuffer();
  let drawn = 0;
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  return {
    place: fill.place,
    paint({ colours, forms, order: rows }) {
      fill.colour(colours);
      fill.form(forms);
      gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, order);
      gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, rows, gl.DYNAMIC_DRAW);
      drawn = rows.length;
    },
    /** `view`: the middle {x, y}, pixels of a unit `k`, of a point `size`; `ink` is the colour of edges. */
    draw({ x, y, k, size: wide, ink }) {
      const { width, height } = canvas;
      gl.viewport(0, 0, width, height);
      gl.clearColor(0, 0, 0, 0);
      gl.clear(gl.COLOR_BUFFER_BIT);
      gl.uniform2f(scale, (2 * k) / width, (2 * k) / height);
      gl.uniform2f(shift, (-2 * k * x) / width, (-2 * k * y) / height);
      gl.uniform1f(size, wide);
      gl.uniform3fv(edge, ink);
      if (drawn) gl.drawElements(gl.POINTS, drawn, gl.UNSIGNED_INT, 0);
    },
    end: () => gl.getExtension("WEBGL_lose_context")?.loseContext(),
  };
}

function programOf(gl) {
  const program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  return gl.getProgramParameter(program, gl.LINK_STATUS) ? program : null;
}

/** The same, slower, for a browser without WebGL2: squares, and larger ones for stars. */
export function pointsOnCanvas(canvas) {
  const context = canvas.getContext("2d");
  let [xy, painted] = [new Float32Array(), { order: [] }];
  return {
    place(data) { xy = data; },
    paint(data) { painted = data; },
    draw({ x, y, k, size }) {
      const { width, height } = canvas;
      const { colours, forms, order } = painted;
      context.clearRect(0, 0, width, height);
      for (const i of order) {
        const wide = size * (forms[i] >= 10 ? 1.6 : 1) * (forms[i] % 10 === 3 ? 2.4 : 0.85);
        const [red, green, blue, alpha] = colours.subarray(4 * i, 4 * i + 4);
        context.fillStyle = `rgb(${red} ${green} ${blue} / ${alpha / 255})`;
        context.fillRect(width / 2 + (xy[2 * i] - x) * k - wide / 2, height / 2 - (xy[2 * i + 1] - y) * k - wide / 2, wide, wide);
      }
    },
    end() {},
  };
}
