// What is drawn over the units: the marked unit, where it looks, and its incoming edges, coloured and weighted by
// contribution (weight × input).
import { theme } from "./look.js";
import { unitNumber } from "./node_link_frame.js";

const STRENGTHS = 8; // edges of like strength are drawn in one go
const FAINT = 0.015; // of the largest contribution; what is less is not drawn

export function drawMark(context, stage, at, colour, width = 2) {
  const quad = at && stage.centre(at.level, at.number) && quadOf(stage, at);
  if (!quad) return;
  outline(context, grown(quad, 1.5), colour, width);
}
function quadOf(stage, { level, number }) {
  const [map, r, c] = stage.spot(level, number);
  return stage.quad(level, map, r, c, r + 1, c + 1);
}
// A little larger, away from its centre; at least 6 pixels.
function grown(quad, by) {
  const [cx, cy] = [0, 1].map((k) => quad.reduce((sum, point) => sum + point[k], 0) / 4);
  return quad.map(([x, y]) => {
    const length = Math.hypot(x - cx, y - cy) || 1;
    const factor = Math.max(4.5, length + by * 1.4) / length;
    return [cx + (x - cx) * factor, cy + (y - cy) * factor];
  });
}
function outline(context, quad, colour, width, dash = []) {
  context.setLineDash(dash);
  context.lineWidth = width;
  context.strokeStyle = colour;
  context.lineJoin = "round";
  context.beginPath();
  quad.forEach(([x, y], k) => (k ? context.lineTo(x, y) : context.moveTo(x, y)));
  context.closePath();
  context.stroke();
  context.setLineDash([]);
}

// `unit`: a unit's JSON (see Unit.to_json); `find(key)` gives the place of a level and the level.
// Gives back the largest contribution, for the legend.
export function drawEdges(context, stage, unit, find) {
  const look = theme();
  const own = find(unit.level);
  const end = own && stage.centre(own.place, unitNumber(own.level, unit.index));
  if (!end) return 0;
  drawField(context, stage, unit, find, look);
  const { edges, strongest } = edgesOf(unit, find, stage);
  for (const box of patches(unit, find, stage)) outline(context, grown(box, 0.5), look.accent, 1.25);
  const buckets = new Map();
  for (const { from, product } of edges) {
    const strength = strongest ? Math.abs(product) / strongest : 0;
    if (strength < FAINT && strongest) continue;
    const bucket = (product < 0 ? -1 : 1) * Math.ceil(strength * STRENGTHS);
    if (!buckets.has(bucket)) buckets.set(bucket, []);
    buckets.get(bucket).push(from);
  }
  const many = edges.length > 200;
  context.lineCap = "round";
  for (const bucket of [...buckets.keys()].sort((a, b) => Math.abs(a) - Math.abs(b))) {
    const strength = Math.abs(bucket) / STRENGTHS;
    context.strokeStyle = bucket === 0 ? look.muted : bucket < 0 ? look.low : look.high;
    context.globalAlpha = (many ? 0.08 : 0.2) + (many ? 0.72 : 0.75) * strength ** 1.3;
    context.lineWidth = 0.6 + 2.6 * strength ** 1.5;
    context.beginPath();
    for (const [x, y] of buckets.get(bucket)) {
      context.moveTo(x, y);
      context.lineTo(end[0], end[1]);
    }
    context.stroke();
  }
  context.globalAlpha = 1;
  return strongest;
}

function edgesOf(unit, find, stage) {
  const edges = [];
  let strongest = 0;
  const winner = unit.winner && find(unit.winner.level);
  const won = winner ? unitNumber(winner.level, unit.winner.index) : -1;
  for (const entry of unit.inputs) {
    const below = find(entry.level);
    if (!below || !stage.centre(below.place, 0)) continue;
    entry.values.forEach((line, r) =>
      line.forEach((value, c) => {
        if (entry.padded?.[r]?.[c]) return;
        const index = entry.map == null ? [(entry.column ?? 0) + c] : [entry.map, entry.row + r, entry.column + c];
        const number = unitNumber(below.level, index);
        // Of max pooling only the winner contributes.
        const product = unit.winner ? (number === won ? value : 0) : entry.products?.[r]?.[c] ?? 0;
        const from = stage.centre(below.place, number);
        if (!from) return;
        edges.push({ from, product });
        strongest = Math.max(strongest, Math.abs(product));
      }),
    );
  }
  return { edges, strongest };
}

// The windows it looks through, on the maps below.
function patches(unit, find, stage) {
  const found = [];
  for (const entry of unit.inputs) {
    const below = find(entry.level);
    if (!below || entry.map == null || below.level.shape.length !== 3) continue;
    const [, rows, columns] = below.level.shape;
    const [h, w] = [entry.values.length, entry.values[0]?.length ?? 0];
    if (h >= rows && w >= columns) continue;
    const quad = stage.quad(below.place, entry.map, Math.max(0, entry.row), Math.max(0, entry.column), Math.min(rows, entry.row + h), Math.min(columns, entry.column + w));
    if (quad) found.push(quad);
  }
  return found;
}

// Where it looks in the input.
function drawField(context, stage, unit, find, look) {
  const input = find("input");
  const [top, left, bottom, right] = unit.field ?? [0, 0, 0, 0];
  if (!input || unit.level === "input" || bottom <= top) return;
  if (unit.inputs.some((entry) => entry.level === "input")) return; // its window says the same
  for (let map = 0; map < input.level.shape[0]; map += 1) {
    const quad = stage.quad(input.place, map, top, left, bottom, right);
    if (quad) outline(context, grown(quad, 0.5), look.accent, 1.25, [4, 3]);
  }
}
