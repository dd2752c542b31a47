// Values as colours: all units of a network as the pixels of one small picture, of which the view shows enlarged parts.
import { rgb, signedScale, theme } from "./look.js";

const WIDTH = 512; // of the picture, at least
const STEPS = 255; // colours on each side of zero

// `blocks[i]`: { maps, rows, columns, units } of level i, as the view arranges it.
// A level (units,) is one block of rows × columns, whose last row may be shorter.
export function makeAtlas(levels, blocks) {
  const width = Math.max(WIDTH, ...blocks.map((block) => block?.columns ?? 0));
  const parts = [];
  let top = 0;
  for (const block of blocks) {
    if (!block) {
      parts.push(null);
      continue;
    }
    const across = Math.floor(width / block.columns);
    parts.push({ ...block, across, top });
    top += Math.ceil(block.maps / across) * block.rows;
  }
  const height = Math.max(1, top);
  const image = new ImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const limits = levels.map(() => 1); // the value that has the full colour, per level
  let colours = null;

  // Colours all levels. `scale`: "map", "level" or "all" — over which units the strongest colour is found.
  function colour(values, scale) {
    colours ??= table();
    const { list, unknown } = colours;
    let overall = 0;
    if (scale === "all") overall = largest(values, 0, values.length) || 1;
    levels.forEach((level, place) => {
      const part = parts[place];
      const own = scale === "all" ? overall : largest(values, level.first, level.units) || 1;
      limits[place] = own;
      if (!part) return;
      const { rows, columns, across, units } = part;
      const size = rows * columns;
      for (let map = 0; map < part.maps; map += 1) {
        const from = level.first + map * size;
        const count = Math.min(size, units - map * size);
        const limit = scale === "map" && level.shape.length === 3 && part.maps > 1 ? largest(values, from, count) || 1 : own;
        const factor = STEPS / limit;
        let at = (part.top + Math.floor(map / across) * rows) * width + (map % across) * columns;
        for (let i = 0, column = 0; i < count; i += 1) {
          const step = values[from + i] * factor + STEPS + 0.5;
          pixels[at + column] = step >= 0 ? list[step > 2 * STEPS ? 2 * STEPS : step | 0] : step < 0 ? list[0] : unknown;
          column += 1;
          if (column === columns) {
            column = 0;
            at += width;
          }
        }
      }
    });
  }

  return {
    width,
    height,
    pixels,
    canvas,
    parts,
    limits,
    colour,
    // Brings the colours into `canvas`, from which flat views are drawn.
    upload: () => context.putImageData(image, 0, 0),
    // The part of the picture that shows a map: [left, top].
    place(level, map) {
      const part = parts[level];
      return [(map % part.across) * part.columns, part.top + Math.floor(map / part.across) * part.rows];
    },
    forgetColours: () => (colours = null),
  };
}

// The largest magnitude among some values; what is no number does not count.
export function largest(values, from, count) {
  let found = 0;
  for (let i = from; i < from + count; i += 1) {
    const size = Math.abs(values[i]);
    if (size > found && size < Infinity) found = size;
  }
  return found;
}

function table() {
  const scale = signedScale();
  const list = new Uint32Array(2 * STEPS + 1);
  for (let i = 0; i < list.length; i += 1) list[i] = packed(scale((i - STEPS) / STEPS));
  return { list, unknown: packed(rgb(theme().muted)) };
}

// A colour as the pixels of an ImageData hold it (all machines that run browsers are little-endian).
export const packed = ([r, g, b], alpha = 255) => ((alpha << 24) | (b << 16) | (g << 8) | r) >>> 0;

// The gradient of the legend, as CSS.
export function signedGradient() {
  const { low, mid, high } = theme();
  return `${low}, ${mid}, ${high}`;
}
