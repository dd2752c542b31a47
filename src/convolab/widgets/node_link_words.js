// Levels in words.
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
