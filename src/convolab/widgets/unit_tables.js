// The numbers of a unit as tables: for windows as grids, for long lists with the largest contributions first.
import { css, h, inkOn, setText, signedScale, theme } from "./look.js";
import { capital, indexOf, placeName } from "./unit_names.js";
import { decimalsOfParts, leftOut, number, put, sumOf } from "./unit_numbers.js";
import { PANELS } from "./unit_pictures.js";

const ROLES = { values: "value", weights: "weight", products: "product" };
const MOST_ROWS = 1000;

// One input map's window, weights and products as grids of coloured numbers. { el, update(entry, extents, decimals) }
export function gridTables(entry) {
  const signs = { weights: "×", products: "=" };
  const grids = [];
  const el = h("div.cl-grids", { "data-role": "entry" });
  for (const [name, title] of PANELS) {
    if (!entry[name]) continue;
    const cells = entry[name].map((row) => row.map(() => h("td", { "data-role": ROLES[name] })));
    const table = h("table.cl-grid", {}, h("caption", {}, capital(title)), h("tbody", {}, ...cells.map((row) => h("tr", {}, ...row))));
    if (signs[name]) el.append(h("span.cl-sign", { "aria-hidden": "true" }, signs[name]));
    el.append(table);
    grids.push({ name, cells });
  }
  const sum = number("map-sum", "b.cl-num");
  const sumLine = h("p.cl-grid-sum", {}, "Sum of the products ", sum.el);
  if (entry.products) el.append(sumLine);

  function update(next, extents, decimals) {
    const scale = signedScale();
    for (const { name, cells } of grids) {
      const largest = extents[name] || 1;
      cells.forEach((row, r) =>
        row.forEach((cell, c) => {
          const value = next[name][r][c];
          put(cell, leftOut(next, r, c) ? null : value, decimals.cells);
          const colour = scale(value / largest);
          const ground = css(colour);
          if (cell.style.backgroundColor !== ground) {
            cell.style.backgroundColor = ground;
            cell.style.color = inkOn(colour);
          }
          if (next.padded) cell.classList.toggle("cl-padded", !!next.padded[r][c] && name !== "weights");
        }),
      );
    }
    sum.set(next.sum, decimals.parts);
  }
  return { el, update };
}

// Every single product of a unit with its place: { part, entry, row, column, value, weight, product, padded }.
export function contributions(unit) {
  const found = [];
  unit.inputs.forEach((entry, e) =>
    entry.values.forEach((row, r) =>
      row.forEach((value, c) => {
        if (leftOut(entry, r, c)) return;
        found.push({ entry: e, row: r, column: c, value, weight: entry.weights?.[r][c] ?? null, product: entry.products?.[r][c] ?? value, padded: !!entry.padded?.[r]?.[c] });
      }),
    ),
  );
  return found.sort((a, b) => Math.abs(b.product) - Math.abs(a.product));
}

// The contributions, largest first, the rest in one line so that all of it adds up.
// `go(place)` is called with the row that is pressed. { el, update(unit, decimals, rows, extent) }
// `plain`: they come in without weights.
export function contributionTable({ go, levelTitle, plain = false }) {
  const body = h("tbody");
  const head = h("tr", {}, h("th", { scope: "col" }, "Input"), h("th", { scope: "col" }, "value"), h("th", { scope: "col" }, "× weight"), h("th", { scope: "col" }, plain ? "value" : "= product"), h("th", { "aria-hidden": "true" }));
  const el = h(`table.cl-contributions${plain ? ".cl-plain" : ""}`, { "data-role": "contributions" }, h("thead", {}, head), body);
  let lines = [];
  let places = [];
  const rest = { name: h("td"), sum: h("td.cl-num", { "data-role": "rest" }) };
  const restLine = h("tr.cl-rest", {}, rest.name, h("td"), h("td"), rest.sum, h("td"));

  function line(i) {
    const open = h("button.cl-link", { type: "button", onclick: () => go(places[i]) });
    const cells = ["value", "weight", "product"].map((role) => h("td.cl-num", { "data-role": role }));
    const bar = h("i");
    const el = h("tr", {}, h("td", {}, open), ...cells, h("td.cl-cbar", { "aria-hidden": "true" }, bar));
    return { el, open, cells, bar };
  }
  function update(unit, decimals, wanted, extent) {
    const all = contributions(unit);
    const shown = Math.min(all.length, wanted, MOST_ROWS);
    places = all.slice(0, shown);
    const left = all.slice(shown);
    const remainder = left.reduce((sum, place) => sum + place.product, 0);
    const digits = decimalsOfParts([...places.map((place) => place.product), remainder], sumOf(unit), decimals.parts);
    if (lines.length !== shown) {
      lines = places.map((_, i) => line(i));
      body.replaceChildren(...lines.map((each) => each.el), restLine);
    }
    const scale = signedScale();
    const edge = theme().muted;
    places.forEach((place, i) => {
      const entry = unit.inputs[place.entry];
      const each = lines[i];
      const several = new Set(unit.inputs.map((other) => other.level)).size > 1;
      setText(each.open, place.padded ? "border" : capital(`${several ? `${levelTitle(entry.level)}, ` : ""}${placeName(indexOf(entry, place.row, place.column))}`));
      each.open.disabled = place.padded;
      put(each.cells[0], place.value, digits);
      if (place.weight != null) put(each.cells[1], place.weight, digits);
      put(each.cells[2], place.product, digits);
      each.bar.style.transform = `scaleX(${(Math.abs(place.product) / (extent || 1)).toFixed(3)})`;
      each.bar.style.background = css(scale(Math.sign(place.product) * 0.8));
      each.bar.style.borderColor = edge;
    });
    restLine.hidden = !left.length;
    setText(rest.name, `The other ${left.length}`);
    put(rest.sum, remainder, digits);
  }
  return { el, update };
}
