// The losses while a style is learned: style and content, normalised, against steps.
import { cornerMenu, crisp, h, onLookChange, savePicture, setHidden, setText, short, theme } from "./look.js";
import { thin, ticks } from "./plot.js";

const LINES = [["style difference", 3, 0], ["content difference", 4, 1]];
const HEIGHT = 200;

// `rows()` gives [[step, seconds, total, style, content], …].
export function learnCurves(rows) {
  const canvas = h("canvas", { tabindex: 0, role: "img", "aria-label": "Losses against steps" });
  const readout = h("p.cl-readout");
  const place = h("div.cl-panel.cs-curves", { hidden: true });
  let pointer = null;
  let box = null;

  function drawOn(context, width, height, kept) {
    const look = theme();
    const [left, top, right, bottom] = [44, 8, 12, 20];
    const inner = { w: width - left - right, h: height - top - bottom };
    const last = Math.max(1, kept.at(-1)[0]);
    const values = kept.flatMap((row) => [row[3], row[4]]).filter((v) => v > 0);
    // The first steps are far above all others; what is of interest is below.
    const sorted = [...values].sort((a, b) => a - b);
    const high = Math.max(sorted[Math.floor(0.97 * (sorted.length - 1))] * 1.15, 1e-6);
    const px = (step) => left + (step / last) * inner.w;
    const py = (v) => top + (1 - Math.min(1, v / high)) * inner.h;
    context.font = `11px ${look.font}`;
    context.lineWidth = 1;
    for (const v of ticks(0, high, 4)) {
      context.strokeStyle = look.line;
      context.beginPath();
      context.moveTo(left, Math.round(py(v)) + 0.5);
      context.lineTo(left + inner.w, Math.round(py(v)) + 0.5);
      context.stroke();
      context.fillStyle = look.muted;
      context.textAlign = "right";
      context.textBaseline = "middle";
      context.fillText(short(v), left - 6, py(v));
    }
    context.textBaseline = "top";
    context.fillText(`${short(last)} steps`, left + inner.w, height - bottom + 6);
    for (const [, column, colour] of LINES) {
      context.strokeStyle = look.data[colour];
      context.lineWidth = 2;
      context.setLineDash(colour ? [6, 3] : []);
      context.beginPath();
      kept.forEach((row, i) => context[i ? "lineTo" : "moveTo"](px(row[0]), py(row[column])));
      context.stroke();
      context.setLineDash([]);
    }
    return { step: (offset) => ((offset - left) / inner.w) * last };
  }
  function draw() {
    const found = rows();
    setHidden(place, found.length < 2);
    const width = place.clientWidth - 2;
    if (found.length < 2 || width < 50) return;
    const kept = found.length > 800 ? thin(found, 800) : found;
    box = drawOn(crisp(canvas, width, HEIGHT), width, HEIGHT, kept);
    const row = pointer === null ? found.at(-1) : found.reduce((best, one) => (Math.abs(one[0] - pointer) < Math.abs(best[0] - pointer) ? one : best));
    const words = `Step ${row[0]}: style ${row[3]?.toPrecision(3) ?? "–"}, content ${row[4]?.toPrecision(3) ?? "–"}; 0 is reached, 1 is as far as the target is large`;
    setText(readout, words);
    canvas.setAttribute("aria-label", `Losses against steps. ${words}`);
  }
  canvas.addEventListener("pointermove", (event) => ((pointer = box?.step(event.offsetX) ?? null), draw()));
  canvas.addEventListener("pointerleave", () => ((pointer = null), draw()));
  const stop = onLookChange(place, draw);
  return {
    draw,
    stop,
    root(saveCsv) {
      const menu = cornerMenu("the losses", [
        ["Picture of the curves (PNG)", () => savePicture(640, 300, (context, width, height) => drawOn(context, width, height, rows()), "convolab-learning.png")],
        ["Losses at every step shown (CSV)", saveCsv],
      ]);
      const legend = h("div.cl-legend", {}, ...LINES.map(([name, , colour]) => {
        const swatch = h("span.cl-swatch");
        swatch.style.background = `var(--data-${colour + 1})`;
        return h("span.cl-legend-item", {}, swatch, h("span", {}, name));
      }));
      place.append(h("div.cl-panel-head", {}, h("h3", {}, "Losses"), legend, h("span.cl-spring"), menu), canvas, readout);
      return place;
    },
  };
}
