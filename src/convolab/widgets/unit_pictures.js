// What a unit is given, its weights and their products as small pictures side by side, cell linked with cell.
import { css, crisp, h, onLookChange, signedScale, theme } from "./look.js";
import { fixed, leftOut } from "./unit_numbers.js";

export const PANELS = [
  ["values", "input"],
  ["weights", "weight"],
  ["products", "product"],
];
const SIGN = 20; // pixels between two panels, for × and =

// The largest size of each panel's numbers over all entries, so that equal colours mean equal numbers.
export function extentsOf(entries) {
  const extents = {};
  for (const [name] of PANELS) {
    let most = 0;
    for (const entry of entries) for (const row of entry[name] ?? []) for (const value of row) most = Math.max(most, Math.abs(value));
    extents[name] = most;
  }
  return extents;
}

// How long the lines of a folded row of cells are: nearly a square, with a last line that is full if that can be.
function lineLength(cells) {
  const least = Math.ceil(Math.sqrt(cells));
  for (let length = least; length <= 2 * least; length += 1) if (cells % length === 0) return length;
  return Math.ceil(Math.sqrt(cells * 1.2));
}

// Pictures of some entries of a unit's inputs, side by side as a mosaic; flat ones are folded into a rectangle.
// `onPoint(place)` is told what is pointed at ({ entry, row, column } or null), `onGo(place)` what was pressed; without
// them they are for looking at only.
export function pictures({ width, largest = 20, label, onPoint, onGo }) {
  const el = h("canvas.cl-cells", { tabindex: 0, role: "img", "aria-label": label });
  let entries = [];
  let extents = {};
  let winner = null; // { entry, row, column }
  let at = null;
  let layout = null;

  function arrange() {
    const panels = PANELS.filter(([name]) => entries[0]?.[name]).map(([name]) => name);
    const [rows, columns] = [entries[0].values.length, entries[0].values[0].length];
    const folded = rows === 1 && columns > 3 ? lineLength(columns) : columns;
    const tall = rows === 1 && columns > 3 ? Math.ceil(columns / folded) : rows;
    const across = Math.ceil(Math.sqrt(entries.length));
    const down = Math.ceil(entries.length / across);
    const room = (width - SIGN * (panels.length - 1)) / panels.length;
    const gap = entries.length > 1 && rows * columns > 1 ? 3 : 0;
    const fit = (room - gap * (across - 1)) / (across * folded);
    const cell = fit >= 1 ? Math.floor(Math.min(largest, fit)) : fit;
    const tile = [folded * cell, tall * cell];
    const side = [across * tile[0] + gap * (across - 1), down * tile[1] + gap * (down - 1)];
    const lefts = panels.map((_, i) => i * (side[0] + SIGN));
    return { panels, rows, columns, folded, tall, across, gap, cell, tile, side, lefts, width: lefts.at(-1) + side[0] + 2, height: side[1] + 2 };
  }
  // Where a cell stands within a panel.
  function spot({ entry, row, column }, l = layout) {
    const flat = row * l.columns + column;
    return [
      1 + (entry % l.across) * (l.tile[0] + l.gap) + (flat % l.folded) * l.cell,
      1 + Math.floor(entry / l.across) * (l.tile[1] + l.gap) + Math.floor(flat / l.folded) * l.cell,
    ];
  }
  function placeAt(x, y) {
    const l = layout;
    if (!l) return null;
    for (const left of l.lefts) {
      const [px, py] = [x - left - 1, y - 1];
      if (px < 0 || py < 0 || px >= l.side[0] || py >= l.side[1]) continue;
      const [tileX, tileY] = [Math.floor(px / (l.tile[0] + l.gap)), Math.floor(py / (l.tile[1] + l.gap))];
      const [column, row] = [Math.floor((px - tileX * (l.tile[0] + l.gap)) / l.cell), Math.floor((py - tileY * (l.tile[1] + l.gap)) / l.cell)];
      const entry = tileY * l.across + tileX;
      const flat = row * l.folded + column;
      if (entry >= entries.length || column >= l.folded || row >= l.tall || flat >= l.rows * l.columns) return null;
      return { entry, row: Math.floor(flat / l.columns), column: flat % l.columns };
    }
    return null;
  }

  function paint(context, l = layout) {
    const { ink, muted, line, paper, dark, font } = theme();
    const scale = signedScale();
    const table = Array.from({ length: 511 }, (_, i) => css(scale((i - 255) / 255)));
    l.panels.forEach((name, p) => {
      const largestValue = extents[name] || 1;
      const left = l.lefts[p];
      entries.forEach((entry, e) => {
        entry[name].forEach((row, r) =>
          row.forEach((value, c) => {
            if (Number.isNaN(value)) return; // not known yet
            const [x, y] = spot({ entry: e, row: r, column: c }, l);
            const share = Math.max(-1, Math.min(1, value / largestValue));
            context.fillStyle = table[Math.round(share * 255) + 255];
            context.fillRect(left + x, y, l.cell, l.cell);
            if (entry.padded?.[r]?.[c] && name !== "weights") hatch(context, left + x, y, l.cell, muted);
            if (l.cell < 29 || largestValue < 0.1) return; // no room for as many digits as small numbers need
            context.fillStyle = Math.abs(share) > 0.55 && !dark ? "#000" : ink;
            if (dark && Math.abs(share) > 0.6) context.fillStyle = "#000";
            context.font = `${l.cell < 34 ? 10 : l.cell < 44 ? 11 : 12}px ${font}`;
            context.textAlign = "center";
            context.textBaseline = "middle";
            context.fillText(leftOut(entry, r, c) ? "–" : fixed(value, 2), left + x + l.cell / 2, y + l.cell / 2);
          }),
        );
        const [x, y] = spot({ entry: e, row: 0, column: 0 }, l);
        context.strokeStyle = line;
        context.lineWidth = 1;
        context.strokeRect(left + x - 0.5, y - 0.5, l.tile[0] + 1, l.tile[1] + 1);
      });
      if (p > 0) {
        context.fillStyle = muted;
        context.font = `16px ${font}`;
        context.textAlign = "center";
        context.textBaseline = "middle";
        context.fillText(name === "weights" ? "×" : "=", left - SIGN / 2 + 1, l.height / 2);
      }
    });
    if (winner) frame(context, winner, l, 0, ink, paper);
    if (at) l.panels.forEach((_, p) => frame(context, at, l, l.lefts[p], ink, paper));
  }
  function frame(context, place, l, left, ink, paper) {
    const [x, y] = spot(place, l);
    const size = Math.max(l.cell, 4);
    context.lineWidth = 3;
    context.strokeStyle = paper;
    context.strokeRect(left + x + 0.5, y + 0.5, size - 1, size - 1);
    context.lineWidth = 1.5;
    context.strokeStyle = ink;
    context.strokeRect(left + x + 0.5, y + 0.5, size - 1, size - 1);
  }
  function hatch(context, x, y, cell, colour) {
    if (cell < 4) return;
    context.strokeStyle = colour;
    context.lineWidth = 0.75;
    context.beginPath();
    context.moveTo(x + cell * 0.2, y + cell * 0.8);
    context.lineTo(x + cell * 0.8, y + cell * 0.2);
    context.stroke();
  }
  function draw() {
    if (!entries.length) return;
    layout = arrange();
    paint(crisp(el, layout.width, layout.height));
  }
  function point(place) {
    const same = JSON.stringify(place) === JSON.stringify(at);
    at = place;
    if (same) return;
    draw();
    onPoint?.(at);
  }
  if (!onPoint) el.removeAttribute("tabindex");

  if (onPoint) listen();
  function listen() {
    el.addEventListener("pointermove", (event) => point(placeAt(event.offsetX, event.offsetY)));
    el.addEventListener("pointerleave", () => document.activeElement !== el && point(null));
    el.addEventListener("blur", () => point(null));
    el.addEventListener("click", (event) => {
      const place = placeAt(event.offsetX, event.offsetY);
      if (place) onGo(place);
    });
    el.addEventListener("keydown", keyed);
  }
  function keyed(event) {
    if (event.key === "Enter" && at) onGo(at);
    else {
      const way = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
      if (!way) return;
      point(at ? neighbour(way) : { entry: 0, row: 0, column: 0 });
    }
    event.preventDefault();
    event.stopPropagation();
  }
  // Over the edge of a map lies the next map of the mosaic.
  function neighbour([dy, dx]) {
    const l = layout;
    const flat = at.row * l.columns + at.column;
    let [x, y] = [(at.entry % l.across) * l.folded + (flat % l.folded) + dx, Math.floor(at.entry / l.across) * l.tall + Math.floor(flat / l.folded) + dy];
    const down = Math.ceil(entries.length / l.across);
    [x, y] = [Math.max(0, Math.min(l.across * l.folded - 1, x)), Math.max(0, Math.min(down * l.tall - 1, y))];
    const entry = Math.floor(y / l.tall) * l.across + Math.floor(x / l.folded);
    const cell = (y % l.tall) * l.folded + (x % l.folded);
    if (entry >= entries.length || cell >= l.rows * l.columns) return at;
    return { entry, row: Math.floor(cell / l.columns), column: cell % l.columns };
  }

  const close = onLookChange(el, draw);
  return {
    el,
    close,
    layout: () => layout ?? (layout = arrange()),
    paint: (context) => paint(context, layout),
    mark: (place) => (at = place),
    update(next, sizes, marked = null) {
      [entries, extents, winner] = [next, sizes, marked];
      draw();
      if (at) onPoint?.(at);
    },
  };
}
