// What a study of filters found: every picture on the way, how it differs from the one before, and what was measured.
import { cornerMenu, h, saveBlob, savePicture, theme } from "./look.js";
import { tableMenu, table } from "./experiments_parts.js";
import { axes, plotPanel, svg } from "./experiments_plots.js";
import { address, command, fileName, pinned, titleOf } from "./restyle_parts.js";

export const LETTERS = ["A", "B"];
const picture = (study, cell, what) => address(`studies/${study.study}/${cell.key}/${what}`);
const TIP_BORDER = "How much the border stands out: 1 and below is no more than the interior changes by itself.";

// ---- words ----
export function cellTitle(study, cell) {
  const { filters } = cell;
  if (!filters.length) return "The photo";
  if (study.question === "repeat") return `${filters.length} ×`;
  if (study.question === "order") {
    const [a] = study.chains[0];
    const letters = filters.map((name) => (name === a ? "A" : "B"));
    return letters.length === 1 ? `${letters[0]} alone` : `${letters[0]} then ${letters[1]}`;
  }
  return `${filters.length}. ${titleOf(filters.at(-1))}`;
}
const digits = (value, n = 3) => (value == null ? "" : String(+value.toPrecision(n)));
export function styleFigure(cell, name) {
  const found = cell.style?.[name];
  return found ? digits(found.relative) : "";
}

// What a pin of these pictures says: how they were filtered, and the commands that do it again.
function about(study, cells) {
  const padding = cells.at(-1)?.padding ?? study.padding;
  const how = { strength: study.strength, size: study.size, keep: study.keep, padding };
  const one = ([first, ...rest], target) => command({ ...how, style: first }, "photo.png", target, [...rest.map((name) => `--then ${name}`), "--each"].join(" "));
  const [chain] = study.chains;
  const commands = { repeat: () => [command({ ...how, style: chain[0] }, "photo.png", "filtered.png", `--repeat ${chain.length} --each`)], order: () => study.chains.slice(0, 2).map((names, i) => one(names, `${["a-then-b", "b-then-a"][i]}.png`)), chain: () => [one(chain, "filtered.png")] }[study.question]();
  return pinned({ ...how, style: study.question === "repeat" ? `${chain[0]}, ${chain.length} times` : chain.join(", then ") }, commands.join("; "));
}

// ---- the strip: pictures, and under them how much each filter changed ----
export function strip({ study, cells, name, differences = true }) {
  const figure = (cell) => {
    const title = cellTitle(study, cell);
    const facts = [cell.change != null ? `changed by ${cell.change.toFixed(1)} of 255` : null, cell.border != null ? `border ${cell.border.toFixed(2)}` : null, ...Object.keys(cell.style ?? {}).map((style) => `StyleDiff ${study.question === "repeat" ? "" : `to ${titleOf(style)} `}${styleFigure(cell, style)}`)].filter(Boolean);
    const big = h("button.cs-cell-picture", { type: "button", "aria-label": `${title}, enlarge`, onclick: () => enlarge(study, cell) }, h("img", { src: picture(study, cell, "picture.jpg"), alt: `${title}: ${cell.filters.map(titleOf).join(", then ") || "the photo"}` }));
    const apart = differences && cell.change != null ? h("img.cs-difference", { src: picture(study, cell, "difference.jpg"), alt: `What the last filter changed, twice as bright: ${cell.change} of 255 on average`, title: "What this filter changed, twice as bright" }) : differences ? h("div.cs-difference") : null;
    return h("figure.cs-cell", { "data-cell": cell.key }, big, apart, h("figcaption", {}, h("b", {}, title), ...facts.map((fact) => h("span", {}, fact))));
  };
  const menu = cornerMenu(name, [
    ["The strip (PNG)", () => saveStrip(study, cells, name, differences)],
    ["The photo at its size (PNG)", async () => saveBlob(await (await fetch(address(`studies/${study.study}/photo/picture.png`))).blob(), "photo.png")],
  ]);
  return h("section.cs-block", { "data-pin": about(study, cells) }, h("div.cl-panel-head", {}, h("h3", {}, name[0].toUpperCase() + name.slice(1)), h("span.cl-muted", {}, differences ? "Under each picture what its last filter changed, twice as bright. Press a picture to enlarge it." : "Press a picture to enlarge it."), h("span.cl-spring"), menu), h("div.cs-cells", { "data-count": cells.length, "data-question": study.question }, ...cells.map(figure)));
}
const load = (source) => new Promise((done, fail) => {
  const image = new Image();
  image.onload = () => done(image);
  image.onerror = () => fail(new Error("A picture is no longer kept."));
  image.src = source;
});
// All pictures side by side in rows of five, with their captions, at most 240 pixels wide each.
async function saveStrip(study, cells, name, differences) {
  const [columns, wide, gap, words] = [Math.min(5, cells.length), 240, 12, 36];
  const images = await Promise.all(cells.map((cell) => load(picture(study, cell, "picture.png"))));
  const apart = await Promise.all(cells.map((cell) => (differences && cell.change != null ? load(picture(study, cell, "difference.png")) : null)));
  const high = Math.round((wide * images[0].height) / images[0].width);
  const row = high * (differences ? 2 : 1) + words + gap;
  const rows = Math.ceil(cells.length / columns);
  savePicture(columns * (wide + gap) + gap, rows * row + gap, (context) => {
    context.textBaseline = "top";
    cells.forEach((cell, i) => {
      const [x, y] = [gap + (i % columns) * (wide + gap), gap + Math.floor(i / columns) * row];
      context.drawImage(images[i], x, y, wide, high);
      if (apart[i]) context.drawImage(apart[i], x, y + high, wide, high);
      const under = y + high * (differences ? 2 : 1) + 4;
      context.fillStyle = theme().ink;
      context.font = `600 12px ${theme().font}`;
      context.fillText(cellTitle(study, cell), x, under, wide);
      context.fillStyle = theme().muted;
      context.font = `11px ${theme().font}`;
      const facts = [cell.change != null ? `changed ${cell.change.toFixed(1)}` : "", cell.border != null ? `border ${cell.border.toFixed(2)}` : "", ...Object.keys(cell.style ?? {}).map((style) => `StyleDiff ${styleFigure(cell, style)}`)];
      context.fillText(facts.filter(Boolean).join(" · "), x, under + 15, wide);
    });
  }, `convolab-${fileName(name)}.png`);
}
function enlarge(study, cell) {
  const close = h("button.cl-button", { type: "button", onclick: () => dialog.close() }, "Close");
  const title = `${cellTitle(study, cell)}${cell.filters.length ? `: ${cell.filters.map(titleOf).join(" → ")}` : ""}`;
  const menu = cornerMenu("this picture", [["This picture (PNG)", async () => saveBlob(await (await fetch(picture(study, cell, "picture.png"))).blob(), `convolab-${fileName(title)}.png`)]]);
  const dialog = h("dialog.cs-large", { "aria-label": title }, h("div.cl-panel-head", {}, h("h3", {}, title), h("span.cl-spring"), menu, close), h("img", { src: picture(study, cell, "picture.png"), alt: title }));
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  (document.querySelector("[data-room]") ?? document.body).append(dialog);
  dialog.showModal();
}

// ---- plots ----
// Several lines over the number of filters: `series` is [[name, [[x, y], …]], …]; `level` a line to compare with.
export function linesPlot(name, series, { y, level = null, xLabel = "filters" }) {
  const draw = (width) => {
    const points = series.flatMap(([, found]) => found);
    if (points.length < 2) return null;
    const look = theme();
    const height = 232;
    const high = Math.max(...points.map(([, value]) => value), level?.value ?? 0) * 1.08;
    const last = Math.max(...points.map(([x]) => x), 1);
    const said = series.map(([title, found]) => `${title}: ${found.map(([x, value]) => `${x}: ${digits(value)}`).join(", ")}`).join("; ");
    const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": `${name}. ${said}` });
    const { px, py, inner } = axes(root, width, height, { x: { low: 0, high: last, marks: Array.from({ length: last + 1 }, (_, i) => [i, String(i)]), label: xLabel }, y: { low: 0, high, format: (v) => digits(v), label: y }, top: 36 });
    if (level) {
      root.append(svg("line", { x1: inner.left, x2: inner.left + inner.w, y1: py(level.value), y2: py(level.value), stroke: look.muted, "stroke-dasharray": "4 3" }));
    }
    let x = inner.left;
    series.forEach(([title, found], i) => {
      const colour = look.data[i % 8];
      const dash = ["", "7 4", "2 3", "10 3 2 3"][i % 4];
      root.append(svg("polyline", { points: found.map(([at, value]) => `${px(at)},${py(value)}`).join(" "), fill: "none", stroke: colour, "stroke-width": 2, "stroke-dasharray": dash, "stroke-linejoin": "round" }));
      for (const [at, value] of found) root.append(svg("circle", { cx: px(at), cy: py(value), r: 3, fill: colour }, svg("title", {}, `${title}, ${at} ${xLabel}: ${digits(value)}`)));
      root.append(svg("line", { x1: x, x2: x + 22, y1: 24, y2: 24, stroke: colour, "stroke-width": 2, "stroke-dasharray": dash }));
      root.append(svg("text", { x: x + 27, y: 28, "font-size": 11, fill: look.ink }, title));
      x += 27 + 6.2 * title.length + 18;
    });
    if (level) {
      root.append(svg("line", { x1: x, x2: x + 22, y1: 24, y2: 24, stroke: look.muted, "stroke-dasharray": "4 3" }));
      root.append(svg("text", { x: x + 27, y: 28, "font-size": 11, fill: look.muted }, level.words));
    }
    return root;
  };
  return plotPanel(name, draw, `convolab-${fileName(name)}.svg`);
}

// ---- the table of all figures ----
export function figuresTable(study, cells, name) {
  const styles = [...new Set(cells.flatMap((cell) => Object.keys(cell.style ?? {})))];
  const head = ["picture", "filters", "padding", "changed, of 255", "border", ...styles.flatMap((style) => [`StyleDiff to ${titleOf(style)}`, `StyleDiff to ${titleOf(style)}, normalised`])];
  const lines = cells.map((cell) => [cellTitle(study, cell), cell.filters.map(titleOf).join(" → "), cell.padding, cell.change ?? "", cell.border ?? "", ...styles.flatMap((style) => [digits(cell.style?.[style]?.assignment, 4), digits(cell.style?.[style]?.relative, 4)])]);
  const menu = tableMenu(name, () => ({ title: name, rows: [head, ...lines] }));
  const right = head.map((_, i) => i).filter((i) => i > 2);
  return h("details.cs-block.cs-table", {}, h("summary", {}, "All figures as a table"), h("div.cl-panel-head", {}, h("span.cl-muted", {}, TIP_BORDER), h("span.cl-spring"), menu), h("div.cs-scroll", { tabindex: 0, role: "region", "aria-label": "All figures" }, table(head, lines, right)));
}
export function distancesTable(study) {
  const names = ["A then B", "B then A", "A alone", "B alone"];
  const deep = study.distances.some((row) => row.style != null);
  const head = ["between", "and", "pixels, of 255", ...(deep ? ["StyleDiff, normalised", "ContentDiff, normalised"] : [])];
  const lines = study.distances.map((row) => [names[row.pair[0]], names[row.pair[1]], row.pixels.toFixed(1), ...(deep ? [digits(row.style), digits(row.content)] : [])]);
  const menu = tableMenu("the distances", () => ({ title: "Distances between orders of filters", rows: [head, ...lines] }));
  return h("section.cs-block", {}, h("div.cl-panel-head", {}, h("h3", {}, "Distances"), h("span.cl-spring"), menu), h("div.cs-scroll", {}, table(head, lines, [2, 3, 4])));
}
