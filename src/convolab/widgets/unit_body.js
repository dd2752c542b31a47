// What a unit's card shows: where it stands, what comes in, the sum, each step after it, the output.
import { css, h, onLookChange, setHidden, setText, signedScale } from "./look.js";
import { functionCurve } from "./function_curve.js";
import { capital, fieldName, indexOf, placeName } from "./unit_names.js";
import { decimalsOf, exact, fixed, leftOut, number, sumOf } from "./unit_numbers.js";
import { extentsOf, PANELS, pictures } from "./unit_pictures.js";
import { savePng } from "./unit_png.js";
import { contributionTable, gridTables } from "./unit_tables.js";

const MOST_MAPS = 8; // shown at first, the largest contributions
const FIRST_ROWS = 8;
const SLIDING = ["conv", "maxpool", "avgpool"];
const TOTALS = { avgpool: "= mean", globalavgpool: "= mean", function: "Input", norm: "Input", pad: "Value" };

// How a unit's inputs are best shown: "none", "windows" (one row per map), "mosaic" (all maps in one picture) or "list".
function formOf(unit) {
  if (!unit.inputs.length) return "none";
  if (unit.kind === "linear") return "mosaic";
  return unit.inputs.every((entry) => entry.values.length * entry.values[0].length === 1) ? "list" : "windows";
}

// Whether its inputs come in as they are, without weights: a sum of two levels, a function, a border.
const plain = (unit) => ["add", "function", "norm", "pad"].includes(unit.kind);

// `go(level, index)` leads to another unit, `watch()` opens the animation, `levelTitle(key)` names a level.
// Gives back { el, update(unit), close() }.
export function unitBody(unit, { width, go, watch, levelTitle }) {
  const form = formOf(unit);
  const closers = [];
  const updates = [];
  const strips = []; // { picture, label, sum() } in the order they are seen
  let shown = unit;
  let decimals = decimalsOf(unit, form !== "windows");
  let extents = extentsOf(unit.inputs);
  let numbersOpen = false;

  const el = h("div.cl-unit");
  el.append(where());
  if (form !== "none") el.append(inputs());
  el.append(account());
  for (let i = 0; i < unit.steps.length; i += 1) el.append(step(i));
  el.append(output());

  function goTo({ entry, row, column }) {
    const source = shown.inputs[entry];
    if (!source.padded?.[row]?.[column]) go(source.level, indexOf(source, row, column));
  }

  // ---- where it stands and looks ----
  function where() {
    const field = h("p");
    const text = h("span");
    const [top, left, bottom, right] = unit.field;
    field.append(text);
    updates.push((next) => {
      const pixels = (bottom - top) * (right - left);
      if (next.kind === "input") setText(text, "A pixel of the input, as the network is given it.");
      else setText(text, `Sees ${pixels === 1 ? "one pixel" : `${bottom - top} × ${right - left} pixels`} of the input: ${fieldName([top, left, bottom, right])}.`);
    });
    return h("div.cl-where", {}, field);
  }

  // ---- what comes in ----
  function inputs() {
    const readout = h("p.cl-readout.cl-muted", { role: "status", "aria-live": "polite" });
    const idle = unit.kind === "maxpool" ? "Point at an input to read it, press it to go to that unit." : "Point at a cell to read its product, press it to go to that unit.";
    setText(readout, form === "list" ? "" : idle);
    setHidden(readout, form === "list");
    const say = (place) => setText(readout, place ? describe(place) : idle);
    const section = h("div.cl-inputs");
    if (form === "windows") section.append(windows(say));
    if (form === "mosaic") section.append(mosaic(say));
    if (form !== "list") section.append(legend(), readout);
    if (form !== "windows") section.append(list());
    else section.append(numbers());
    return section;
  }
  function describe({ entry, row, column }) {
    const source = shown.inputs[entry];
    const padded = source.padded?.[row]?.[column];
    if (leftOut(source, row, column)) return "Outside of the map: max pooling leaves it out";
    const name = padded ? "Outside of the map, filled with 0" : `${levelTitle(source.level)}, ${placeName(indexOf(source, row, column))}`;
    const value = exact(source.values[row][column]);
    if (!source.weights) return `${name}: ${value}`;
    return `${name}: ${value} × ${exact(source.weights[row][column])} = ${exact(source.products[row][column])}`;
  }

  // Heads of the columns, each with the size that the strongest colour stands for.
  function heads(layout, indent) {
    const names = layout.panels.map((panel) => PANELS.find(([name]) => name === panel)[1]);
    const spans = names.map((name, i) => {
      const size = h("small");
      const span = h("span", {}, capital(name), " ", size);
      span.style.left = `${indent + layout.lefts[i]}px`;
      span.style.width = `${Math.max(layout.side[0] + 16, 64)}px`;
      updates.push(() => setText(size, `±${exact(+(extents[layout.panels[i]] || 0).toPrecision(2))}`));
      return span;
    });
    return h("div.cl-heads", {}, ...spans, indent || layout.panels.length > 1 ? h("span.cl-head-sum", {}, form === "windows" ? "Sum" : "") : null);
  }
  function legend() {
    const bar = h("i");
    const colour = () => {
      const scale = signedScale();
      bar.style.setProperty("--gradient", [-1, -0.5, 0, 0.5, 1].map((value) => css(scale(value))).join(","));
    };
    colour();
    closers.push(onLookChange(bar, colour));
    return h("div.cl-scale.cl-unit-scale", {}, h("span", {}, "−"), bar, h("span", {}, "+, up to the sizes above"));
  }

  // One row per input map: window, kernel, product, and at the right the map's sum.
  function windows(say) {
    const several = unit.inputs.length > 1;
    const picks = unit.kind === "maxpool";
    const order = unit.inputs.map((_, i) => i);
    const first = order.length > MOST_MAPS ? [...order].sort((a, b) => Math.abs(unit.inputs[b].sum) - Math.abs(unit.inputs[a].sum)).slice(0, MOST_MAPS).sort((a, b) => a - b) : order;
    const indent = several ? 56 : 0;
    const across = width - indent - (picks ? 0 : 72);
    const rows = h("div.cl-rows");
    let headed = false;
    const row = (at) => {
      const entry = unit.inputs[at];
      const picture = pictures({
        width: across,
        largest: picks ? 48 : several ? 13 : 40,
        label: `${levelTitle(entry.level)}, map ${entry.map + 1}: ${entry.values.length} by ${entry.values[0].length} inputs${picks ? "" : ", their weights and products"}. Arrow keys read cells, Enter goes to the unit.`,
        onPoint: (place) => say(place && { ...place, entry: at }),
        onGo: (place) => goTo({ ...place, entry: at }),
      });
      closers.push(picture.close);
      strips.push({ at, picture, label: several ? `Map ${entry.map + 1}` : "", sum: () => (picks ? "" : fixed(shown.inputs[at].sum, decimals.parts)) });
      const sum = number("map-sum");
      updates.push((next) => {
        const won = next.winner && next.inputs[at].level === next.winner.level ? wonPlace(next, at) : null;
        picture.update([next.inputs[at]], extents, won);
        sum.set(next.inputs[at].sum, decimals.parts);
      });
      picture.update([entry], extents);
      if (!headed) rows.append(heads(picture.layout(), indent));
      headed = true;
      return h("div.cl-row", {}, several ? h("span.cl-map", {}, `Map ${entry.map + 1}`) : null, picture.el, h("span.cl-spring"), picks ? null : sum.el);
    };
    const made = new Map(first.map((at) => [at, row(at)]));
    rows.append(...made.values());
    const rest = order.filter((at) => !first.includes(at));
    if (rest.length) {
      const sum = number("rest");
      const line = h("div.cl-row.cl-rest");
      const all = h("button.cl-button", { type: "button", onclick: showAll }, `Show all ${order.length} maps`);
      function showAll() {
        for (const at of rest) made.set(at, row(at));
        line.remove();
        rows.append(...order.map((at) => made.get(at)));
        refresh();
      }
      line.append(h("span", {}, `The other ${rest.length} maps`), all, h("span.cl-spring"), sum.el);
      rows.append(line);
      updates.push((next) => sum.set(rest.reduce((total, at) => total + next.inputs[at].sum, 0), decimals.parts));
    }
    return rows;
  }
  function wonPlace(next, at) {
    const entry = next.inputs[at];
    const [map, row, column] = next.winner.index;
    return map === entry.map ? { entry: 0, row: row - entry.row, column: column - entry.column } : null;
  }

  function mosaic(say) {
    const flat = unit.inputs[0].map == null;
    const what = flat ? `${unit.inputs[0].values[0].length} units` : `${unit.inputs.length} ${unit.inputs.length === 1 ? "map" : "maps"}`;
    const made = pictures({
      width,
      largest: 20,
      label: `The ${what} below, the weights to them, and the products. Arrow keys read cells, Enter goes to the unit.`,
      onPoint: say,
      onGo: goTo,
    });
    closers.push(made.close);
    strips.push({ at: 0, picture: made, label: "", sum: () => "" });
    updates.push((next) => made.update(next.inputs, extents));
    made.update(unit.inputs, extents);
    return h("div.cl-rows", {}, heads(made.layout(), 0), made.el);
  }

  function list() {
    const total = unit.inputs.reduce((all, entry) => all + entry.values.length * entry.values[0].length, 0);
    let wanted = Math.min(total, FIRST_ROWS);
    const table = contributionTable({ go: goTo, levelTitle, plain: plain(unit) });
    updates.push((next) => table.update(next, decimals, wanted, extents.products || extents.values));
    const more = h("button.cl-button", {
      type: "button",
      "data-role": "numbers",
      "aria-expanded": "false",
      onclick: () => {
        const open = wanted === FIRST_ROWS;
        wanted = open ? Infinity : FIRST_ROWS;
        setText(more, open ? "Only the largest" : `All ${total} numbers`);
        more.setAttribute("aria-expanded", String(open));
        refresh();
      },
    }, `All ${total} numbers`);
    setHidden(more, total <= FIRST_ROWS);
    return h("div.cl-list", {}, !plain(unit) ? h("h3", {}, "Largest contributions") : null, h("div.cl-scroll", {}, table.el), more);
  }

  // The same as numbers, on request; small windows of a single map have them in their cells anyway.
  function numbers() {
    const place = h("div.cl-numbers", { hidden: true });
    let tables = null;
    const button = h("button.cl-button", { type: "button", "data-role": "numbers", "aria-expanded": "false", onclick: () => toggle(!numbersOpen) }, "Numbers");
    function toggle(open) {
      numbersOpen = open;
      setHidden(place, !open);
      button.setAttribute("aria-expanded", String(open));
      el.dispatchEvent(new CustomEvent("cl-numbers", { detail: open, bubbles: true }));
      if (open && !tables) {
        tables = unit.inputs.map((entry) => gridTables(entry));
        place.append(
          ...tables.map((table, i) => h("div", {}, unit.inputs.length > 1 ? h("h3", {}, `Map ${unit.inputs[i].map + 1}`) : null, table.el)),
          h("p.cl-muted", {}, "Rounded so that the products add up as they are shown; the CSV in the corner menu has every digit."),
        );
      }
      refresh();
    }
    updates.push((next) => {
      if (numbersOpen) tables.forEach((table, i) => table.update(next.inputs[i], extents, decimals));
    });
    const tools = h("div.cl-tools", {}, button);
    if (watch && SLIDING.includes(unit.kind)) tools.append(h("button.cl-button", { type: "button", "data-role": "watch", onclick: watch }, "Watch it slide"));
    return h("div", {}, tools, place);
  }

  // ---- the sum, line by line ----
  function account() {
    const lines = h("div.cl-account");
    const line = (label, role, value, strong) => {
      const shownNumber = number(role, strong ? "b.cl-num" : "span.cl-num");
      const text = typeof label === "string" ? h("span", {}, label) : label;
      lines.append(h(`div${strong ? ".cl-total" : ""}`, {}, text, shownNumber.el));
      updates.push((next) => shownNumber.set(value(next), role === "total" ? decimals.total : decimals.parts));
    };
    if (unit.kind === "input") return lines;
    if (unit.kind === "maxpool") {
      const link = h("button.cl-link", { type: "button", "data-role": "winner", onclick: () => shown.winner && go(shown.winner.level, shown.winner.index) });
      updates.push((next) => setText(link, next.winner ? `The largest: ${placeName(next.winner.index)}` : "The largest"));
      line(link, "total", (next) => next.sum, true);
      return lines;
    }
    if (form !== "windows" && !plain(unit)) line("Sum of the products", "products-sum", sumOf);
    if (unit.bias != null) line(unit.kind === "pad" ? "Value of the border" : "+ bias", "bias", (next) => next.bias);
    line(TOTALS[unit.kind] ?? "= sum", "total", (next) => next.sum, true);
    return lines;
  }

  // ---- each elementwise step ----
  function step(i) {
    const made = unit.steps[i];
    const curve = made.kind === "function" ? functionCurve(made.name) : null;
    if (curve) closers.push(curve.close);
    const sentence = h("p.cl-step-line");
    const result = number("step-output", "b.cl-num");
    const facts = h("dl.cl-facts");
    const section = h("div.cl-step", { "data-role": "step", "data-name": made.name }, curve?.el ?? null, h("div.cl-step-text", {}, h("h3", {}, made.title), h("p.cl-formula", {}, made.formula ?? ""), facts, sentence));
    const given = h("span");
    sentence.append(given, result.el);
    updates.push((next) => {
      const now = next.steps[i];
      const digits = Math.max(decimals.total, 3);
      section.dataset.input = now.input;
      section.dataset.output = now.output;
      setText(given, `${fixed(now.input, digits)} becomes `);
      result.set(now.output, digits);
      curve?.update(now);
      const numbersOfStep = Object.entries(now.numbers ?? {});
      if (facts.children.length !== numbersOfStep.length) facts.replaceChildren(...numbersOfStep.map(() => h("div", {}, h("dt"), h("dd"))));
      numbersOfStep.forEach(([name, value], k) => {
        const [term, what] = facts.children[k].children;
        setText(term, name);
        what.dataset.name = name;
        what.dataset.value = value;
        setText(what, exact(+value.toPrecision(4)));
      });
    });
    return section;
  }

  function output() {
    const result = number("output", "b.cl-num");
    updates.push((next) => result.set(next.output, Math.max(decimals.total, 3)));
    return h("div.cl-output", {}, h("span", {}, unit.kind === "input" ? "Value" : "Output"), result.el);
  }

  function refresh() {
    for (const each of updates) each(shown);
  }
  refresh();
  return {
    el,
    close: () => closers.forEach((each) => each()),
    save(title, filename) {
      const lines = [];
      if (unit.kind !== "input") {
        if (shown.bias != null) lines.push(["Bias", shown.bias]);
        lines.push([unit.kind === "maxpool" ? "Largest" : unit.kind.endsWith("avgpool") ? "Mean" : "Sum", shown.sum]);
      }
      for (const each of shown.steps) lines.push([`${each.title}: ${each.formula}`, each.output]);
      lines.push(["Output", shown.output]);
      const ordered = [...strips].sort((a, b) => a.at - b.at).map(({ picture, label, sum }) => ({ picture, label, sum: sum() }));
      savePng({ title, place: capital(placeName(shown.index)), strips: ordered, extents, lines, filename });
    },
    update(next) {
      shown = next;
      const wanted = decimalsOf(next, form !== "windows");
      // Never fewer than before: numbers that change their length while one draws cannot be read.
      for (const name of Object.keys(wanted)) decimals[name] = Math.max(decimals[name], wanted[name]);
      extents = extentsOf(next.inputs);
      refresh();
    },
  };
}

// Units of equal structure are updated in place, others built anew.
export function structureOf(unit) {
  const entries = unit.inputs.map((entry) => [entry.level, entry.map, entry.row, entry.column, entry.values.length, entry.values[0]?.length, !!entry.weights, !!entry.products]);
  return JSON.stringify([unit.level, unit.index, unit.bias == null, entries, unit.steps.map((step) => step.name)]);
}
