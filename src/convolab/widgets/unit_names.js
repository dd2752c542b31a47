// Words for units and levels: people count maps, rows and columns from 1; names on the command line count from 0.

// "map 1, row 4, column 5" or "unit 17".
export function placeName(index) {
  if (index.length === 3) return `map ${index[0] + 1}, row ${index[1] + 1}, column ${index[2] + 1}`;
  return `unit ${index[0] + 1}`;
}
// "conv1:0:3:4", as `convolab look --unit` takes it.
export const address = (level, index) => [level, ...index].join(":");

export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

// The index of the unit that stands at a row and a column of an entry of `unit.inputs`.
export function indexOf(entry, row, column) {
  if (entry.map == null) return [(entry.column ?? 0) + column];
  return [entry.map, entry.row + row, entry.column + column];
}

// "rows 4–8, columns 5–9 of the input" for a receptive field [top, left, bottom, right], ends exclusive.
export function fieldName([top, left, bottom, right]) {
  const span = (name, from, to) => (to - from === 1 ? `${name} ${from + 1}` : `${name}s ${from + 1}–${to}`);
  return `${span("row", top, bottom)}, ${span("column", left, right)}`;
}
