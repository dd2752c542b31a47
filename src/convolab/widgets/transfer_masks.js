// Masks: which style goes where, painted over the photo.
import { choice, h, theme } from "./look.js";
import { address } from "./transfer_job.js";

const SIDE = 640; // of the long side of a mask
const UNDO = 20;
const TINTS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9"];

// Opens the painter. Gives a promise of one PNG for each style, of none if there shall be no masks, or of null.
export async function openMasks({ photo, styles, masks }) {
  const scale = SIDE / Math.max(photo.width, photo.height);
  const [width, height] = [Math.max(8, Math.round(photo.width * scale)), Math.max(8, Math.round(photo.height * scale))];
  const ground = await picture(address(`pictures/${photo.key}/picture`)).catch(() => null);
  // One layer per style; its alpha is the mask. At the beginning the first style is everywhere.
  const layers = styles.map(() => Object.assign(document.createElement("canvas"), { width, height }));
  const pens = layers.map((layer) => layer.getContext("2d", { willReadFrequently: true }));
  fill(0);
  if (masks.length === styles.length)
    await Promise.all(masks.map((key, i) => picture(address(`pictures/${key}/picture`)).then((found) => adopt(pens[i], found)).catch(() => null)));

  let brush = styles.length > 1 ? 1 : -1; // number of a style, or −1 for none
  let size = Math.round(Math.max(width, height) / 10);
  let past = [];
  let stroke = null;
  let cursor = [width / 2, height / 2];
  let down = false;

  const canvas = h("canvas.ct-mask-canvas", { width, height, tabindex: 0, role: "application", "aria-label": "Masks over the photo. Arrow keys move the brush, Space puts it down or lifts it, Ctrl-Z undoes." });
  const context = canvas.getContext("2d");
  const brushes = choice("What is painted", [...styles.map((style, i) => [String(i), style.title]), ["-1", "No style"]], String(brush), (value) => (brush = +value));
  [...brushes.children].forEach((button, i) => {
    const dot = h("i.ct-tint");
    dot.style.background = i < styles.length ? TINTS[i] : "transparent";
    button.prepend(dot);
  });
  const sizer = h("input", { type: "range", min: 6, max: Math.round(Math.max(width, height) / 2), value: size, "aria-label": "Brush size", oninput: () => (size = +sizer.value) });
  const button = (text, action, kind = "cl-button") => h(`button.${kind}`, { type: "button", onclick: action }, text);
  const dialog = h(
    "dialog.ct-masks-dialog",
    { "aria-label": "Masks" },
    h("div.cl-panel-head", {}, h("h2", {}, "Which style goes where"), h("span.cl-spring"), button("Close", () => finish(null))),
    h("div.cl-tools", {}, brushes, h("label.cl-size", {}, "Brush", sizer), button("Undo", undo), button("Reset", () => (remember(), layers.forEach((_, i) => fill(i === 0 ? 1 : 0, i)), paint()))),
    h("div.ct-mask-frame", {}, canvas),
    h("div.cl-tools", {}, button("Use these masks", save, "ct-main"), button("No masks", () => finish([]))),
  );
  listenToHands();
  document.body.append(dialog);
  dialog.showModal();
  paint();
  let done;
  const result = new Promise((resolve) => (done = resolve));
  dialog.addEventListener("cancel", (event) => (event.preventDefault(), finish(null)));
  return result;

  function finish(value) {
    dialog.close();
    dialog.remove();
    done(value);
  }
  async function save() {
    const blobs = [];
    for (const layer of layers) {
      const flat = Object.assign(document.createElement("canvas"), { width, height });
      const pen = flat.getContext("2d");
      pen.fillStyle = "#000";
      pen.fillRect(0, 0, width, height);
      pen.drawImage(layer, 0, 0); // layers are white
      blobs.push(await new Promise((resolve) => flat.toBlob(resolve, "image/png")));
    }
    finish(blobs);
  }
  function fill(value, only = null) {
    pens.forEach((pen, i) => {
      if (only !== null && i !== only) return;
      pen.globalCompositeOperation = "source-over";
      pen.clearRect(0, 0, width, height);
      pen.fillStyle = "#fff";
      if (only === null ? i === value : value) pen.fillRect(0, 0, width, height);
    });
  }
  function adopt(pen, found) {
    pen.globalCompositeOperation = "copy";
    pen.drawImage(found, 0, 0, width, height);
    const image = pen.getImageData(0, 0, width, height);
    for (let i = 0; i < image.data.length; i += 4) {
      image.data[i + 3] = image.data[i];
      image.data[i] = image.data[i + 1] = image.data[i + 2] = 255;
    }
    pen.putImageData(image, 0, 0);
  }
  function remember() {
    past = [...past.slice(1 - UNDO), pens.map((pen) => pen.getImageData(0, 0, width, height))];
  }
  function undo() {
    const back = past.pop();
    if (!back) return;
    back.forEach((image, i) => pens[i].putImageData(image, 0, 0));
    paint();
  }
  function line(from, to) {
    pens.forEach((pen, i) => {
      pen.globalCompositeOperation = i === brush ? "source-over" : "destination-out";
      pen.strokeStyle = "#fff";
      pen.lineWidth = size;
      pen.lineCap = pen.lineJoin = "round";
      pen.beginPath();
      pen.moveTo(...from);
      pen.lineTo(to[0] + 0.01, to[1]);
      pen.stroke();
    });
    paint();
  }
  function paint() {
    context.globalAlpha = 1;
    context.fillStyle = theme().paper;
    context.fillRect(0, 0, width, height);
    if (ground) context.drawImage(ground, 0, 0, width, height);
    context.globalAlpha = 0.5;
    layers.forEach((layer, i) => {
      const tinted = Object.assign(document.createElement("canvas"), { width, height });
      const pen = tinted.getContext("2d");
      pen.drawImage(layer, 0, 0);
      pen.globalCompositeOperation = "source-in";
      pen.fillStyle = TINTS[i];
      pen.fillRect(0, 0, width, height);
      context.drawImage(tinted, 0, 0);
    });
    context.globalAlpha = 1;
    if (document.activeElement === canvas && canvas.matches(":focus-visible")) {
      context.strokeStyle = theme().ink;
      context.lineWidth = 2;
      context.setLineDash(down ? [] : [5, 4]);
      context.beginPath();
      context.arc(...cursor, size / 2, 0, 7);
      context.stroke();
      context.setLineDash([]);
    }
  }
  function place(event) {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.height) * height];
  }
  function listenToHands() {
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      remember();
      stroke = place(event);
      line(stroke, stroke);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!stroke) return;
      const to = place(event);
      line(stroke, to);
      stroke = to;
    });
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => (stroke = null));
    canvas.addEventListener("keydown", (event) => {
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (way) {
        const reach = event.shiftKey ? 40 : 12;
        const to = [Math.max(0, Math.min(width, cursor[0] + way[0] * reach)), Math.max(0, Math.min(height, cursor[1] + way[1] * reach))];
        if (down) line(cursor, to);
        cursor = to;
      } else if (event.key === " ") {
        down = !down;
        if (down) (remember(), line(cursor, cursor));
      } else if ((event.ctrlKey || event.metaKey) && event.key === "z") undo();
      else return;
      event.preventDefault();
      event.stopPropagation();
      paint();
    });
  }
}

function picture(source) {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = reject;
    image.src = source;
  });
}
