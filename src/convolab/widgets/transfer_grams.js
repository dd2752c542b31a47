// The Gram matrices of the style and of the picture side by side, converging while it is painted.
import { choice, cornerMenu, h, onLookChange, saveBlob, setHidden, setText, short, signedScale, theme } from "./look.js";
import { address, job, listen, shownStep } from "./transfer_job.js";

export default { render };

function render({ model, el }) {
  let pairs = []; // of the step that is shown
  let layer = "";
  let loaded = "";
  let loading = false;
  const wanted = h("canvas.ct-gram", { role: "img" });
  const found = h("canvas.ct-gram", { role: "img" });
  const choices = h("div.ct-gram-layers");
  const figure = (canvas, title) => h("figure", {}, canvas, h("figcaption", {}, title));
  const pair = h("div.ct-gram-pair", {}, figure(wanted, "Style"), figure(found, "Picture"));
  const gradient = h("i");
  const [low, high] = [h("span"), h("span")];
  const scale = h("div.cl-scale.ct-gram-scale", {}, low, gradient, high);
  const readout = h("p.cl-readout", { role: "status" });
  const empty = h("p.cl-empty", {}, "How often two maps of a layer are active together, in the style and in the picture: the two matrices grow alike as it is painted.");
  const menu = cornerMenu("the Gram matrices", [["Both matrices as a picture (PNG)", savePng]]);
  const body = h("div.ct-gram-body", {}, choices, pair, scale, readout);
  el.classList.add("cl-panel", "ct-grams");
  el.append(h("div.cl-panel-head", {}, h("h2.cl-panel-title", { "data-tip": "Element (i, j) is the dot product of activation maps i and j, here divided by the number of places." }, "Gram matrices"), h("span.cl-spring"), menu), body, empty);

  async function load() {
    const step = shownStep();
    if (!job.id || step === null || loading) return;
    const key = `${job.id}/${step}.gram?v=${step === job.steps.at(-1) ? job.stamp : job.cursor.split(".")[0]}`;
    if (key === loaded) return;
    loading = true;
    try {
      const answer = await fetch(address(`jobs/${key}`));
      pairs = answer.ok ? unpack(new Uint8Array(await answer.arrayBuffer())) : pairs;
    } catch {
      // The lab may be restarting; the next news ask again.
    }
    loaded = key;
    loading = false;
    draw();
    load();
  }
  function chosen() {
    return pairs.find((found) => key(found) === layer) ?? pairs[0];
  }
  const key = (found) => (pairs.some((other) => other.style) ? `${found.layer} · ${found.style + 1}` : found.layer);

  let choicesFor = "";
  function draw() {
    const some = job.id && pairs.length > 0;
    setHidden(empty, !!some);
    setHidden(body, !some);
    setHidden(menu, !some);
    if (!some) return;
    const names = pairs.map(key);
    const now = chosen();
    if (choicesFor !== names.join()) {
      choicesFor = names.join();
      layer = names.includes(layer) ? layer : names[Math.min(1, names.length - 1)];
      choices.replaceChildren(choice("Layer", names.map((name) => [name, name.replace(/^relu(?=\d_\d)/, "")]), layer, (name) => ((layer = name), draw())));
      return draw();
    }
    paint(wanted, now, now.wanted);
    paint(found, now, now.found);
    const look = theme();
    gradient.style.setProperty("--gradient", `${look.low}, ${look.mid}, ${look.high}`);
    setText(low, `−${short(now.limit)}`);
    setText(high, short(now.limit));
    const apart = distance(now);
    setText(readout, `${key(now)}: ${now.maps === now.side ? `all ${now.maps} maps` : `the ${now.side} strongest of ${now.maps} maps`}; the matrices differ by ${(100 * apart).toFixed(apart < 0.1 ? 1 : 0)} % of the style’s. Colours grow with the square root.`);
    wanted.setAttribute("aria-label", `Gram matrix of the style in ${key(now)}`);
    found.setAttribute("aria-label", `Gram matrix of the picture in ${key(now)}, ${(100 * apart).toFixed(0)} % away`);
  }
  function paint(canvas, { side }, values) {
    if (canvas.width !== side) [canvas.width, canvas.height] = [side, side];
    const context = canvas.getContext("2d");
    const image = context.createImageData(side, side);
    const colour = signedScale();
    for (let i = 0; i < values.length; i += 1) {
      const [r, g, b] = colour(values[i] / 127);
      image.data.set([r, g, b, 255], 4 * i);
    }
    context.putImageData(image, 0, 0);
  }
  function savePng() {
    const side = 384;
    const canvas = Object.assign(document.createElement("canvas"), { width: 2 * side + 48, height: side + 64 });
    const context = canvas.getContext("2d");
    const look = theme();
    context.fillStyle = look.paper;
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.imageSmoothingEnabled = false;
    context.drawImage(wanted, 16, 40, side, side);
    context.drawImage(found, 32 + side, 40, side, side);
    context.fillStyle = look.ink;
    context.font = `600 15px ${look.font}`;
    context.fillText(`Style, ${key(chosen())}`, 16, 26);
    context.fillText(`Picture, step ${shownStep()}`, 32 + side, 26);
    canvas.toBlob((blob) => saveBlob(blob, `convolab-gram-${chosen().layer}.png`));
  }
  const stopListening = listen(() => {
    if (!job.steps.length) {
      pairs = [];
      loaded = "";
      draw();
    }
    load();
  });
  const stopLook = onLookChange(el, draw);
  draw();
  load();
  return () => {
    stopListening();
    stopLook();
  };
}

// As convolab/style/grams.py packs them.
function unpack(bytes) {
  const end = bytes.indexOf(10);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(0, end)));
  const values = new Int8Array(bytes.buffer, bytes.byteOffset + end + 1);
  let at = 0;
  return header.map(({ layer, style, maps, shown, limit }) => {
    const side = shown.length;
    const wanted = values.subarray(at, at + side * side);
    const found = values.subarray(at + side * side, at + 2 * side * side);
    at += 2 * side * side;
    return { layer, style, maps, shown, limit, side, wanted, found };
  });
}

// ‖G(picture) − G(style)‖ / ‖G(style)‖ of what is shown.
function distance({ wanted, found }) {
  let [apart, size] = [0, 0];
  for (let i = 0; i < wanted.length; i += 1) {
    const [a, b] = [wanted[i] * Math.abs(wanted[i]), found[i] * Math.abs(found[i])];
    apart += (a - b) ** 2;
    size += a ** 2;
  }
  return Math.sqrt(apart / (size || 1));
}
