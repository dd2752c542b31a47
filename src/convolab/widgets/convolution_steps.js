// A convolution or a pooling as a film: the window slides over the input maps, the sum builds up number by number,
// the output map fills.
import { choice, css, crisp, h, onLookChange, setHidden, setText, signedScale, theme } from "./look.js";
import { calculate, gather, outputs } from "./convolution_data.js";
import { floating } from "./floating.js";
import { placeName } from "./unit_names.js";
import { decimalsFor, exact, fixed, number } from "./unit_numbers.js";
import { pictures } from "./unit_pictures.js";

const PACES = { number: 140, place: 420, fast: 33 }; // ms per step
const REST = 700; // ms on a finished sum, number by number
const mapSide = () => (window.innerWidth <= 600 ? 148 : 200); // pixels

// `unit` is the unit from which it was opened: the film begins at its place in its map.
export function convolutionSteps({ host, ask, unit, level, below, values, levelTitle, onClose = () => {} }) {
  let data = null;
  let made = null; // the whole output map
  let now = null; // the arithmetic at this place
  let place = unit.index[1] * level.shape[2] + unit.index[2];
  let step = 0; // products added so far; one more is the output
  let map = unit.index[0];
  let chosen = 0; // of the input maps
  let pace = "number";
  let playing = !matchMedia("(prefers-reduced-motion: reduce)").matches;
  let timer = 0;
  let gathering = false;
  let again = false;
  let extents = {};
  let decimals = 3;

  const frame = floating({ host, name: `${level.title}, watched`, width: 760, className: "cl-film", part: 0.78, onClose: ended });
  frame.title.append(h("h2.cl-card-title", {}, level.title), h("div.cl-card-sub", {}, h("span", {}, unit.kind === "conv" ? "The kernel slides over the input" : "The window slides over the input")));
  const problem = h("p.cl-card-problem", { role: "alert", hidden: true });
  const input = h("canvas", { role: "img" });
  const output = h("canvas", { role: "img" });
  const inputName = h("figcaption");
  const outputName = h("figcaption");
  const thumbs = h("div.cl-thumbs", { role: "group", "aria-label": "Input maps" });
  const middle = h("div.cl-film-middle");
  const rise = h("canvas.cl-rise", { role: "img" });
  const line = h("p.cl-film-line", { role: "status" });
  const sum = number("film-sum", "b.cl-num");
  const result = number("film-output", "b.cl-num");
  const play = h("button.cl-button.cl-play", { type: "button", "data-role": "play", title: "Play or pause (Space)", onclick: () => setPlaying(!playing) });
  const tool = (label, tip, role, action) => h("button.cl-button", { type: "button", title: tip, "data-role": role, onclick: action }, label);
  const scrub = h("input.cl-scrub", { type: "range", min: 0, max: level.shape[1] * level.shape[2] - 1, step: 1, value: place, "aria-label": "Place of the window", oninput: () => (setPlaying(false), seek(+scrub.value, Infinity)) });
  const where = h("span.cl-muted.cl-num");
  const paces = choice("Pace", [["number", "Number by number"], ["place", "Place by place"], ["fast", "Fast"]], pace, (value) => {
    pace = value;
    schedule();
  });
  const mapName = h("span.cl-muted");
  const maps = h("span.cl-pages", { hidden: level.shape[0] < 2 }, tool("‹", "Output map before", "map-before", () => chooseMap(-1)), mapName, tool("›", "Next output map", "map-next", () => chooseMap(1)));
  frame.body.append(
    problem,
    h("div.cl-film-stage", {}, h("figure", {}, inputName, input), middle, h("figure", {}, outputName, output)),
    thumbs,
    rise,
    h("div.cl-film-sums", {}, line, h("span.cl-spring"), h("span", {}, "Sum ", sum.el), h("span", {}, "Output ", result.el)),
    h("div.cl-film-bar", {}, play, tool("−1", "One number back (←)", "back", () => nudge(-1)), tool("+1", "One number on (→)", "on", () => nudge(1)), scrub, where),
    h("div.cl-tools", {}, paces, h("span.cl-spring"), maps),
  );
  let strip = null;

  // ---- time ----
  const last = () => data.entries.length * data.area + 1;
  const places = () => data.outRows * data.outColumns;
  function seek(nextPlace, nextStep) {
    if (!data) return;
    place = Math.max(0, Math.min(places() - 1, nextPlace));
    now = calculate(data, place);
    step = Math.max(0, Math.min(last(), nextStep));
    draw();
  }
  // One number on or back, over the ends of a place.
  function nudge(by) {
    setPlaying(false);
    if (!data) return;
    if (step + by > last()) seek(place + 1, place + 1 < places() ? 1 : last());
    else if (step + by < 0) seek(place - 1, place > 0 ? last() : 0);
    else seek(place, step + by);
  }
  function tick() {
    timer = 0;
    if (!playing || !data) return;
    if (pace === "number" && step < last()) seek(place, step + 1);
    else if (step < last()) seek(place, last());
    else if (place + 1 < places()) seek(place + 1, pace === "number" ? 0 : last());
    else return setPlaying(false);
    schedule();
  }
  function schedule() {
    clearTimeout(timer);
    if (!playing || !data) return;
    timer = setTimeout(tick, pace === "number" && step === last() ? REST : PACES[pace]);
  }
  function setPlaying(wanted) {
    if (wanted && data && place === places() - 1 && step === last()) seek(0, 0);
    playing = wanted;
    line.setAttribute("aria-live", playing ? "off" : "polite"); // a film is not for reading aloud
    setText(play, playing ? "Pause" : "Play");
    play.setAttribute("aria-pressed", String(playing));
    schedule();
  }

  // ---- what is shown ----
  async function refresh() {
    if (gathering) return void (again = true);
    gathering = true;
    try {
      const found = await gather({ ask, unit: { ...unit, index: [map, 0, 0] }, level, below, values });
      if (frame.el.isConnected && found.map === map) take(found);
    } catch (error) {
      setText(problem, error?.message || "The lab does not answer.");
      setHidden(problem, false);
    }
    gathering = false;
    if (!again) return;
    again = false;
    setTimeout(refresh, 100);
  }
  function take(found) {
    const fresh = !data || data.map !== found.map;
    data = found;
    setHidden(problem, true);
    made = outputs(data);
    now = calculate(data, place);
    const most = (lists) => lists.reduce((size, list) => list.reduce((top, value) => (Number.isNaN(value) ? top : Math.max(top, Math.abs(value))), size), 0) || 1;
    extents = { values: most(data.entries.map((entry) => entry.input)), weights: most(data.entries.map((entry) => entry.weights ?? [])) };
    extents.products = data.entries[0].weights ? most(Array.from({ length: Math.min(64, made.length) }, (_, i) => calculate(data, Math.floor((i * made.length) / 64)).products)) : extents.values;
    extents.output = most([made]);
    decimals = Math.max(3, decimalsFor(extents.output));
    if (!fresh) return draw();
    chosen = Math.min(chosen, data.entries.length - 1);
    strip?.close();
    strip = pictures({ width: 256, largest: 22, label: "What is under the window" });
    middle.replaceChildren(strip.el);
    thumbs.replaceChildren(...(data.entries.length > 1 ? data.entries.map((entry, e) => thumb(entry, e)) : []));
    setText(mapName, `Output map ${map + 1} of ${level.shape[0]}`);
    setText(outputName, level.shape[0] > 1 ? `Output, map ${map + 1}` : "Output");
    seek(place, step);
    frame.settle();
    schedule();
  }
  function thumb(entry, e) {
    const canvas = h("canvas", { "aria-hidden": "true" });
    return h("button.cl-thumb", { type: "button", "aria-label": `Input map ${entry.map + 1}`, onclick: () => pick(e) }, canvas, h("span", {}, String(entry.map + 1)));
  }
  function pick(e) {
    chosen = e;
    if (pace === "number") seek(place, e * data.area);
    else draw();
  }
  function chooseMap(by) {
    map = (map + by + level.shape[0]) % level.shape[0];
    refresh();
  }

  function draw() {
    if (!data) return;
    const finished = step >= last() - 1;
    const within = Math.min(step, last() - 2); // the product that comes next
    const shown = pace === "number" && !finished ? Math.floor(within / data.area) : chosen;
    if (pace === "number" && !finished) chosen = shown;
    const entry = data.entries[shown];
    setText(inputName, data.entries.length > 1 ? `${levelTitle(entry.level)}, map ${entry.map + 1}` : levelTitle(entry.level));
    paintMap(input, entry.input, data.rows, data.columns, extents.values, mapSide(), [now.top, now.left, ...data.kernel]);
    const filled = made.map((value, i) => (i < place || (i === place && step === last()) ? value : NaN));
    paintMap(output, filled, data.outRows, data.outColumns, extents.output, mapSide(), [now.row, now.column, 1, 1]);
    [...thumbs.children].forEach((button, e) => {
      button.setAttribute("aria-pressed", String(e === shown));
      paintMap(button.firstChild, data.entries[e].input, data.rows, data.columns, extents.values, 40, [now.top, now.left, ...data.kernel]);
    });
    const [k, area] = [data.kernel[1], data.area];
    const grid = (list, upTo = Infinity) => Array.from({ length: data.kernel[0] }, (_, r) => Array.from({ length: k }, (_, c) => (shown * area + r * k + c < upTo ? list[shown * area + r * k + c] : NaN)));
    const cells = { values: grid(now.values), padded: grid(now.padded), weights: null, products: null };
    if (entry.weights) {
      cells.weights = Array.from({ length: data.kernel[0] }, (_, r) => entry.weights.slice(r * k, (r + 1) * k));
      cells.products = grid(now.products, step);
    }
    const at = step - 1 - shown * area;
    strip.mark(step > 0 && !finished && at >= 0 && at < area ? { entry: 0, row: Math.floor(at / k), column: at % k } : null);
    strip.update([cells], extents);
    drawRise();
    say(finished);
    scrub.value = place;
    scrub.setAttribute("aria-valuetext", placeName([map, now.row, now.column]));
    setText(where, `row ${now.row + 1}, column ${now.column + 1}`);
    frame.el.dataset.place = place;
    frame.el.dataset.step = step;
  }
  function say(finished) {
    const count = last() - 1;
    const picks = data.kind === "maxpool";
    const so = step === 0 ? (picks ? NaN : 0) : now.running[Math.min(step, count) - 1];
    sum.set(step >= last() ? now.total : so, decimals);
    if (Number.isNaN(so)) sum.el.textContent = "–";
    setHidden(result.el.parentElement, step < last());
    if (step >= last()) result.set(now.output, decimals);
    if (step === 0) setText(line, picks ? "The largest wins." : `${count} products are added up.`);
    else if (step <= count) {
      const i = step - 1;
      const weight = data.entries[Math.floor(i / data.area)].weights?.[i % data.area];
      const product = picks ? exact(now.values[i]) : `${short(now.values[i])} × ${short(weight)} = ${short(now.products[i])}`;
      setText(line, `${step} of ${count}: ${product}`);
    } else {
      const named = data.steps.map((each) => each.title).join(", then ");
      const bias = data.bias == null ? "" : `+ bias ${fixed(data.bias, decimals)} = ${fixed(now.total, decimals)}`;
      setText(line, [bias, named].filter(Boolean).join(", then ") || (picks ? "The largest." : "The mean."));
    }
  }
  const short = (value) => exact(+value.toPrecision(4));

  function paintMap(canvas, list, rows, columns, extent, side, [top, left, high, wide]) {
    const cell = Math.max(1, side / Math.max(rows, columns));
    const pad = side > 100 ? 6 : 1;
    const context = crisp(canvas, columns * cell + 2 * pad, rows * cell + 2 * pad);
    const { ink, line: border, paper, muted } = theme();
    const scale = signedScale();
    const small = document.createElement("canvas");
    [small.width, small.height] = [columns, rows];
    const pen = small.getContext("2d");
    const picture = pen.createImageData(columns, rows);
    list.forEach((value, i) => {
      if (!Number.isNaN(value)) picture.data.set([...scale(value / extent), 255], i * 4);
    });
    pen.putImageData(picture, 0, 0);
    context.imageSmoothingEnabled = false;
    context.drawImage(small, pad, pad, columns * cell, rows * cell);
    context.strokeStyle = side > 100 ? muted : border;
    context.lineWidth = 1;
    context.strokeRect(pad - 0.5, pad - 0.5, columns * cell + 1, rows * cell + 1);
    const box = [pad + left * cell, pad + top * cell, wide * cell, high * cell];
    context.strokeStyle = paper;
    context.lineWidth = side > 100 ? 4 : 2.5;
    context.strokeRect(...box);
    context.strokeStyle = ink;
    context.lineWidth = side > 100 ? 2 : 1;
    context.strokeRect(...box);
  }

  // The running sum as a staircase: each product lifts or lowers it, at the end the bias.
  function drawRise() {
    const [width, height] = [Math.max(200, frame.body.clientWidth - 32), 72];
    const context = crisp(rise, width, height);
    setHidden(rise, data.kind === "maxpool");
    if (data.kind === "maxpool") return;
    const { ink, line: border } = theme();
    const stairs = [...now.running, now.total];
    const [low, high] = [Math.min(0, ...stairs), Math.max(0, ...stairs)];
    const y = (value) => 6 + ((high - value) / (high - low || 1)) * (height - 12);
    const wide = (width - 8) / stairs.length;
    const scale = signedScale();
    context.fillStyle = border;
    context.fillRect(0, Math.round(y(0)), width, 1);
    stairs.forEach((value, i) => {
      if (i >= step) return;
      const before = i ? stairs[i - 1] : 0;
      context.fillStyle = css(scale(Math.sign(value - before) * 0.85));
      const [top, bottom] = [Math.min(y(before), y(value)), Math.max(y(before), y(value))];
      context.fillRect(4 + i * wide, top, Math.max(1, wide - (wide > 4 ? 1 : 0)), Math.max(1, bottom - top));
    });
    if (step > 0) {
      const value = stairs[Math.min(step, stairs.length) - 1];
      context.strokeStyle = ink;
      context.setLineDash([3, 3]);
      context.beginPath();
      context.moveTo(4, y(value));
      context.lineTo(width - 4, y(value));
      context.stroke();
      context.setLineDash([]);
    }
    rise.setAttribute("aria-label", `The running sum, at ${fixed(step ? stairs[Math.min(step, stairs.length) - 1] : 0, 3)} after ${step} steps.`);
  }

  frame.el.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.target.matches("input[type=range], [role=radio], .cl-float-grip")) {
      if (event.key !== " " || event.target.matches("[role=radio]")) return;
    }
    if (event.key === " " && !event.target.matches("button")) setPlaying(!playing);
    else if (event.key === "ArrowRight") event.shiftKey ? (setPlaying(false), seek(place + 1, Infinity)) : nudge(1);
    else if (event.key === "ArrowLeft") event.shiftKey ? (setPlaying(false), seek(place - 1, Infinity)) : nudge(-1);
    else if (event.key === "Home") (setPlaying(false), seek(0, 0));
    else if (event.key === "End") (setPlaying(false), seek(Infinity, Infinity));
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  const stopLook = onLookChange(frame.body, draw);
  function ended() {
    clearTimeout(timer);
    data = null;
    stopLook();
    strip?.close();
    onClose();
  }
  setPlaying(playing);
  refresh();
  play.focus({ preventScroll: true });
  return { el: frame.el, refresh, close: frame.close };
}
