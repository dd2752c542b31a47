// Plots of the room Experiments as SVG: axes, dots with lines, bars, parallel coordinates; saved as they are.
import { cornerMenu, css, h, magnitudeScale, onLookChange, percent, saveBlob, short, theme } from "./look.js";
import { ticks } from "./plot.js";

export function svg(tag, attributes = {}, ...children) {
  const el = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) el.addEventListener(name.slice(2), value);
    else if (value != null) el.setAttribute(name, value);
  }
  el.append(...children.filter((child) => child != null));
  return el;
}
const text = (x, y, words, options = {}) => svg("text", { x, y, "font-size": 11, fill: theme().muted, ...options }, words);

// A plot that is drawn anew when its width or the theme changes: `draw(width)` gives its SVG element, or null.
export function plotPanel(name, draw, filename) {
  const place = h("div.cx-plot");
  const save = () => {
    const drawn = draw(Math.max(480, place.clientWidth));
    if (!drawn) return;
    drawn.prepend(svg("rect", { width: "100%", height: "100%", fill: theme().paper }));
    drawn.setAttribute("xmlns", "http://www.w3.org/2000/svg");
    drawn.setAttribute("font-family", "system-ui, sans-serif");
    saveBlob(new Blob([new XMLSerializer().serializeToString(drawn)], { type: "image/svg+xml" }), filename);
  };
  const menu = cornerMenu(name, [["Picture of the plot (SVG)", save]]);
  const root = h("figure.cx-figure", {}, h("figcaption.cl-panel-head", {}, h("h3", {}, name[0].toUpperCase() + name.slice(1)), h("span.cl-spring"), menu), place);
  const redraw = () => {
    const width = place.clientWidth;
    if (!width) return;
    const drawn = draw(width);
    place.replaceChildren(...(drawn ? [drawn] : []));
    root.hidden = !drawn;
  };
  const stop = onLookChange(root, redraw);
  return { root, redraw: () => ((root.hidden = false), redraw()), stop };
}

// Axes around a box: gives { px, py, inner } and has drawn lines and numbers into `root`.
export function axes(root, width, height, { x, y, left = 52, right = 12, top = 10, bottom = 34 }) {
  const look = theme();
  const inner = { left, top, w: width - left - right, h: height - top - bottom };
  const px = (v) => left + ((v - x.low) / (x.high - x.low || 1)) * inner.w;
  const py = (v) => top + (1 - (v - y.low) / (y.high - y.low || 1)) * inner.h;
  for (const v of ticks(y.low, y.high, Math.max(2, Math.floor(inner.h / 40)))) {
    root.append(svg("line", { x1: left, x2: left + inner.w, y1: py(v), y2: py(v), stroke: look.line }));
    root.append(text(left - 6, py(v) + 4, y.format(v), { "text-anchor": "end" }));
  }
  const marks = x.marks ?? ticks(x.low, x.high, Math.max(2, Math.floor(inner.w / 80))).map((v) => [v, x.format(v)]);
  const room = inner.w / Math.max(1, marks.length);
  marks.forEach(([v, words]) => {
    const cut = words.length * 6.2 > room ? `${words.slice(0, Math.max(1, Math.floor(room / 6.2) - 1))}…` : words;
    const mark = text(px(v), height - bottom + 15, cut, { "text-anchor": "middle" });
    if (cut !== words) mark.append(svg("title", {}, words));
    root.append(mark);
  });
  if (x.label) root.append(text(left + inner.w / 2, height - 4, x.label, { "text-anchor": "middle" }));
  if (y.label) root.append(text(left, 9, y.label));
  return { px, py, inner };
}
function range(values, { zero = false, most = Infinity, least = -Infinity } = {}) {
  let [low, high] = [Math.min(...values), Math.max(...values)];
  if (zero) low = 0;
  const gap = (high - low || Math.abs(high) || 1) * 0.12;
  return [Math.max(least, zero ? 0 : low - gap), Math.min(most, high + gap)];
}
const round = (v) => `${+(100 * v).toFixed(1)} %`;
const picture = (width, height, label) => svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label });

// Values against what was varied: points are { label, value (mean), values (single runs) }; `mark` is the index of
// the point where the plateau begins. Values stand at equal distances: they are choices, seldom an even scale.
export function variedPlot(width, { points, title, yLabel, format, share = false, mark = -1, fallsAt = -1 }) {
  const known = points.filter((point) => point.value != null);
  if (!known.length) return null;
  const look = theme();
  const height = 220;
  const said = known.map((point) => `${point.label} ${format(point.value)}`).join(", ");
  const root = picture(width, height, `${yLabel} against ${title}: ${said}`);
  const all = known.flatMap((point) => [point.value, ...point.values]);
  const [low, high] = range(all, share ? { most: 1, least: 0 } : { zero: true });
  const { px, py, inner } = axes(root, width, height, {
    x: { low: -0.5, high: points.length - 0.5, marks: points.map((point, i) => [i, point.label]), label: title },
    y: { low, high, format: share ? round : short, label: yLabel },
    top: 20,
  });
  if (mark >= 0) {
    const from = px(mark);
    root.append(svg("rect", { x: from, y: inner.top, width: inner.left + inner.w - from, height: inner.h, fill: look.accent, opacity: 0.08 }));
    root.append(svg("line", { x1: from, x2: from, y1: inner.top, y2: inner.top + inner.h, stroke: look.accent, "stroke-dasharray": "4 3" }));
    const right = from > inner.left + inner.w * 0.7;
    root.append(text(from + (right ? -6 : 6), inner.top + inner.h - 6, "plateau from here", { fill: look.accent, "text-anchor": right ? "end" : "start" }));
  }
  const line = known.map((point) => `${px(points.indexOf(point))},${py(point.value)}`).join(" ");
  root.append(svg("polyline", { points: line, fill: "none", stroke: look.accent, "stroke-width": 2, "stroke-linejoin": "round" }));
  for (const point of known) {
    const at = px(points.indexOf(point));
    for (const value of point.values.length > 1 ? point.values : []) root.append(svg("circle", { cx: at, cy: py(value), r: 2.5, fill: look.muted, opacity: 0.7 }));
    const runs = point.values.length > 1 ? `, mean of ${point.values.length} runs` : "";
    root.append(svg("circle", { cx: at, cy: py(point.value), r: 4.5, fill: look.accent }, svg("title", {}, `${point.label}: ${format(point.value)}${runs}`)));
    root.append(text(at, py(point.value) - 9, format(point.value), { "text-anchor": "middle", fill: look.ink }));
  }
  if (fallsAt >= 0) root.append(text(px(fallsAt), inner.top + 12, "worse", { "text-anchor": "middle" }));
  return root;
}

// Single runs as dots on a line, with their mean and its 95 % interval.
export function spreadPlot(width, spread, labels) {
  const look = theme();
  const height = 120;
  const [low, high] = range([...spread.values, ...spread.interval], { most: 1, least: 0 });
  const root = picture(width, height, `Test accuracy of ${spread.values.length} seeds: mean ${percent(spread.mean, 2)}, 95 % interval ${percent(spread.interval[0], 2)} to ${percent(spread.interval[1], 2)}`);
  const { px } = axes(root, width, height, { x: { low, high, format: round, label: "test accuracy" }, y: { low: 0, high: 1, format: () => "" }, left: 12, top: 0 });
  const y = 44;
  root.append(svg("rect", { x: px(spread.interval[0]), y: y - 18, width: Math.max(1, px(spread.interval[1]) - px(spread.interval[0])), height: 36, fill: look.accent, opacity: 0.16 }));
  root.append(svg("line", { x1: px(spread.mean), x2: px(spread.mean), y1: y - 22, y2: y + 22, stroke: look.accent, "stroke-width": 2 }));
  spread.values.forEach((value, i) => root.append(svg("circle", { cx: px(value), cy: y, r: 5, fill: look.data[0], stroke: look.paper }, svg("title", {}, `${labels[i] ?? ""}: ${percent(value, 2)}`))));
  root.append(text(px(spread.mean), 14, `mean ${percent(spread.mean, 2)}`, { "text-anchor": "middle", fill: look.ink }));
  return root;
}

// How sure the network was against how often it was right; a well calibrated one lies on the diagonal.
export function reliabilityPlot(width, bins) {
  const look = theme();
  const side = Math.min(width, 320);
  const root = picture(side, side * 0.9, "How often answers are right, by how sure the network was");
  const { px, py } = axes(root, side, side * 0.9, {
    x: { low: 0, high: 1, format: (v) => `${Math.round(100 * v)} %`, label: "how sure it was" },
    y: { low: 0, high: 1, format: (v) => `${Math.round(100 * v)} %`, label: "how often it was right" },
    top: 18,
  });
  root.append(svg("line", { x1: px(0), y1: py(0), x2: px(1), y2: py(1), stroke: look.muted, "stroke-dasharray": "4 3" }));
  const most = Math.max(...bins.map((bin) => bin.count));
  for (const bin of bins.filter((one) => one.count)) {
    const words = `${percent(bin.low, 0)} to ${percent(bin.high, 0)} sure: ${bin.count.toLocaleString("en")} answers, ${percent(bin.accuracy)} right`;
    root.append(svg("rect", { x: px(bin.low) + 1, y: py(bin.accuracy), width: px(bin.high) - px(bin.low) - 2, height: py(0) - py(bin.accuracy), fill: look.data[0], opacity: 0.25 + 0.6 * Math.sqrt(bin.count / most) }, svg("title", {}, words)));
  }
  return root;
}

// The confusion matrix: a row per true class; shade by the share of the row.
export function matrixPlot(width, rows, classes) {
  const look = theme();
  const margin = Math.min(110, 16 + 6.5 * Math.max(...classes.map((name) => name.length)));
  const cell = Math.max(6, Math.min(40, (Math.min(width, 520) - margin) / classes.length));
  const side = margin + cell * classes.length + 2;
  const root = picture(side, side, "Confusion matrix: a row for each true class, a column for each answer");
  const scale = magnitudeScale();
  rows.forEach((row, r) => {
    const total = row.reduce((a, b) => a + b, 0) || 1;
    row.forEach((count, c) => {
      const colour = scale(Math.sqrt(count / total));
      const words = r === c ? `${classes[r]}: ${count} of ${total} recognised` : `${classes[r]} taken for ${classes[c]}: ${count} of ${total}`;
      root.append(svg("rect", { x: margin + c * cell, y: margin + r * cell, width: cell, height: cell, fill: css(colour), stroke: look.line, "stroke-width": 0.5 }, svg("title", {}, words)));
      if (count && cell >= 22) {
        const dark = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2] < 140;
        root.append(text(margin + (c + 0.5) * cell, margin + (r + 0.5) * cell + 4, String(count), { "text-anchor": "middle", "font-size": cell < 30 ? 9 : 11, fill: dark ? "#fff" : "#000" }));
      }
    });
  });
  classes.forEach((name, i) => {
    const middle = margin + (i + 0.5) * cell;
    root.append(text(margin - 6, middle + 4, name, { "text-anchor": "end" }));
    root.append(text(middle, margin - 6, name, { transform: `rotate(-45 ${middle} ${margin - 6})` }));
  });
  return root;
}

// Parallel coordinates: an axis for each thing that was searched, the last one the test accuracy; a line for each
// trial, the better the stronger. `onPick(trial)` when a line is pressed.
export function parallelPlot(width, { space, trials, best, onPick, onHover }) {
  const lines = trials.filter((trial) => trial.accuracy != null);
  if (!lines.length) return null;
  const look = theme();
  const [height, top, bottom, side] = [280, 34, 26, 44];
  const wide = Math.max(width, 76 * (space.length + 1));
  const root = picture(wide, height, `Parallel coordinates of ${lines.length} trials`);
  const scores = lines.map((trial) => trial.accuracy);
  const [low, high] = range(scores, { most: 1, least: 0 });
  const places = [...space.map((one) => ({ ...one, place: placer(one) })), { label: "Test accuracy", place: (v) => (v - low) / (high - low || 1), ends: [percent(low), percent(high)], accuracy: true }];
  const ax = (i) => side + (i * (wide - 2 * side)) / (places.length - 1 || 1);
  const ay = (share) => top + (1 - share) * (height - top - bottom);
  const worst = Math.min(...scores);
  const scale = magnitudeScale();
  const strength = (value) => 0.2 + 0.8 * ((value - worst) / (Math.max(...scores) - worst || 1));
  for (const trial of [...lines].sort((a, b) => a.accuracy - b.accuracy)) {
    const parts = [];
    let part = [];
    places.forEach((axis, i) => {
      const value = axis.accuracy ? trial.accuracy : trial.values[axis.name];
      if (value === undefined) {
        if (part.length > 1) parts.push(part);
        part = [];
      } else part.push(`${ax(i).toFixed(1)},${ay(axis.place(value)).toFixed(1)}`);
    });
    if (part.length > 1) parts.push(part);
    const own = trial.number === best;
    const words = `Trial ${trial.number}: ${percent(trial.accuracy, 2)}. ${Object.entries(trial.values).map(([name, value]) => `${name} ${figure(value)}`).join(", ")}`;
    const group = svg("g", { class: "cx-line", tabindex: -1, onclick: () => onPick?.(trial), onpointerenter: () => onHover?.(words), onpointerleave: () => onHover?.("") }, svg("title", {}, words));
    for (const points of parts) {
      const shape = { points: points.join(" "), fill: "none", "stroke-linejoin": "round" };
      group.append(svg("polyline", { ...shape, stroke: "transparent", "stroke-width": 10 }));
      group.append(svg("polyline", { ...shape, class: "cx-stroke", stroke: own ? look.accent : css(scale(strength(trial.accuracy))), "stroke-width": own ? 3 : 1.5, "stroke-dasharray": trial.state === "pruned" ? "4 3" : null }));
    }
    root.append(group);
  }
  places.forEach((axis, i) => {
    root.append(svg("line", { x1: ax(i), x2: ax(i), y1: top, y2: height - bottom, stroke: look.muted }));
    const anchor = i === 0 ? "start" : i === places.length - 1 ? "end" : "middle";
    const at = i === 0 ? 4 : i === places.length - 1 ? wide - 4 : ax(i);
    root.append(text(at, 14, axis.label, { "text-anchor": anchor, fill: look.ink }));
    if (axis.kind === "choice") axis.choices.forEach((value) => root.append(text(ax(i) + 5, ay(axis.place(value)) + 4, figure(value), { "font-size": 10, stroke: look.paper, "stroke-width": 3, "paint-order": "stroke" })));
    else {
      const [from, to] = axis.ends ?? [figure(axis.low), figure(axis.high)];
      root.append(text(at, height - 8, from, { "text-anchor": anchor }), text(at, 28, to, { "text-anchor": anchor }));
    }
  });
  return root;
}
const figure = (value) => (typeof value === "number" ? short(value) : String(value));
function placer(axis) {
  if (axis.kind === "choice") {
    const last = axis.choices.length - 1 || 1;
    return (value) => axis.choices.indexOf(value) / last;
  }
  const scale = axis.log ? Math.log : (v) => v;
  return (value) => (scale(value) - scale(axis.low)) / (scale(axis.high) - scale(axis.low) || 1);
}

// The challenge: test accuracy against seconds of training, with the target; earlier scores faint behind it.
export function challengePlot(width, { curve, target, budget, others, state }) {
  const look = theme();
  const height = 300;
  const right = Math.max(budget ?? 0, ...(curve ?? []).map(([s]) => s), ...(budget ? [] : others.flatMap((one) => one.curve.map(([s]) => s))), 1);
  const top = Math.max(target + 0.1, ...(curve ?? []).map(([, a]) => a + 0.05), ...others.map((one) => one.accuracy + 0.05));
  const root = picture(width, height, curve?.length ? `Test accuracy ${percent(curve.at(-1)[1], 2)} after ${Math.round(curve.at(-1)[0])} seconds; the target is ${percent(target, 0)}` : `The curve towards ${percent(target, 0)}`);
  const { px, py, inner } = axes(root, width, height, {
    x: { low: 0, high: right, format: (v) => `${short(v)} s`, label: "seconds of training alone" },
    y: { low: 0, high: Math.min(1, top), format: (v) => `${Math.round(100 * v)} %`, label: "" },
    right: 16,
    top: 22,
  });
  for (const one of others) {
    const points = one.curve.filter(([s]) => s <= right).map(([s, a]) => `${px(s)},${py(a)}`).join(" ");
    root.append(svg("polyline", { points, fill: "none", stroke: look.muted, opacity: 0.45, "stroke-width": 1.25 }, svg("title", {}, `${one.title}: ${percent(one.accuracy, 2)}`)));
  }
  root.append(svg("line", { x1: inner.left, x2: inner.left + inner.w, y1: py(target), y2: py(target), stroke: look.data[1], "stroke-width": 1.5, "stroke-dasharray": "6 4" }));
  root.append(text(inner.left + 6, py(target) - 6, `target ${percent(target, 0)}`, { fill: look.ink }));
  if (curve?.length) {
    root.append(svg("polyline", { points: curve.map(([s, a]) => `${px(s)},${py(a)}`).join(" "), fill: "none", stroke: look.accent, "stroke-width": 2.5, "stroke-linejoin": "round" }));
    curve.forEach(([s, a]) => root.append(svg("circle", { cx: px(s), cy: py(a), r: 3, fill: look.accent }, svg("title", {}, `${percent(a, 2)} after ${s.toFixed(1)} s`))));
    const [s, a] = curve.at(-1);
    const first = curve.find(([, value]) => value >= target);
    if (first) root.append(svg("circle", { cx: px(first[0]), cy: py(first[1]), r: 7, fill: "none", stroke: look.data[1], "stroke-width": 2 }));
    const end = px(s) > inner.left + inner.w - 60;
    root.append(text(px(s) + (end ? -8 : 8), py(a) - 8, percent(a, 1), { fill: look.ink, "font-size": 14, "font-weight": 650, "text-anchor": end ? "end" : "start" }));
  } else root.append(text(inner.left + inner.w / 2, inner.top + inner.h / 2, state ?? "", { "text-anchor": "middle", "font-size": 13 }));
  return root;
}
