// Numbers that add up as they are shown: how many decimals each step of a sum needs, and numbers as text.
import { h, setText } from "./look.js";

const MOST = 9;

const scaled = (value, decimals) => Math.sign(value) * Math.round(Math.abs(value) * 10 ** decimals);

// "−0.0131": always with `decimals` digits after the point, with a true minus, never "−0.000".
export function fixed(value, decimals) {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "not a number" : value > 0 ? "∞" : "−∞";
  const whole = scaled(value, decimals);
  return `${whole < 0 ? "−" : ""}${(Math.abs(whole) / 10 ** decimals).toFixed(decimals)}`;
}
// As many digits as a float32 has, for reading a single number.
export const exact = (value) => String(+value.toPrecision(7)).replace("-", "−");

// Decimals with which numbers of this size show three digits or more.
export function decimalsFor(size) {
  if (!(size > 0) || !Number.isFinite(size)) return 3;
  return Math.max(1, Math.min(7, 3 - Math.ceil(Math.log10(size))));
}

// The fewest decimals, from `least` up, with which the shown `parts` add up to the shown `total` (of `shown` decimals).
export function decimalsOfParts(parts, total, shown, least = shown) {
  const wanted = scaled(total, shown);
  for (let decimals = least; decimals < MOST; decimals += 1) {
    const sum = parts.reduce((all, part) => all + scaled(part, decimals), 0);
    if (scaled(sum / 10 ** decimals, shown) === wanted) return decimals;
  }
  return MOST;
}

// How many decimals the parts of a unit's arithmetic need: { total, parts, cells }. `listed`: all products are shown
// as one list with one sum, instead of one sum per input map.
export function decimalsOf(unit, listed = false) {
  const sums = listed ? [sumOf(unit)] : unit.inputs.map((entry) => entry.sum);
  const parts = unit.bias == null ? sums : [...sums, unit.bias];
  const total = Math.max(decimalsFor(Math.abs(unit.sum)), decimalsFor(Math.max(0, ...parts.map(Math.abs))));
  if (!unit.inputs.length || unit.kind === "maxpool") return { total, parts: total, cells: total };
  const ofParts = decimalsOfParts(parts, unit.sum, total);
  if (listed) return { total, parts: ofParts, cells: ofParts };
  const cells = unit.inputs.map((entry) => (entry.products ? decimalsOfParts(entry.products.flat(), entry.sum, ofParts) : ofParts));
  return { total, parts: ofParts, cells: Math.max(...cells) };
}
// Of all products, without the bias.
export const sumOf = (unit) => unit.inputs.reduce((all, entry) => all + entry.sum, 0);

// An element that shows a number and tells it in full as `data-value`; `role` says what it is.
export function number(role, tag = "span.cl-num") {
  const el = h(tag, { "data-role": role });
  return { el, set: (value, decimals) => put(el, value, decimals) };
}
export function put(el, value, decimals) {
  if (value === null) {
    delete el.dataset.value;
    return setText(el, "–");
  }
  const text = String(value);
  if (el.dataset.value !== text) el.dataset.value = text;
  setText(el, fixed(value, decimals));
}

// Whether a cell lies outside of the map below and does not count: max pooling leaves such cells out.
export const leftOut = (entry, row, column) => !entry.weights && !!entry.padded?.[row]?.[column];

// All numbers of a unit as CSV: one line per input, then bias, sum, steps and output.
export function unitCsv(unit) {
  const lines = ["part,level,map,row,column,input,weight,product"];
  for (const entry of unit.inputs)
    entry.values.forEach((row, r) =>
      row.forEach((value, c) => {
        const place = entry.map == null ? ["", "", (entry.column ?? 0) + c] : [entry.map, entry.row + r, entry.column + c];
        const part = entry.padded?.[r]?.[c] ? "padding" : "input";
        lines.push([part, entry.level, ...place, leftOut(entry, r, c) ? "" : value, entry.weights?.[r]?.[c] ?? "", entry.products?.[r]?.[c] ?? ""].join(","));
      }),
    );
  const tail = (name, value) => lines.push(`${name},,,,,,,${value}`);
  if (unit.bias != null) tail("bias", unit.bias);
  tail("sum", unit.sum);
  for (const step of unit.steps) tail(step.name, step.output);
  tail("output", unit.output);
  return lines.join("\n") + "\n";
}
