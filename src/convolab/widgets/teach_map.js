// The map of the room Teach: examples in the plane in which they lie farthest apart, and the picture of this moment.
import { cornerMenu, crisp, h, onLookChange, percent, savePicture, saveText, setText, theme } from "./look.js";
import { colourOf, imageAddress, markOf, onSeen, store, swatch, tell } from "./teach_store.js";

const HEIGHT = 300;
const EDGE = 16;
const NEAR = 14; // pixels within which a point is meant
const TRAIL = 12; // places of the camera's picture that are still seen

export function mapPanel() {
  const canvas = h("canvas", { tabindex: 0, role: "img" });
  const readout = h("div.te-readout");
  const key = h("div.cl-legend");
  const note = h("p.cl-muted");
  const menu = cornerMenu("the map", [["Picture of the map (PNG)", save], ["The places (CSV)", table]]);
  const root = h("figure.te-map.cl-panel", {}, h("figcaption.cl-panel-head", {}, h("h3", { "data-tip": "Principal component analysis of the features: the plane in which the examples lie farthest apart. Hollow marks are held-out images" }, "Map of the features"), h("span.cl-spring"), menu), canvas, readout, key, note);
  let trail = [];
  let at = -1; // the point that is meant
  let frame = null;

  function scale(width) {
    const points = store.learned.map.points;
    const [xs, ys] = [points.map((p) => p[3]), points.map((p) => p[4])];
    const [left, right, low, high] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const across = (right - left || 1) * 1.16;
    const up = (high - low || 1) * 1.16;
    const middle = [(left + right) / 2, (low + high) / 2];
    const clamp = (value, most) => Math.max(6, Math.min(most - 6, value));
    return ([x, y]) => [clamp(width / 2 + ((x - middle[0]) / across) * (width - 2 * EDGE), width), clamp(HEIGHT / 2 - ((y - middle[1]) / up) * (HEIGHT - 2 * EDGE), HEIGHT)];
  }
  function draw() {
    frame = null;
    const learned = store.learned;
    root.hidden = !learned;
    const width = root.clientWidth;
    if (!learned || !width) return;
    const context = crisp(canvas, width, HEIGHT);
    paint(context, width);
    const [first, second] = learned.map.explained;
    setText(note, `Across and up: the first two principal components, ${percent(first, 0)} and ${percent(second, 0)} of the variance of the features of ${learned.layer}.`);
    const names = learned.classes.join("\n");
    if (key.dataset.key !== names) {
      key.dataset.key = names;
      key.replaceChildren(...learned.classes.map((name, i) => h("span.cl-legend-item", {}, swatch(i), name)), h("span.cl-legend-item", {}, h("i.te-hollow"), "held out"), h("span.cl-legend-item", {}, h("i.te-now"), "what it sees now"));
    }
    canvas.setAttribute("aria-label", `Map of ${learned.map.points.length} images of ${learned.classes.length} classes; arrow keys go from image to image, Enter looks at one`);
  }
  function paint(context, width) {
    const look = theme();
    const place = scale(width);
    context.strokeStyle = look.line;
    context.strokeRect(0.5, 0.5, width - 1, HEIGHT - 1);
    store.learned.map.points.forEach(([id, label, part, x, y], i) => {
      const [px, py] = place([x, y]);
      mark(context, px, py, i === at || id === store.chosen ? 7 : 4.5, markOf(label), colourOf(look, label), part === "test", look);
    });
    trail.forEach((one, i) => {
      const [px, py] = place(one);
      const newest = i === trail.length - 1;
      context.globalAlpha = newest ? 1 : 0.1 + (0.3 * i) / TRAIL;
      context.beginPath();
      context.arc(px, py, newest ? 9 : 3, 0, 7);
      context.lineWidth = 3;
      context.strokeStyle = look.paper;
      if (newest) context.stroke();
      context.fillStyle = look.ink;
      context.lineWidth = 2;
      context.strokeStyle = look.ink;
      newest ? context.stroke() : context.fill();
      if (newest) {
        context.beginPath();
        context.arc(px, py, 2.5, 0, 7);
        context.fill();
      }
      context.globalAlpha = 1;
    });
  }
  function mark(context, x, y, size, kind, colour, hollow, look) {
    context.beginPath();
    if (kind === "circle") context.arc(x, y, size, 0, 7);
    else if (kind === "square") context.rect(x - size, y - size, 2 * size, 2 * size);
    else context.moveTo(x, y - size * 1.2), context.lineTo(x + size * 1.1, y + size * 0.8), context.lineTo(x - size * 1.1, y + size * 0.8), context.closePath();
    context.fillStyle = hollow ? look.paper : colour;
    context.strokeStyle = hollow ? colour : look.paper;
    context.lineWidth = hollow ? 2 : 1;
    context.fill();
    context.stroke();
  }
  function nearestTo(x, y) {
    const place = scale(root.clientWidth);
    let best = [-1, NEAR * NEAR];
    store.learned.map.points.forEach((point, i) => {
      const [px, py] = place([point[3], point[4]]);
      const gap = (px - x) ** 2 + (py - y) ** 2;
      if (gap < best[1]) best = [i, gap];
    });
    return best[0];
  }
  function mean(i) {
    at = i;
    const point = store.learned?.map.points[i];
    readout.replaceChildren(...(point ? [h("img", { src: imageAddress(point[0]), alt: "" }), h("span", {}, `${store.learned.classes[point[1]]}, ${point[2] === "test" ? "held out" : "learned from"}`)] : []));
    later();
  }
  function pick() {
    const point = store.learned?.map.points[at];
    if (!point) return;
    store.chosen = point[0];
    tell();
  }
  canvas.addEventListener("pointermove", (event) => store.learned && mean(nearestTo(event.offsetX, event.offsetY)));
  canvas.addEventListener("pointerleave", () => mean(-1));
  canvas.addEventListener("click", (event) => (mean(nearestTo(event.offsetX, event.offsetY)), pick()));
  canvas.addEventListener("keydown", (event) => {
    const total = store.learned?.map.points.length ?? 0;
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (step && total) mean((at + step + total) % total);
    else if (event.key === "Enter") pick();
    else return;
    event.preventDefault();
  });
  function save() {
    const look = theme();
    const wide = Math.max(480, root.clientWidth);
    savePicture(wide, HEIGHT + 28 + 20 * store.learned.classes.length, (context) => {
      paint(context, wide);
      context.font = `12px ${look.font}`;
      context.textBaseline = "middle";
      store.learned.classes.forEach((name, i) => {
        const y = HEIGHT + 20 + 20 * i;
        mark(context, 16, y, 5, markOf(i), colourOf(look, i), false, look);
        context.fillStyle = look.ink;
        context.fillText(name, 30, y);
      });
    }, "convolab-feature-map.png");
  }
  function table() {
    const { classes, map } = store.learned;
    const rows = map.points.map(([id, label, part, x, y]) => [id, `"${classes[label].replaceAll('"', '""')}"`, part, x, y].join(","));
    saveText(["image,class,part,first component,second component", ...rows].join("\n") + "\n", "convolab-feature-map.csv");
  }
  function later() {
    frame ??= requestAnimationFrame(draw);
  }
  let last = null;
  let learned = null;
  function update() {
    if (store.learned !== learned) {
      learned = store.learned;
      trail = [];
      at = -1;
    }
    const seen = store.seen;
    if (seen && seen !== last && seen.place && store.learned) {
      trail.push(seen.place);
      if (trail.length > TRAIL) trail.shift();
    }
    last = seen;
    later();
  }
  const stops = [onLookChange(root, draw), onSeen(update)];
  return { root, update, stop: () => stops.forEach((one) => one()) };
}
