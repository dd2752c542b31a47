// The arrangement in space: each level a floor, the input at the bottom; orbited, enlarged, moved. Painted pixel by
// pixel into one picture, with true perspective, because that is fast without a graphics card.
import { packed } from "./node_link_paint.js";
import { rgb, theme } from "./look.js";

const NEAR = 0.5;
const RISE = 2.6; // between floors, at least
const GAP = 0.22; // between maps, as a share of a map's side
const WIDE = [1.3, 4]; // a floor's width over its depth, about: between these, as the window is
const EDGE = 0.05; // width of a map's frame, in units of space
const LINES = 6; // pixels of a cell from which on its cells are told apart
const DEFAULT = { yaw: -0.42, pitch: 0.4, zoom: 1, x: 0, y: 0 };

export function spaceStage(levels) {
  let floors = []; // per level: null if hidden, else { y, cell, across, block, left, far, width, depth, step }
  let size = { width: 1, height: 1 };
  let camera = { ...DEFAULT };
  let distance = 60;
  let middle = 0;
  let buffer = null; // the picture, kept between frames
  const canvas = document.createElement("canvas");

  function arrange(width, height, hidden) {
    size = { width, height };
    const shown = levels.map((_, i) => i).filter((i) => !hidden.has(levels[i].key));
    floors = levels.map(() => null);
    // So high above one another that each can be seen, as the camera stands at first.
    let y = 0;
    let below = null;
    const wide = Math.max(WIDE[0], Math.min(WIDE[1], (2.4 * width) / height));
    for (const i of shown) {
      const floor = floorOf(levels[i], wide);
      if (below) y += Math.max(RISE, 0.24 * (below.depth + floor.depth) + 0.6);
      floors[i] = below = { ...floor, y };
    }
    middle = y / 2;
    adjustDistance();
    rise();
    return floors.map((floor) => floor && floor.block);
  }

  function floorOf(level, wide) {
    const maps3 = level.shape.length === 3;
    const flat = level.units <= 20 ? level.units : Math.ceil(Math.sqrt(level.units * 4.5));
    const block = maps3
      ? { maps: level.shape[0], rows: level.shape[1], columns: level.shape[2], units: level.units }
      : { maps: 1, rows: Math.ceil(level.units / flat), columns: flat, units: level.units };
    // Wide rather than deep, with an area that grows more slowly than the number of units.
    let [across, best] = [1, Infinity];
    for (let k = 1; k <= block.maps; k += 1) {
      const deep = Math.ceil(block.maps / k);
      const unfilled = deep - block.maps / k;
      const misfit = Math.abs(Math.log((k * block.columns) / (deep * block.rows) / wide)) + unfilled;
      if (misfit < best) [across, best] = [k, misfit];
    }
    const lines = Math.ceil(block.maps / across);
    const cells = across * block.columns * lines * block.rows;
    const cell = Math.min(0.9, Math.sqrt(level.units ** 0.52 / cells) * 1.7);
    const gap = block.maps > 1 ? GAP * Math.sqrt(block.columns * block.rows) * cell : 0;
    const step = [block.columns * cell + gap, block.rows * cell + gap];
    const [width, depth] = [across * step[0] - gap, lines * step[1] - gap];
    return { cell, across, block, step, width, depth, left: -width / 2, far: -depth / 2 };
  }

  // ---- from space to the screen ----
  function lens() {
    const [cy, sy, cp, sp] = [Math.cos(camera.yaw), Math.sin(camera.yaw), Math.cos(camera.pitch), Math.sin(camera.pitch)];
    // Rows of the rotation: about the upright axis, then the picture's horizontal.
    const r = [[cy, 0, sy], [sp * sy, cp, -sp * cy], [-cp * sy, sp, cp * cy]];
    const focus = 1.9 * Math.min(size.height, size.width * 1.1) * camera.zoom;
    return { r, focus, x: size.width / 2 + camera.x, y: size.height / 2 + camera.y };
  }
  function project(x, y, z, { r, focus, x: cx, y: cy } = lens()) {
    const up = y - middle;
    const depth = distance - (r[2][0] * x + r[2][1] * up + r[2][2] * z);
    if (depth < NEAR) return null;
    return [cx + (focus * (r[0][0] * x + r[0][1] * up + r[0][2] * z)) / depth, cy - (focus * (r[1][0] * x + r[1][1] * up + r[1][2] * z)) / depth];
  }
  // As far away as needed for all floors to be in sight.
  function adjustDistance() {
    const kept = camera;
    camera = { ...camera, zoom: 1, x: 0, y: 0 };
    let [low, high] = [5, 600];
    const narrow = size.width < 620;
    const reach = narrow ? 96 : 150;
    for (let tries = 0; tries < 24; tries += 1) {
      distance = (low + high) / 2;
      const eye = lens();
      const fits = floors.every(
        (floor) =>
          !floor ||
          corners(floor).every(([x, z]) => {
            const at = project(x, floor.y, z, eye);
            return at && at[0] > 8 + reach * 0.9 && at[0] < size.width - 12 - reach * 0.2 && at[1] > 28 && at[1] < size.height - 16;
          }),
      );
      fits ? (high = distance) : (low = distance);
    }
    distance = high;
    camera = kept;
  }
  // Higher, as long as that costs no size.
  function rise() {
    const [before, heights] = [distance, floors.map((floor) => floor?.y)];
    const stretch = (factor) => {
      floors.forEach((floor, i) => floor && (floor.y = heights[i] * factor));
      middle = (Math.max(...heights.filter((y) => y !== undefined)) * factor) / 2;
      adjustDistance();
    };
    for (let factor = 3; factor > 1; factor -= 0.2) {
      stretch(factor);
      if (distance <= before * 1.04) return;
    }
    stretch(1);
  }
  const corners = ({ left, far, width, depth }) => [[left, far], [left + width, far], [left + width, far + depth], [left, far + depth]];

  // The map from the screen back to a floor: (x, y, 1) → (x, z, 1) times something.
  function backTo(floor, { r, focus, x: cx, y: cy }) {
    const up = floor.y - middle;
    // Rows give: screen x times depth, screen y times depth, depth; columns belong to x, z and 1 of the floor.
    const depth = [-r[2][0], -r[2][2], distance - r[2][1] * up];
    const across = [focus * r[0][0], focus * r[0][2], focus * r[0][1] * up].map((v, k) => v + cx * depth[k]);
    const down = [-focus * r[1][0], -focus * r[1][2], -focus * r[1][1] * up].map((v, k) => v + cy * depth[k]);
    const [a, b, c, d, e, f, g, h, i] = [...across, ...down, ...depth];
    const inverse = [e * i - f * h, c * h - b * i, b * f - c * e, f * g - d * i, a * i - c * g, c * d - a * f, d * h - e * g, b * g - a * h, a * e - b * d];
    const determinant = a * inverse[0] + b * inverse[3] + c * inverse[6];
    return Math.abs(determinant) < 1e-9 ? null : inverse;
  }

  // Far floors first: one above the eye hides what is higher still, one below it what is lower.
  function order() {
    const eye = middle + distance * Math.sin(camera.pitch);
    return floors.map((floor, i) => i).filter((i) => floors[i]).sort((a, b) => Math.abs(floors[b].y - eye) - Math.abs(floors[a].y - eye));
  }

  // `ratio`: pixels painted per pixel of the page.
  function draw(context, atlas, { ratio = 1 } = {}) {
    const [width, height] = [Math.max(1, Math.round(size.width * ratio)), Math.max(1, Math.round(size.height * ratio))];
    if (!buffer || buffer.width !== width || buffer.height !== height) {
      [canvas.width, canvas.height] = [width, height];
      buffer = new ImageData(width, height);
    }
    const target = new Uint32Array(buffer.data.buffer);
    target.fill(0);
    const look = theme();
    const line = packed(rgb(look.dark ? "#3a4744" : "#c3cecb"));
    const seam = packed(rgb(look.paper));
    const eye = lens();
    for (const i of order()) paintFloor(target, width, height, ratio, atlas, i, eye, line, seam);
    const brush = canvas.getContext("2d");
    brush.putImageData(buffer, 0, 0);
    context.imageSmoothingEnabled = true;
    context.drawImage(canvas, 0, 0, size.width, size.height);
  }

  function paintFloor(target, width, height, ratio, atlas, i, eye, line, seam) {
    const floor = floors[i];
    const inverse = backTo(floor, eye);
    if (!inverse) return;
    const at = project(0, floor.y, 0, eye);
    const near = at && project(floor.cell, floor.y, 0, eye);
    const cellSize = near ? Math.hypot(near[0] - at[0], near[1] - at[1]) : 0;
    const slit = cellSize >= LINES ? Math.min(0.12, 0.55 / cellSize) : 0;
    const { maps, rows, columns, units } = floor.block;
    const scale = 1 / floor.cell;
    const [ia, ib, ic, id, ie, iff, ig, ih, ii] = inverse;
    for (let map = 0; map < maps; map += 1) {
      const left = floor.left + (map % floor.across) * floor.step[0];
      const far = floor.far + Math.floor(map / floor.across) * floor.step[1];
      const [w, d] = [columns * floor.cell, rows * floor.cell];
      const points = [[left - EDGE, far - EDGE], [left + w + EDGE, far - EDGE], [left + w + EDGE, far + d + EDGE], [left - EDGE, far + d + EDGE]].map(([x, z]) => project(x, floor.y, z, eye));
      if (points.includes(null)) continue;
      const from = Math.max(0, Math.ceil(Math.min(...points.map((p) => p[1])) * ratio - 0.5));
      const to = Math.min(height - 1, Math.floor(Math.max(...points.map((p) => p[1])) * ratio - 0.5));
      const [px, py] = atlas.place(i, map);
      const base = py * atlas.width + px;
      const source = atlas.pixels;
      const whole = maps > 1 || units === rows * columns;
      for (let y = from; y <= to; y += 1) {
        const sy = (y + 0.5) / ratio;
        let [begin, end] = [Infinity, -Infinity];
        for (let k = 0; k < 4; k += 1) {
          const [p, q] = [points[k], points[(k + 1) % 4]];
          if (p[1] <= sy === q[1] <= sy) continue;
          const x = p[0] + ((sy - p[1]) / (q[1] - p[1])) * (q[0] - p[0]);
          if (x < begin) begin = x;
          if (x > end) end = x;
        }
        const first = Math.max(0, Math.ceil(begin * ratio - 0.5));
        const last = Math.min(width - 1, Math.floor(end * ratio - 0.5));
        let x = (first + 0.5) / ratio;
        const pace = 1 / ratio;
        let u = ia * x + ib * sy + ic;
        let v = id * x + ie * sy + iff;
        let n = ig * x + ih * sy + ii;
        const [du, dv, dn] = [ia * pace, id * pace, ig * pace];
        for (let out = y * width + first, stop = y * width + last; out <= stop; out += 1) {
          const c = (u / n - left) * scale;
          const r = (v / n - far) * scale;
          if (c < 0 || r < 0 || c >= columns || r >= rows) target[out] = line;
          else {
            const [column, row] = [c | 0, r | 0];
            if (slit && (c - column < slit || r - row < slit)) target[out] = seam;
            else if (whole || row * columns + column < units) target[out] = source[base + row * atlas.width + column];
          }
          u += du;
          v += dv;
          n += dn;
        }
      }
    }
  }

  const spot = (i, number) => {
    const { rows, columns } = floors[i].block;
    const inside = number % (rows * columns);
    return [Math.floor(number / (rows * columns)), Math.floor(inside / columns), inside % columns];
  };
  function place(i, map, r, c) {
    const floor = floors[i];
    return [floor.left + (map % floor.across) * floor.step[0] + c * floor.cell, floor.far + Math.floor(map / floor.across) * floor.step[1] + r * floor.cell];
  }

  return {
    arrange,
    draw,
    spot,
    block: (i) => floors[i]?.block,
    pick(x, y) {
      const eye = lens();
      for (const i of order().reverse()) {
        const floor = floors[i];
        const inverse = backTo(floor, eye);
        if (!inverse) continue;
        const n = inverse[6] * x + inverse[7] * y + inverse[8];
        const u = (inverse[0] * x + inverse[1] * y + inverse[2]) / n - floor.left;
        const v = (inverse[3] * x + inverse[4] * y + inverse[5]) / n - floor.far;
        const at = project(u + floor.left, floor.y, v + floor.far, eye);
        if (!at || Math.hypot(at[0] - x, at[1] - y) > 1) continue; // behind the eye
        if (u < 0 || v < 0 || u > floor.width || v > floor.depth) continue;
        const [across, down] = [Math.floor(u / floor.step[0]), Math.floor(v / floor.step[1])];
        const column = Math.floor((u - across * floor.step[0]) / floor.cell);
        const row = Math.floor((v - down * floor.step[1]) / floor.cell);
        const { rows, columns, maps, units } = floor.block;
        const map = down * floor.across + across;
        if (map >= maps || column >= columns || row >= rows || across >= floor.across) continue;
        const number = map * rows * columns + row * columns + column;
        if (number < units) return { level: i, number };
      }
      return null;
    },
    quad(i, map, r0, c0, r1, c1) {
      if (!floors[i]) return null;
      const eye = lens();
      const points = [[r0, c0], [r0, c1], [r1, c1], [r1, c0]].map(([r, c]) => {
        const [x, z] = place(i, map, r, c);
        return project(x, floors[i].y, z, eye);
      });
      return points.includes(null) ? null : points;
    },
    centre(i, number) {
      if (!floors[i]) return null;
      const [map, r, c] = spot(i, number);
      const [x, z] = place(i, map, r + 0.5, c + 0.5);
      return project(x, floors[i].y, z);
    },
    label(i) {
      const floor = floors[i];
      if (!floor) return null;
      const eye = lens();
      const found = corners(floor).map(([x, z]) => project(x, floor.y, z, eye)).filter(Boolean);
      if (!found.length) return null;
      const [x, y] = found.reduce((a, b) => (b[0] < a[0] ? b : a));
      return { x: x - 10, y, align: "end", small: size.width < 620 };
    },
    // Where the names of the classes stand: beside the outputs' cells.
    names(i) {
      const floor = floors[i];
      if (!floor || floor.block.maps > 1 || floor.block.rows > 1) return null;
      return Array.from({ length: floor.block.columns }, (_, c) => {
        const [x, z] = place(i, 0, -0.75, c + 0.5);
        return project(x, floor.y, z);
      });
    },
    gutter: 0,
    get moved() {
      return Object.keys(DEFAULT).some((name) => camera[name] !== DEFAULT[name]);
    },
    fit() {
      camera = { ...DEFAULT };
      adjustDistance();
    },
    pan(dx, dy) {
      camera.x += dx;
      camera.y += dy;
    },
    orbit(dx, dy) {
      camera.yaw += dx * 0.008;
      camera.pitch = Math.max(-0.35, Math.min(1.5, camera.pitch + dy * 0.008));
    },
    zoom(factor, x, y) {
      const to = Math.max(0.5, Math.min(30, camera.zoom * factor));
      const ratio = to / camera.zoom;
      const [cx, cy] = [x - size.width / 2, y - size.height / 2];
      camera = { ...camera, zoom: to, x: cx - (cx - camera.x) * ratio, y: cy - (cy - camera.y) * ratio };
    },
    turn(dx, dy) {
      this.orbit(-dx * 12, dy * 12);
    },
    drag: "orbit",
    reveal() {},
  };
}
