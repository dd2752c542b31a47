// The flat arrangement: a row per level, the input at the bottom, as large as the window allows; moved and enlarged.
import { inkOn, short, theme } from "./look.js";

const GAP = 6; // between maps
const GUTTER = 156; // for the labels, in wide views
const NARROW = 620;
const LABEL = 30; // height that a label needs beside its row
const LABEL_ABOVE = 20;
const ROOM = 12;
const BETWEEN = [16, 96]; // rows: the edges must be seen
const TIGHT = 4; // between rows of deep networks
const TALLEST = 168; // pixels of a map
const SIDE = 28; // of a map, so small that all maps may stand side by side for it
const GRID = 10; // pixels of a cell from which on lines part the cells
const NUMBERS = 38; // pixels of a cell from which on its value stands in it
const APART = 12; // units up to which the outputs stand apart, each below its bar

// Width of the bar of a class above its output, see node_link_bars.js.
export const barPitch = (classes, width) => {
  const wanted = classes.some((name) => String(name).length > 3) ? 76 : 60;
  return Math.max(22, Math.min(wanted, Math.floor((width - (width < NARROW ? 0 : GUTTER) - 2 * ROOM) / Math.min(classes.length, APART))));
};
export const isNarrow = (width) => width < NARROW;

// How the units of a level stand: maps of rows and columns; a level (units,) is one block of lines.
function blockOf(level, cell, width, apart) {
  if (apart) return { maps: level.units, rows: 1, columns: 1, units: level.units };
  if (level.shape.length === 3) {
    const [maps, rows, columns] = level.shape;
    return { maps, rows, columns, units: level.units };
  }
  const most = Math.max(1, Math.floor(width / cell));
  const lines = Math.ceil(level.units / most);
  const columns = Math.ceil(level.units / lines);
  return { maps: 1, rows: lines, columns, units: level.units };
}

// Columns and rows of maps, and the size of all in pixels.
function extent(level, cell, width, pitch) {
  const block = blockOf(level, cell, width, pitch > 0);
  const gap = pitch > 0 ? Math.max(2, pitch - cell) : block.maps > 1 ? GAP : 0;
  const one = block.columns * cell;
  const most = Math.max(1, Math.floor((width + gap) / (one + gap)));
  const lines = Math.ceil(block.maps / most);
  const across = Math.ceil(block.maps / lines);
  return { block, gap, across, width: across * (one + gap) - gap, height: lines * (block.rows * cell + gap) - gap };
}

// All maps in one line, if they are still large enough then.
function sideBySide(level, cell, width, take) {
  if (level.shape.length !== 3) return;
  const [maps, rows, columns] = level.shape;
  const found = ((width + GAP) / maps - GAP) / columns;
  if (found < cell && found * rows >= SIDE) take(found > 3 ? Math.floor(found) : found);
}
function largestCell(level, last) {
  if (level.shape.length === 3) return level.shape[1] * level.shape[2] === 1 ? 20 : Math.max(1, Math.min(9, Math.floor(TALLEST / level.shape[1])));
  return level === last ? 38 : level.units <= 40 ? 20 : 13;
}
const smaller = (cell) => (cell > 3 ? cell - 1 : cell > 1.2 ? cell - 0.25 : cell * 0.9);

export function flatStage(levels, classes = []) {
  const last = levels.at(-1);
  let rows = []; // per level: null if hidden, else { top, left, cell, across, gap, block }
  let size = { width: 1, height: 1 };
  let gutter = GUTTER;
  let home = { x: 0, y: 0, zoom: 1 }; // all in sight
  let view = { ...home };

  function arrange(width, height, hidden) {
    size = { width, height };
    gutter = width < NARROW ? 0 : GUTTER;
    const inside = Math.max(60, width - gutter - 2 * ROOM);
    const above = gutter ? 0 : LABEL_ABOVE;
    const shown = levels.map((level, i) => i).filter((i) => !hidden.has(levels[i].key));
    const pitch = (level) => (level === last && level.shape.length === 1 && level.units <= APART ? barPitch(classes, width) : 0);
    const cells = levels.map((level) => Math.min(largestCell(level, last), Math.max(0.3, level.shape.length === 3 ? inside / level.shape[2] : 38), pitch(level) ? pitch(level) - 2 : 99));
    const extents = levels.map((level, i) => extent(level, cells[i], inside, pitch(level)));
    const slot = (i) => Math.max(extents[i].height + above, gutter ? LABEL : 0);
    const room = height - 2 * ROOM;
    const [least, most] = BETWEEN;
    const resize = (i, cell) => {
      cells[i] = cell;
      extents[i] = extent(levels[i], cell, inside, pitch(levels[i]));
    };
    const total = () => shown.reduce((sum, i) => sum + slot(i), 0) + least * Math.max(0, shown.length - 1);
    if (total() > room) shown.forEach((i) => sideBySide(levels[i], cells[i], inside, (cell) => resize(i, cell)));
    // Make the highest row smaller until all fit, or none is higher than its label.
    for (let tries = 0; tries < 2000 && total() > room; tries += 1) {
      const worst = shown.reduce((a, b) => (extents[b].height > extents[a].height ? b : a), shown[0]);
      if (extents[worst].height <= LABEL - (gutter ? 0 : 10)) break;
      resize(worst, smaller(cells[worst]));
    }
    const used = shown.reduce((sum, i) => sum + slot(i), 0);
    const between = shown.length > 1 ? Math.min(most, Math.max(TIGHT, (room - used) / (shown.length - 1))) : 0;
    const tall = used + between * (shown.length - 1);
    const zoom = Math.min(1, room / tall);
    home = { x: (gutter + ROOM) * (1 - zoom), y: 0, zoom };
    view = { ...home };
    let y = zoom < 1 ? ROOM / zoom : Math.max(ROOM, (height - tall) / 2);
    rows = levels.map(() => null);
    for (const i of [...shown].reverse()) {
      const { block, gap, across, width: wide, height: high } = extents[i];
      const left = Math.round(gutter + ROOM + (inside - wide) / 2);
      const top = Math.round(y + above + (slot(i) - above - high) / 2);
      rows[i] = { top, left, cell: cells[i], gap, across, block, width: wide, height: high };
      y += slot(i) + between;
    }
    return levels.map((_, i) => (rows[i] ? rows[i].block : null));
  }

  const sx = (x) => x * view.zoom + view.x;
  const sy = (y) => y * view.zoom + view.y;
  const zoom = () => view.zoom;
  const moved = () => view.zoom !== home.zoom || view.x !== home.x || view.y !== home.y;

  // Left, top, width and height of a map on the screen.
  function mapBox(i, map) {
    const row = rows[i];
    const { columns, rows: lines } = row.block;
    const left = row.left + (map % row.across) * (columns * row.cell + row.gap);
    const top = row.top + Math.floor(map / row.across) * (lines * row.cell + row.gap);
    return [sx(left), sy(top), columns * row.cell * zoom(), lines * row.cell * zoom()];
  }
  // Map, row and column of a unit in its block.
  function spot(i, number) {
    const { rows: lines, columns } = rows[i].block;
    const inside = number % (lines * columns);
    return [Math.floor(number / (lines * columns)), Math.floor(inside / columns), inside % columns];
  }

  function draw(context, atlas, { values }) {
    const look = theme();
    const { width, height } = size;
    context.imageSmoothingEnabled = false;
    const frames = [];
    const grids = [];
    rows.forEach((row, i) => {
      if (!row) return;
      const cell = row.cell * zoom();
      const { maps, rows: lines, columns, units } = row.block;
      context.imageSmoothingEnabled = cell < 1;
      for (let map = 0; map < maps; map += 1) {
        const [x, y, w, h] = mapBox(i, map);
        if (x > width || y > height || x + w < 0 || y + h < 0) continue;
        const [left, top] = atlas.place(i, map);
        context.drawImage(atlas.canvas, left, top, columns, lines, x, y, w, h);
        const ragged = maps === 1 && units < lines * columns;
        frames.push([x, y, w, h, ragged ? units - (lines - 1) * columns : columns, cell]);
        if (cell >= GRID) grids.push([x, y, lines, columns, cell, units]);
      }
    });
    context.fillStyle = look.dark ? "#000" : "#fff";
    if (grids.length) drawGrids(context, grids, look);
    context.strokeStyle = look.line;
    context.lineWidth = 1;
    context.beginPath();
    for (const [x, y, w, h, rest, cell] of frames) {
      const right = x + rest * cell;
      if (right >= x + w - 0.01) context.rect(x - 0.5, y - 0.5, w + 1, h + 1);
      else {
        context.moveTo(x - 0.5, y - 0.5);
        context.lineTo(x + w + 0.5, y - 0.5);
        context.lineTo(x + w + 0.5, y + h - cell + 0.5);
        context.lineTo(right + 0.5, y + h - cell + 0.5);
        context.lineTo(right + 0.5, y + h + 0.5);
        context.lineTo(x - 0.5, y + h + 0.5);
        context.closePath();
      }
    }
    context.stroke();
    if (values) drawTexts(context, atlas, values, look);
  }

  function drawGrids(context, grids, look) {
    context.strokeStyle = look.paper;
    context.lineWidth = 1;
    context.beginPath();
    for (const [x, y, lines, columns, cell] of grids) {
      const [fromColumn, toColumn] = [Math.max(1, Math.floor(-x / cell)), Math.min(columns - 1, Math.ceil((size.width - x) / cell))];
      const [fromLine, toLine] = [Math.max(1, Math.floor(-y / cell)), Math.min(lines - 1, Math.ceil((size.height - y) / cell))];
      for (let c = fromColumn; c <= toColumn; c += 1) {
        context.moveTo(Math.round(x + c * cell) - 0.5, y);
        context.lineTo(Math.round(x + c * cell) - 0.5, y + lines * cell);
      }
      for (let r = fromLine; r <= toLine; r += 1) {
        context.moveTo(x, Math.round(y + r * cell) - 0.5);
        context.lineTo(x + columns * cell, Math.round(y + r * cell) - 0.5);
      }
    }
    context.stroke();
  }

  // The classes on the outputs; the values in cells that are large enough.
  function drawTexts(context, atlas, values, look) {
    context.textAlign = "center";
    context.textBaseline = "middle";
    rows.forEach((row, i) => {
      if (!row) return;
      const cell = row.cell * zoom();
      const named = levels[i] === last && classes.length === levels[i].units && levels[i].shape.length === 1;
      if (cell < NUMBERS && !(named && cell >= 12)) return;
      const numbers = cell >= NUMBERS;
      const names = named && classes.every((name) => String(name).length * 9 <= cell - 4);
      const { maps, rows: lines, columns, units } = row.block;
      const ink = inkFor(atlas, values, i);
      for (let map = 0; map < maps; map += 1) {
        const [x, y] = mapBox(i, map);
        const [r0, r1] = [Math.max(0, Math.floor(-y / cell)), Math.min(lines, Math.ceil((size.height - y) / cell))];
        const [c0, c1] = [Math.max(0, Math.floor(-x / cell)), Math.min(columns, Math.ceil((size.width - x) / cell))];
        for (let r = r0; r < r1; r += 1) {
          for (let c = c0; c < c1; c += 1) {
            const number = map * lines * columns + r * columns + c;
            if (number >= units) continue;
            const value = values[levels[i].first + number];
            context.fillStyle = ink(number, value);
            const [cx, cy] = [x + (c + 0.5) * cell, y + (r + 0.5) * cell];
            if (names) {
              const name = String(classes[number]);
              context.font = `600 ${Math.min(15, cell * 0.45)}px ${look.font}`;
              context.fillText(name, cx, cy + (numbers && cell >= 44 ? -7 : 0));
            }
            if (numbers && (!names || cell >= 44)) {
              context.font = `${Math.min(13, Math.max(10, cell / 4.4))}px ${look.font}`;
              context.fillText(short(cell < 56 ? +value.toPrecision(2) : value), cx, cy + (names ? 9 : 0));
            }
          }
        }
      }
    });
  }
  function inkFor(atlas, values, i) {
    const part = atlas.parts[i];
    return (number) => {
      const inside = number % (part.rows * part.columns);
      const [left, top] = atlas.place(i, Math.floor(number / (part.rows * part.columns)));
      const pixel = atlas.pixels[(top + Math.floor(inside / part.columns)) * atlas.width + left + (inside % part.columns)];
      return inkOn([pixel & 255, (pixel >> 8) & 255, (pixel >> 16) & 255]);
    };
  }

  return {
    arrange,
    draw,
    // The unit under a point: { level, number }, or null.
    pick(x, y) {
      for (let i = 0; i < rows.length; i += 1) {
        const row = rows[i];
        if (!row) continue;
        const [px, py] = [(x - view.x) / view.zoom, (y - view.y) / view.zoom];
        const slack = row.cell < 4 ? 1 : 0;
        if (py < row.top - slack || py > row.top + row.height + slack || px < row.left - slack || px > row.left + row.width + slack) continue;
        const { maps, rows: lines, columns, units } = row.block;
        const [stepX, stepY] = [columns * row.cell + row.gap, lines * row.cell + row.gap];
        const [across, down] = [Math.floor((px - row.left) / stepX), Math.floor((py - row.top) / stepY)];
        const map = Math.max(0, down) * row.across + Math.max(0, across);
        const column = Math.floor((px - row.left - across * stepX) / row.cell);
        const line = Math.floor((py - row.top - down * stepY) / row.cell);
        if (map >= maps || column < 0 || column >= columns || line < 0 || line >= lines || across >= row.across) return null;
        const number = map * lines * columns + line * columns + column;
        return number < units ? { level: i, number } : null;
      }
      return null;
    },
    // The four corners of some cells of a map: rows r0 … r1 and columns c0 … c1, ends exclusive.
    quad(i, map, r0, c0, r1, c1) {
      if (!rows[i]) return null;
      const [x, y] = mapBox(i, map);
      const cell = rows[i].cell * zoom();
      const [x0, y0, x1, y1] = [x + c0 * cell, y + r0 * cell, x + c1 * cell, y + r1 * cell];
      return [[x0, y0], [x1, y0], [x1, y1], [x0, y1]];
    },
    spot,
    block: (i) => rows[i]?.block,
    centre(i, number) {
      if (!rows[i]) return null;
      const [map, r, c] = spot(i, number);
      const [x, y] = mapBox(i, map);
      const cell = rows[i].cell * zoom();
      return [x + (c + 0.5) * cell, y + (r + 0.5) * cell];
    },
    // Where the label of a level stands, and how.
    label(i) {
      const row = rows[i];
      if (!row) return null;
      if (!gutter) return { x: sx(row.left), y: sy(row.top) - 3, align: "above", over: moved() };
      return { x: ROOM, y: sy(row.top + row.height / 2), align: "beside", small: view.zoom < 0.85, over: moved() };
    },
    get gutter() {
      return gutter;
    },
    get moved() {
      return moved();
    },
    fit() {
      view = { ...home };
    },
    pan(dx, dy) {
      view.x += dx;
      view.y += dy;
      hold();
    },
    zoom(factor, x, y) {
      const to = Math.max(home.zoom, Math.min(40, view.zoom * factor));
      const ratio = to / view.zoom;
      view = { zoom: to, x: x - (x - view.x) * ratio, y: y - (y - view.y) * ratio };
      if (to < home.zoom * 1.001) view = { ...home };
      hold();
    },
    // By keyboard, with Shift.
    turn(dx, dy) {
      this.pan(-dx * 40, -dy * 40);
    },
    drag: "pan",
    // Bring a unit into sight.
    reveal(i, number) {
      const at = this.centre(i, number);
      if (!at || !moved()) return;
      const [x, y] = at;
      const margin = 40;
      this.pan(
        x < margin ? margin - x : x > size.width - margin ? size.width - margin - x : 0,
        y < margin ? margin - y : y > size.height - margin ? size.height - margin - y : 0,
      );
    },
  };

  // Some of the picture stays in sight.
  function hold() {
    const [w, h] = [size.width * view.zoom, size.height * view.zoom];
    view.x = Math.min(size.width * 0.6, Math.max(size.width * 0.4 - w, view.x));
    view.y = Math.min(size.height * 0.6, Math.max(size.height * 0.4 - h, view.y));
  }
}
