// What an animated convolution or pooling needs, and its arithmetic; nothing here draws.
import { FUNCTIONS } from "./function_curve.js";

// A layer's window on its way over the maps for one output map: sizes, maps, kernels, and what comes out.
// `unit` is any unit of that output map; `values(level)` gives all values of a level if the view has them,
// otherwise they are put together from the windows of enough units.
export async function gather({ ask, unit, level, below, values }) {
  const map = unit.index[0];
  const [, outRows, outColumns] = level.shape;
  const askUnit = async (row, column) => {
    const answer = await ask(level.key, [map, row, column]);
    if (answer?.error) throw new Error(answer.error);
    return answer;
  };
  const corner = await askUnit(0, 0);
  const second = await askUnit(Math.min(1, outRows - 1), Math.min(1, outColumns - 1));
  const [first, next] = [corner.inputs[0], second.inputs[0]];
  const kernel = [first.values.length, first.values[0].length];
  const origin = [first.row, first.column];
  const stride = [Math.max(1, next.row - first.row), Math.max(1, next.column - first.column)];
  const source = below(first.level);
  const [, rows, columns] = source.shape;
  const entries = corner.inputs.map((entry) => ({ map: entry.map, level: entry.level, weights: entry.weights?.flat() ?? null, input: null }));

  const whole = values?.(first.level);
  if (whole) {
    const area = rows * columns;
    for (const entry of entries) entry.input = Float64Array.from(whole.subarray(entry.map * area, (entry.map + 1) * area));
  } else {
    for (const entry of entries) entry.input = new Float64Array(rows * columns).fill(NaN);
    const tiles = (size, k, s) => [...new Set([...Array(size).keys()].filter((i) => i % Math.max(1, Math.floor(k / s)) === 0).concat(size - 1))];
    const asked = tiles(outRows, kernel[0], stride[0]).flatMap((row) => tiles(outColumns, kernel[1], stride[1]).map((column) => askUnit(row, column)));
    for (const seen of await Promise.all(asked))
      seen.inputs.forEach((entry, e) =>
        entry.values.forEach((line, r) =>
          line.forEach((value, c) => {
            const [y, x] = [entry.row + r, entry.column + c];
            if (y >= 0 && x >= 0 && y < rows && x < columns) entries[e].input[y * columns + x] = value;
          }),
        ),
      );
  }
  return { map, kind: unit.kind, rows, columns, outRows, outColumns, kernel, origin, stride, entries, bias: corner.bias, steps: corner.steps, area: kernel[0] * kernel[1] };
}

// What happens at one place of the kernel: every value, weight and product in order, the running sum, the output.
export function calculate(data, place) {
  const [row, column] = [Math.floor(place / data.outColumns), place % data.outColumns];
  const [top, left] = [data.origin[0] + row * data.stride[0], data.origin[1] + column * data.stride[1]];
  const values = [];
  const products = [];
  const padded = [];
  const running = [];
  const picks = data.kind === "maxpool";
  let sum = picks ? -Infinity : 0;
  for (const entry of data.entries)
    for (let r = 0; r < data.kernel[0]; r += 1)
      for (let c = 0; c < data.kernel[1]; c += 1) {
        const [y, x] = [top + r, left + c];
        const inside = y >= 0 && x >= 0 && y < data.rows && x < data.columns;
        const value = inside ? entry.input[y * data.columns + x] : 0;
        const product = picks ? value : value * entry.weights[r * data.kernel[1] + c];
        values.push(value);
        products.push(product);
        padded.push(!inside);
        if (!picks) sum += product;
        else if (inside) sum = Math.max(sum, value);
        running.push(sum);
      }
  const total = sum + (data.bias ?? 0);
  return { row, column, top, left, values, products, padded, running, sum, total, output: data.steps.reduce((value, step) => applied(step, value), total) };
}

// An elementwise step of a level on a number of one's own.
function applied(step, x) {
  const { mean, variance, epsilon, scale, shift } = step.numbers ?? {};
  if (step.kind === "norm") return ((x - mean) / Math.sqrt(variance + epsilon)) * scale + shift;
  return FUNCTIONS[step.name] ? FUNCTIONS[step.name](x) : x;
}

// The whole output map.
export function outputs(data) {
  return Float64Array.from({ length: data.outRows * data.outColumns }, (_, place) => calculate(data, place).output);
}
