// The losses at every step: what is minimised, the style differences by layer, the content difference.
import { cornerMenu, crisp, h, onLookChange, saveAddress, savePicture, setHidden, setText, short, theme } from "./look.js";
import { dot } from "./plot.js";
import { address, choose, job, listen, shownStep } from "./transfer_job.js";

export default { render };

const FIXED = 7; // columns before those of the layers: step, seconds, total, style, content, weight, width

function render({ model, el }) {
  let pointer = null; // step under the pointer
  const plots = [makePlot("Style difference", 176), makePlot("Content difference", 104), makePlot("What is minimised", 88)];
  const legend = h("div.cl-legend");
  const readout = h("p.cl-readout", { role: "status" });
  const empty = h("p.cl-empty", {}, "The losses appear here as soon as painting starts: how far the picture is from the style, layer by layer, and from the photo.");
  const menu = cornerMenu("the curves", [
    ["Picture of the curves (PNG)", savePng],
    ["Losses at every step (CSV)", () => saveAddress(address(`jobs/${job.id}/losses.csv`))],
  ]);
  el.classList.add("cl-panel", "cl-curves", "ct-curves");
  el.append(h("div.cl-panel-head", {}, h("h2.cl-panel-title", { "data-tip": "Normalised: 0 is reached, 1 is as far away as the target is large. What is minimised is W · 6 · style + (1 − W) · content, plus total variation with its weight, with a share for the coarser sizes from coarse to fine. The scales are logarithmic." }, "Losses"), h("span.cl-spring"), menu), ...plots.map((plot) => plot.root), legend, readout, empty);

  function makePlot(name, height) {
    const canvas = h("canvas", { tabindex: 0, role: "img", "aria-label": `${name} against steps` });
    const plot = { name, height, canvas, root: h("div.cl-plot", {}, h("div.cl-plot-title", {}, name), canvas), box: null };
    const stepAt = (event) => plot.box && plot.box.value(event.offsetX);
    canvas.addEventListener("pointermove", (event) => point(stepAt(event)));
    canvas.addEventListener("pointerleave", () => point(null));
    canvas.addEventListener("click", (event) => choose(stepAt(event)));
    canvas.addEventListener("keydown", (event) => {
      const steps = job.steps;
      const here = steps.indexOf(shownStep());
      const to = { ArrowLeft: here - 1, ArrowRight: here + 1, Home: 0, End: steps.length - 1 }[event.key];
      if (to === undefined || !steps.length) return;
      choose(steps[Math.max(0, Math.min(steps.length - 1, to))]);
      event.preventDefault();
    });
    return plot;
  }
  function point(step) {
    pointer = step;
    later();
  }
  const layers = () => [...(job.facts?.style_layers ?? [])];
  // [name, column, colour, width]
  function lines(plot) {
    const look = theme();
    if (plot.name === "What is minimised") return [["W · 6 · style + (1 − W) · content", 2, look.accent, 1.75]];
    if (plot.name === "Content difference") {
      const content = job.facts?.content_layers ?? [];
      const mean = [["mean", 4, look.accent, 2]];
      if (content.length < 2) return mean;
      return [...content.map((name, i) => [name, FIXED + layers().length + i, look.data[(i + 5) % 8], 1.25]), ...mean];
    }
    return [...layers().map((name, i) => [name, FIXED + i, look.data[i % 8], 1.25]), ["mean", 3, look.accent, 2]];
  }

  function drawPlot(context, width, height, plot) {
    const look = theme();
    const [left, top, bottom, margin] = [44, 6, 18, 8];
    const inner = { w: width - left - margin, h: height - top - bottom };
    const rows = job.rows;
    const right = Math.max(1, rows.at(-1)?.[0] ?? 1);
    const values = lines(plot).flatMap(([, column]) => rows.map((row) => row[column])).filter((v) => v > 0);
    let [low, high] = values.length ? [Math.min(...values), Math.max(...values)] : [0.1, 1];
    if (high / low < 1.5) [low, high] = [low / 1.25, high * 1.25];
    const px = (step) => left + (step / right) * inner.w;
    const py = (v) => top + (1 - Math.log(Math.max(v, low) / low) / Math.log(high / low)) * inner.h;
    context.font = `11px ${look.font}`;
    context.lineWidth = 1;
    context.textBaseline = "middle";
    context.textAlign = "right";
    for (const v of decades(low, high, height > 150 ? 6 : 3)) {
      const y = Math.round(py(v)) + 0.5;
      context.strokeStyle = look.line;
      context.beginPath();
      context.moveTo(left, y);
      context.lineTo(left + inner.w, y);
      context.stroke();
      context.fillStyle = look.muted;
      context.fillText(short(v), left - 6, y);
    }
    context.textBaseline = "top";
    context.textAlign = "left";
    context.fillStyle = look.muted;
    context.fillText("1", left, height - bottom + 5);
    context.textAlign = "right";
    context.fillText(`${short(right)} steps`, left + inner.w, height - bottom + 5);
    // Where W was changed by hand, or the picture grew, the curves may jump: say so.
    let before = rows[0];
    for (const row of rows) {
      const grew = row[6] !== before[6];
      if (row[5] !== before[5] || grew) {
        context.strokeStyle = look.muted;
        context.setLineDash([2, 3]);
        context.beginPath();
        context.moveTo(Math.round(px(row[0])) + 0.5, top);
        context.lineTo(Math.round(px(row[0])) + 0.5, top + inner.h);
        context.stroke();
        context.setLineDash([]);
        if (plot.name === "What is minimised") {
          context.textAlign = "left";
          context.textBaseline = "top";
          context.fillText(grew ? `${row[6]} pixels` : `W ${row[5].toFixed(2)}`, px(row[0]) + 3, top);
        }
      }
      before = row;
    }
    for (const [, column, colour, weight] of lines(plot)) {
      context.strokeStyle = colour;
      context.lineWidth = weight;
      context.lineJoin = "round";
      context.beginPath();
      let open = false;
      for (const row of rows) {
        if (!(row[column] > 0)) {
          open = false;
          continue;
        }
        if (open) context.lineTo(px(row[0]), py(row[column]));
        else context.moveTo(px(row[0]), py(row[column]));
        open = true;
      }
      context.stroke();
    }
    const step = pointer ?? shownStep();
    if (step !== null && rows.length) {
      const row = nearest(step);
      const x = Math.round(px(row[0])) + 0.5;
      context.strokeStyle = look.muted;
      context.lineWidth = 1;
      context.beginPath();
      context.moveTo(x, top);
      context.lineTo(x, top + inner.h);
      context.stroke();
      for (const [, column, colour] of lines(plot)) if (row[column] > 0) dot(context, px(row[0]), py(row[column]), colour);
    }
    return { value: (offset) => Math.round(Math.max(1, Math.min(right, ((offset - left) / inner.w) * right))) };
  }
  function nearest(step) {
    return job.rows.reduce((best, row) => (Math.abs(row[0] - step) < Math.abs(best[0] - step) ? row : best));
  }

  let pending = false;
  function later() {
    if (pending) return;
    pending = true;
    requestAnimationFrame(() => {
      pending = false;
      draw();
    });
  }
  let legendFor = "";
  function draw() {
    const some = job.rows.length > 0;
    setHidden(empty, some);
    for (const node of [...plots.map((plot) => plot.root), legend, readout, menu]) setHidden(node, !some);
    if (!some) return;
    for (const plot of plots) {
      const width = plot.root.clientWidth;
      if (width) plot.box = drawPlot(crisp(plot.canvas, width, plot.height), width, plot.height, plot);
    }
    const key = JSON.stringify([layers(), theme().dark]);
    if (key !== legendFor) {
      legendFor = key;
      legend.replaceChildren(...lines(plots[0]).map(([name, , colour]) => {
        const swatch = h("span.cl-swatch");
        swatch.style.background = colour;
        return h("span.cl-legend-item", {}, swatch, h("span", {}, name));
      }));
    }
    const row = nearest(pointer ?? shownStep() ?? job.rows.at(-1)[0]);
    const say = (v) => (v == null ? "not counted" : v.toPrecision(4));
    setText(readout, `Step ${row[0]}: style ${say(row[3])}, content ${say(row[4])}, W ${row[5].toFixed(2)}\n${layers().map((name, i) => `${name} ${say(row[FIXED + i])}`).join(" · ")}`);
    for (const plot of plots) plot.canvas.setAttribute("aria-label", `${plot.name} against steps; at step ${row[0]}: ${lines(plot).map(([name, column]) => `${name} ${say(row[column])}`).join(", ")}. Arrow keys move through the pictures.`);
  }
  function savePng() {
    const width = 640;
    const heights = [280, 160, 140];
    savePicture(width, heights.reduce((a, b) => a + b + 28, 40), (context) => {
      const look = theme();
      plots.forEach((plot, i) => {
        context.fillStyle = look.ink;
        context.font = `600 13px ${look.font}`;
        context.textAlign = "left";
        context.textBaseline = "top";
        context.fillText(plot.name, 8, 6);
        context.translate(0, 26);
        drawPlot(context, width, heights[i], plot);
        context.translate(0, heights[i] + 2);
      });
      let x = 10;
      for (const [name, , colour] of lines(plots[0])) {
        context.fillStyle = colour;
        context.fillRect(x, 12, 14, 4);
        context.fillStyle = look.ink;
        context.font = `12px ${look.font}`;
        context.textAlign = "left";
        context.fillText(name, x + 20, 6);
        x += 36 + context.measureText(name).width;
      }
    }, "convolab-transfer-losses.png");
  }
  const stopListening = listen(later);
  const stopLook = onLookChange(el, draw);
  draw();
  return () => {
    stopListening();
    stopLook();
  };
}

// Round values between two, for a logarithmic scale.
function decades(low, high, wanted) {
  for (const multiples of [[1, 2, 5], [1, 3], [1]]) {
    const found = [];
    for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e += 1) for (const m of multiples) found.push(m * 10 ** e);
    const inside = found.filter((v) => v >= low * 0.999 && v <= high * 1.001);
    if (inside.length <= wanted || multiples.length === 1) return inside.length > wanted ? inside.filter((_, i) => i % Math.ceil(inside.length / wanted) === 0) : inside;
  }
  return [];
}
