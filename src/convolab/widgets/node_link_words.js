// Levels and units in words.
import { short } from "./look.js";

const FUNCTIONS = { ScaledTanh: "scaled tanh", Tanh: "tanh", ReLU: "ReLU", GELU: "GELU", Scale: "scaled" };

// "6 maps of 28×28", "120 units".
export function levelShape(level) {
  if (level.shape.length === 1) return `${level.shape[0].toLocaleString("en")} ${level.shape[0] === 1 ? "unit" : "units"}`;
  const [maps, rows, columns] = level.shape;
  return `${maps} ${maps === 1 ? "map" : "maps"} of ${rows}×${columns}`;
}
// "Convolution 5×5, scaled tanh: 6 maps of 28×28, 4,704 units".
export function levelLine(level) {
  const functions = (level.function ?? "").split(", ").filter(Boolean).map((name) => FUNCTIONS[name] ?? name);
  const units = level.shape.length === 1 ? "" : `, ${level.units.toLocaleString("en")} units`;
  return `${[level.title, ...functions].join(", ")}: ${levelShape(level)}${units}`;
}
// How a unit came by its value; `strongest` is what the thickest line stands for.
export function workings(found, strongest) {
  if (found.winner) return `The largest of ${found.inputs[0]?.values.flat().length ?? "its"} inputs; the strong line comes from it`;
  const count = found.inputs.reduce((sum, entry) => sum + entry.values.flat().length - (entry.padded?.flat().filter(Boolean).length ?? 0), 0);
  if (!count) return "A value of the input itself";
  const bias = found.bias == null ? "" : `, bias ${short(found.bias)}`;
  const steps = found.steps.map((step) => step.title).join(", ");
  return `Sum of ${count.toLocaleString("en")} products${bias}: ${short(found.sum)}${steps ? `, then ${steps}` : ""}. The thickest line stands for ${strongest ? `±${short(strongest)}` : "nothing"}`;
}
