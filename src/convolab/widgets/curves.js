// Live curves of a run and of runs to compare it with: accuracy large, loss and speed below it. Only increments
// arrive; at most about 300 points of a curve are drawn, the exact values of all are in the saved CSV.
//
// With the value `overlay`, runs are equals: all can be removed, exact values stand in the legend, one line a run, and
// the horizontal axis can also be the multiply-adds of all examples (a run's `cost` is that of one).
import { address, poke, subscribe } from "./feed.js";
import { choice, cornerMenu, count, crisp, h, onLookChange, percent, popover, saveAddress, savePicture, setHidden, setText, short, theme } from "./look.js";
import { dot, label, thin, ticks } from "./plot.js";

const KEPT = 600; // points of one curve in memory before it is thinned
const DRAWN = 300;
const X = { examples: 0, batches: 1, seconds: 2 };
const X_NAMES = { examples: "examples", batches: "batches", seconds: "seconds of training", work: "multiply-adds of the forward passes" };
const AXES = [["examples", "Examples"], ["batches", "Batches"], ["seconds", "Seconds"]];
// Columns of the rows that the server sends: x values, then loss, accuracy and (training only) examples/s.
const PLOTS = [
  { name: "Accuracy", height: 168, lines: [["test", 4], ["train", 4]], format: (v) => percent(v, 2), tick: (v) => `${Math.round(v * 100)} %` },
  { name: "Loss", height: 104, lines: [["test", 3], ["train", 3]], format: (v) => v.toPrecision(4), tick: short },
  { name: "Speed", unit: "examples/s", height: 104, lines: [["train", 5]], format: (v) => `${count(v)} examples/s`, tick: short },
];

export default { render };

function render({ model, el }) {
  const curves = new Map(); // key of a run -> { train: [rows], test: [rows], cursor, ended }
  const overlay = Boolean(model.get("overlay"));
  let x = model.get("x") ?? "examples";
  let testOnly = overlay;
  let runs = model.get("runs") ?? []; // [{ key, name, note, colour }], the shown run first
  let at = null; // where the reader's cross-hair is, in units of x
  let pending = false;
  let lit = ""; // the run whose curves are looked at, among many

  const figures = PLOTS.map((plot) => makePlot(plot));
  const axis = choice("Horizontal axis", overlay ? [AXES[0], AXES[2], ["work", "Multiply-adds"]] : AXES, x, (value) => {
    x = value;
    at = null;
    model.set("x", value);
    model.save_changes();
    draw();
  });
  const readout = h("div.cl-readout", { role: "status", "aria-live": "polite" });
  const legend = h("div.cl-legend");
  const empty = h("p.cl-empty", {}, model.get("empty") ?? "Curves of loss, accuracy and speed appear here as soon as training starts.");
  const saving = menu();
  const compare = popover("Compare", "Draw the curves of earlier runs beside these", () => model.send({ list: true }));
  const sets = choice("Which images", [["test", "Test"], ["both", "Test and training"]], "test", (value) => {
    testOnly = value === "test";
    draw();
  });
  const title = h("h2.cl-panel-title", {}, "Curves");
  const head = h("div.cl-panel-head", {}, title, axis, overlay ? sets : null, h("span.cl-spring"), overlay ? null : compare.root, saving);
  el.classList.add("cl-panel", "cl-curves");
  el.append(head, figures[0].root, h("div.cl-two", {}, figures[1].root, figures[2].root), readout, legend, empty);

  function makePlot(plot) {
    const canvas = h("canvas", { tabindex: 0, role: "img" });
    const title = h("div.cl-plot-title", {}, plot.unit ? `${plot.name}, ${plot.unit}` : plot.name);
    const figure = { plot, canvas, root: h("div.cl-plot", {}, title, canvas), box: null };
    canvas.addEventListener("pointermove", (event) => figure.box && move(figure.box.value(event.offsetX)));
    canvas.addEventListener("pointerdown", (event) => figure.box && move(figure.box.value(event.offsetX)));
    canvas.addEventListener("pointerleave", () => document.activeElement !== canvas && move(null));
    figure.say = () => {
      figure.said = spoken(plot);
      canvas.setAttribute("aria-label", figure.said);
    };
    canvas.addEventListener("focus", figure.say);
    canvas.addEventListener("blur", () => move(null));
    canvas.addEventListener("keydown", (event) => {
      const points = [...new Set(allXs(plot))].sort((a, b) => a - b);
      if (!points.length) return;
      const here = at === null ? points.length : points.findIndex((value) => value >= at);
      const target = { ArrowLeft: here - 1, ArrowRight: here + 1, Home: 0, End: points.length - 1, PageUp: here - 10, PageDown: here + 10 }[event.key];
      if (event.key === "Escape") move(null);
      else if (target === undefined) return;
      else move(points[Math.max(0, Math.min(points.length - 1, target))]);
      event.preventDefault();
    });
    return figure;
  }

  function menu() {
    return cornerMenu("the curves", [
      ["Picture of the curves (PNG)", savePng],
      ["All exact values (CSV)", () => saveAddress(address(`curves.csv?runs=${encodeURIComponent(present().map((run) => run.key).join(","))}`))],
    ]);
  }

  const present = () => runs.filter((run) => curves.has(run.key));
  const linesOf = (plot) => plot.lines.filter(([set]) => !testOnly || set === "test" || plot.lines.length === 1);
  const xOf = (row, run) => (x === "work" ? row[0] * (run.cost || NaN) : row[X[x]]);
  const allXs = (plot) => present().flatMap((run) => linesOf(plot).flatMap(([set]) => curves.get(run.key)[set].map((row) => xOf(row, run)))).filter(Number.isFinite);
  const colourOf = (run, look) => (run.colour === 0 ? look.accent : look.data[(run.colour - 1) % 8]);
  // A line without its column has no value there: the first rows of a resumed run may lack a figure.
  const value = (row, column) => (row[column] == null ? NaN : row[column]);

  function take(news) {
    if (!news.curves) return;
    for (const [key, part] of Object.entries(news.curves)) {
      let curve = curves.get(key);
      if (!curve || part.reset) curves.set(key, (curve = { train: [], test: [] }));
      for (const set of ["train", "test"]) {
        curve[set].push(...part[set]);
        if (curve[set].length > KEPT) curve[set] = thin(curve[set], DRAWN);
      }
      curve.cursor = part.cursor;
      curve.ended = part.ended;
    }
    later();
  }

  function later() {
    if (pending) return;
    pending = true;
    requestAnimationFrame(() => {
      pending = false;
      draw();
    });
  }

  function draw() {
    const some = present().some((run) => curves.get(run.key).train.length);
    setHidden(empty, some);
    for (const node of [figures[0].root, figures[1].root.parentElement, readout, legend, axis, sets, saving]) setHidden(node, !some);
    if (!some) return;
    el.dataset.pin = JSON.stringify({ runs: present().map((run) => run.key) });
    for (const figure of figures) {
      const width = figure.root.clientWidth;
      if (!width) continue;
      const context = crisp(figure.canvas, width, figure.plot.height);
      figure.box = drawPlot(context, width, figure.plot.height, figure.plot);
      if (!figure.said) figure.say();
    }
    drawLegend();
    tell();
  }

  function move(value) {
    if (value === at) return;
    at = value;
    later();
  }

  function extent(plot) {
    let right = 0;
    let [low, high] = [Infinity, -Infinity];
    const values = [];
    for (const run of present())
      for (const [set, column] of linesOf(plot))
        for (const row of curves.get(run.key)[set]) {
          right = Math.max(right, xOf(row, run) || 0);
          const v = value(row, column);
          if (Number.isFinite(v)) values.push(v);
        }
    if (plot.name === "Accuracy") {
      // From the lowest whole ten per cent: the top of the scale is always "all right".
      low = values.length ? Math.floor(Math.min(...values) * 10) / 10 : 0;
      return { right: right || 1, low: Math.min(low, 0.9), high: 1 };
    }
    // The first losses may be huge: the scale fits 98 of 100 points, the rest leaves at the top.
    values.sort((a, b) => a - b);
    high = values.length ? values[Math.min(values.length - 1, Math.floor(values.length * 0.98))] : 1;
    return { right: right || 1, low: 0, high: high * 1.06 || 1 };
  }

  function drawPlot(context, width, height, plot) {
    const look = theme();
    const { right, low, high } = extent(plot);
    const [left, top, bottom] = [44, 8, 20];
    const margin = plot.name === "Accuracy" ? 80 : 10; // room for the labels at the ends of the lines
    const inner = { w: width - left - margin, h: height - top - bottom };
    const px = (v) => left + (v / right) * inner.w;
    const py = (v) => top + (1 - (v - low) / (high - low)) * inner.h;
    context.font = `11px ${look.font}`;
    context.lineWidth = 1;
    context.strokeStyle = look.line;
    context.fillStyle = look.muted;
    context.textBaseline = "middle";
    context.textAlign = "right";
    for (const v of ticks(low, high, plot.height > 150 ? 5 : 3)) {
      const y = Math.round(py(v)) + 0.5;
      context.beginPath();
      context.moveTo(left, y);
      context.lineTo(left + inner.w, y);
      context.stroke();
      context.fillText(plot.tick(v), left - 6, y);
    }
    context.textBaseline = "top";
    for (const v of ticks(0, right, Math.max(2, Math.floor(inner.w / 90)))) {
      const last = px(v) + 18 > width;
      context.textAlign = v === 0 ? "left" : last ? "right" : "center";
      context.fillText(short(v), last ? width - 1 : px(v), height - bottom + 6);
    }
    context.save();
    context.beginPath();
    context.rect(left, top - 4, inner.w + 1, inner.h + 8);
    context.clip();
    const ends = [];
    for (const run of [...present()].reverse())
      for (const [set, column] of linesOf(plot).reverse()) {
        const rows = curves.get(run.key)[set];
        const colour = colourOf(run, look);
        context.globalAlpha = lit && lit !== run.key ? 0.15 : 1;
        context.strokeStyle = colour;
        context.lineJoin = "round";
        const solid = set === "test" || plot.lines.length === 1;
        context.lineWidth = solid ? 2 : 1.25;
        context.setLineDash(solid ? [] : [4, 3]);
        context.beginPath();
        let open = false;
        let last = null;
        for (const row of rows) {
          const v = value(row, column);
          if (!Number.isFinite(v)) {
            open = false;
            continue;
          }
          const y = py(Math.min(v, high * 2));
          if (open) context.lineTo(px(xOf(row, run)), y);
          else context.moveTo(px(xOf(row, run)), y);
          open = true;
          last = row;
        }
        context.stroke();
        if (rows.length === 1 && last) dot(context, px(xOf(last, run)), py(value(last, column)), colour);
        if (last) ends.push({ y: py(value(last, column)), text: `${set} ${percent(value(last, column))}`, colour });
      }
    context.globalAlpha = 1;
    context.setLineDash([]);
    context.restore();
    if (margin > 20) label(context, ends, left + inner.w + 5, top, top + inner.h, look);
    if (at !== null) crossHair(context, plot, px, py, top, inner.h, look);
    return { value: (offset) => Math.max(0, Math.min(right, ((offset - left) / inner.w) * right)) };
  }

  function crossHair(context, plot, px, py, top, height, look) {
    context.strokeStyle = look.muted;
    context.lineWidth = 1;
    const here = Math.round(px(at)) + 0.5;
    context.beginPath();
    context.moveTo(here, top);
    context.lineTo(here, top + height);
    context.stroke();
    for (const run of present())
      for (const [set, column] of linesOf(plot)) {
        const row = nearest(curves.get(run.key)[set], run);
        if (!row || !Number.isFinite(value(row, column))) continue;
        dot(context, px(xOf(row, run)), py(value(row, column)), colourOf(run, look));
      }
  }

  // The row whose x is nearest to the cross-hair (rows are in order of x).
  function nearest(rows, run) {
    if (!rows.length || at === null) return null;
    let [low, high] = [0, rows.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (xOf(rows[middle], run) < at) low = middle + 1;
      else high = middle;
    }
    if (low > 0 && at - xOf(rows[low - 1], run) < xOf(rows[low], run) - at) low -= 1;
    return rows[low];
  }

  function tell() {
    if (overlay) return tellInLegend();
    if (at === null) {
      setText(readout, "Point at the curves, or move along them with the arrow keys, to read exact values.");
      readout.classList.add("cl-muted");
      return;
    }
    readout.classList.remove("cl-muted");
    const parts = present().map((run) => {
      const { train, test } = curves.get(run.key);
      const [a, b] = [nearest(train, run), nearest(test, run)];
      const where = (row) => `${x === "seconds" ? row[2].toFixed(2) + " s" : count(row[X[x]]) + " " + x}`;
      const said = [];
      if (b) said.push(`test ${percent(b[4], 2)}, loss ${b[3].toPrecision(4)} at ${where(b)}`);
      if (a) said.push(`train ${percent(a[4], 2)}, loss ${a[3].toPrecision(4)}, ${count(a[5] ?? 0)} examples/s at ${where(a)}`);
      return (present().length > 1 ? `${run.name}: ` : "") + said.join(" · ");
    });
    setText(readout, parts.join("\n"));
  }

  function spoken(plot) {
    const said = present().map((run) => {
      const { train, test } = curves.get(run.key);
      const ends = linesOf(plot)
        .map(([set, column]) => [set, ({ train, test })[set].at(-1), column])
        .filter(([, row, column]) => row && row[column] != null)
        .map(([set, row, column]) => `${set} ${plot.format(row[column])}`);
      return `${run.name}: ${ends.join(", ")}`;
    });
    return `${plot.name} against ${X_NAMES[x]}. ${said.join("; ")}. Arrow keys read exact values.`;
  }

  // With many runs, each has its line in the legend, with what it was at the cross-hair, or is at its end.
  function tellInLegend() {
    const unit = x === "seconds" ? " s of training" : x === "work" ? " multiply-adds" : " examples";
    const where = at === null ? "" : `Near ${short(at)}${unit}, at the measurement nearest to it.`;
    setText(readout, where || "At the end of each run. Point at the curves, or use the arrow keys on them, to read other places.");
    for (const run of present()) {
      const { train, test } = curves.get(run.key);
      const [a, b] = at === null ? [train.at(-1), test.at(-1)] : [nearest(train, run), nearest(test, run)];
      const said = [b ? `test ${percent(b[4], 2)}, loss ${b[3] == null ? "?" : b[3].toPrecision(4)}` : "no evaluation yet"];
      if (a && !testOnly) said.push(`training ${percent(a[4], 2)}, loss ${a[3].toPrecision(4)}`);
      const row = b ?? a;
      if (row) said.push(`${count(row[0])} examples, ${row[2].toFixed(1)} s`);
      const place = values.get(run.key);
      if (place) setText(place, said.join(" · "));
    }
  }

  let legendFor = "";
  const values = new Map();
  function drawLegend() {
    const key = JSON.stringify([present(), theme().dark, testOnly]);
    if (key === legendFor) return;
    legendFor = key;
    const look = theme();
    const items = present().map((run) => {
      const swatch = h("span.cl-swatch");
      swatch.style.background = colourOf(run, look);
      const remove =
        run.colour === 0 && !overlay
          ? null
          : h("button.cl-remove", { type: "button", "aria-label": `Remove ${run.name} from the curves`, onclick: () => model.send({ remove: run.key }) }, "×");
      if (overlay) {
        values.set(run.key, h("span.cl-muted"));
        const light = (name) => () => ((lit = name), later());
        const listening = { title: run.note, onpointerenter: light(run.key), onpointerleave: light("") };
        return h("span.cl-legend-item", listening, swatch, h("b", {}, run.name), values.get(run.key), h("span.cl-spring"), remove);
      }
      return h("span.cl-legend-item", { title: run.note }, swatch, h("span", {}, run.name), run.note ? h("span.cl-muted", {}, run.note) : null, remove);
    });
    legend.replaceChildren(...items, testOnly ? "" : h("span.cl-muted", {}, "solid: test · dashed: train"));
  }

  function savePng() {
    const [width, heights] = [720, [300, 180, 180]];
    const total = heights.reduce((a, b) => a + b + 24, 0) + 26 * (present().length + 1);
    const name = `convolab-curves-${(runs[0]?.name ?? "run").replace(/[^\w-]+/g, "-")}.png`;
    savePicture(width, total, (context) => {
      const look = theme();
      context.translate(0, 4);
      PLOTS.forEach((plot, i) => {
        context.fillStyle = look.ink;
        context.font = `600 13px ${look.font}`;
        context.textAlign = "left";
        context.textBaseline = "top";
        context.fillText(`${plot.name}${plot.unit ? ", " + plot.unit : ""} against ${X_NAMES[x]}`, 8, 2);
        context.translate(0, 22);
        drawPlot(context, width, heights[i], plot);
        context.translate(0, heights[i] + 2);
      });
      for (const run of present()) {
        context.fillStyle = colourOf(run, look);
        context.fillRect(10, 8, 14, 10);
        context.fillStyle = look.ink;
        context.font = `12px ${look.font}`;
        context.textAlign = "left";
        context.textBaseline = "top";
        context.fillText(`${run.name}  ${run.note ?? ""}`, 32, 6, width - 40);
        context.translate(0, 24);
      }
      context.fillStyle = look.muted;
      context.fillText("solid: test set · dashed: training images", 10, 6);
    }, name);
  }

  // The runs that can be compared, as the server lists them when the list is opened.
  model.on("msg:custom", ({ offers }) => {
    if (!offers) return;
    const lines = offers.map((offer) => {
      const box = h("input", { type: "checkbox", onchange: () => model.send({ compare: offer.key, on: box.checked }) });
      box.checked = offer.on;
      return h("label.cl-offer", {}, box, h("span", {}, h("b", {}, offer.name), h("small", {}, offer.note)));
    });
    compare.fill(lines.length ? lines : [h("p.cl-muted", {}, "There is no other run yet. Train two, and their curves can be compared.")]);
  });

  function runsChanged() {
    runs = model.get("runs") ?? [];
    const wanted = new Set(runs.map((run) => run.key));
    for (const key of [...curves.keys()]) if (!wanted.has(key)) curves.delete(key);
    at = null;
    later();
    poke();
  }
  model.on("change:runs", runsChanged);
  model.on("change:lit", (key) => ((lit = key), later()));

  const stopFeed = subscribe({
    el,
    // Per run: what is here already. Runs that ended and are here whole are not asked for.
    query: () => {
      const asked = runs.filter((run) => !curves.get(run.key)?.ended).map((run) => `${run.key}~${curves.get(run.key)?.cursor ?? ""}`);
      return asked.length ? { c: asked.join(",") } : {};
    },
    update: take,
  });
  const stopLook = onLookChange(el, draw);
  draw();
  return () => {
    stopFeed();
    stopLook();
  };
}
