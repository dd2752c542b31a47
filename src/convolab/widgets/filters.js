// The weights of the first layer as pictures: the filters of a convolution, or the input weights of a fully
// connected unit laid out as the input is.
import { poke, subscribe } from "./feed.js";
import { choice, cornerMenu, crisp, h, onLookChange, savePicture, saveText, setHidden, setText, signedScale, theme } from "./look.js";

export default { render };

function render({ model, el }) {
  let version = "";
  let data = null; // { layer, shape: [n, channels, height, width], first, total, largest, values }
  let mode = "signed"; // or "colour", for filters over red, green and blue
  let page = 0;
  let layout = null;
  let at = null; // [filter, channel, row, column] under the pointer

  const note = h("span.cl-muted");
  const canvas = h("canvas", { role: "img", tabindex: 0 });
  const scale = h("div.cl-scale");
  const readout = h("div.cl-readout.cl-muted", { role: "status", "aria-live": "polite" });
  const empty = h("p.cl-empty", {}, "The weights of the first layer appear here as pictures.");
  const previous = h("button.cl-button", { type: "button", "aria-label": "Previous units", onclick: () => turn(-1) }, "‹");
  const next = h("button.cl-button", { type: "button", "aria-label": "Next units", onclick: () => turn(1) }, "›");
  const pages = h("span.cl-pages", {}, previous, h("span"), next);
  const modes = choice("Show weights as", [["signed", "Signed"], ["colour", "In colour"]], mode, (value) => {
    mode = value;
    at = null;
    draw();
  });
  const menu = cornerMenu("the filters", [
    ["Picture of the filters (PNG)", savePng],
    ["Weights shown (CSV)", saveCsv],
  ]);
  const low = h("span");
  const high = h("span");
  scale.append(low, h("i"), high);
  el.classList.add("cl-panel", "cl-filters");
  el.append(h("div.cl-panel-head", {}, h("h2.cl-panel-title", {}, "First-layer filters"), note, h("span.cl-spring"), modes, pages, menu), empty, canvas, scale, readout);

  function turn(step) {
    page = Math.max(0, page + step);
    version = "";
    poke();
  }

  function update(news) {
    const part = news.filters;
    if (!part) return;
    version = part.version;
    if (!part.data) {
      data = null;
      setText(note, "");
      setText(empty, part.message ?? "The weights of the first layer appear here as pictures.");
      return draw();
    }
    const bytes = Uint8Array.from(atob(part.data), (c) => c.charCodeAt(0));
    data = { ...part, values: new Int16Array(bytes.buffer) };
    setText(note, part.note);
    draw();
  }

  const colourful = () => data?.shape[1] === 3;
  const weight = (i) => (data.values[i] / 32767) * data.largest;

  function draw() {
    setHidden(empty, !!data);
    for (const node of [canvas, scale, readout]) setHidden(node, !data);
    setHidden(modes, !colourful());
    setHidden(pages, !data || data.total <= data.shape[0]);
    if (!data || !el.clientWidth) return;
    if (!colourful()) mode = "signed";
    const width = el.clientWidth;
    layout = arrange(width);
    const context = crisp(canvas, width, layout.height);
    paint(context, layout);
    if (at) mark(context);
    const [n, channels, height, across] = data.shape;
    setText(pages.children[1], `${data.first + 1}–${data.first + n} of ${data.total}`);
    previous.disabled = data.first === 0;
    next.disabled = data.first + n >= data.total;
    canvas.setAttribute("aria-label", `${data.note}: ${n} pictures of ${height} by ${across} weights, ${channels} input channels. Arrow keys read weights.`);
    const size = data.largest.toPrecision(2);
    if (mode === "signed") {
      const scaleOf = signedScale();
      scale.style.setProperty("--gradient", [-1, -0.5, 0, 0.5, 1].map((v) => `rgb(${scaleOf(v).join(",")})`).join(","));
      setText(low, `−${size}`);
      setText(high, `${size} (weight; zero in the middle)`);
    } else {
      scale.style.setProperty("--gradient", "#000,#808080,#fff");
      setText(low, `−${size}`);
      setText(high, `${size} (red, green and blue weights; zero is mid-grey)`);
    }
    say();
  }

  function arrange(width) {
    const [n, channels, height, across] = data.shape;
    const rows = mode === "colour" ? 1 : channels;
    const gap = 14;
    const wish = across > 12 ? 84 : 56;
    // Of each filter its channels stand beside each other when they are few, as in the input.
    const beside = mode === "colour" ? 1 : Math.min(channels, 8);
    const apart = 3;
    const unit = (columns) => Math.max(1, Math.floor((width - gap * columns) / (columns * beside * across)));
    let columns = Math.max(1, Math.min(n, Math.floor(width / (wish * Math.min(beside, 3) + gap))));
    const pixel = Math.min(unit(columns), Math.max(2, Math.round((across > 12 ? 84 : 60) / across)));
    columns = Math.max(1, Math.min(n, Math.floor((width + gap) / (pixel * across * beside + apart * (beside - 1) + gap))));
    columns = Math.ceil(n / Math.ceil(n / columns)); // rows of equal length
    const tileWidth = pixel * across * beside + apart * (beside - 1);
    const lines = Math.ceil(rows / beside);
    const tileHeight = (pixel * height + 2) * lines + 14;
    const total = Math.ceil(n / columns) * (tileHeight + 6);
    return { columns, apart, pixel, tileWidth, tileHeight, gap, beside, height: total };
  }

  function origin(filter, channel, l = layout) {
    const [, , height, across] = data.shape;
    const left = (filter % l.columns) * (l.tileWidth + l.gap) + (channel % l.beside) * (l.pixel * across + l.apart);
    const top = Math.floor(filter / l.columns) * (l.tileHeight + 6) + Math.floor(channel / l.beside) * (l.pixel * height + 2);
    return [left, top];
  }

  function paint(context, l) {
    const [n, channels, height, across] = data.shape;
    const scaleOf = signedScale();
    const small = document.createElement("canvas");
    [small.width, small.height] = [across, height];
    const pen = small.getContext("2d");
    const area = height * across;
    const look = theme();
    context.imageSmoothingEnabled = false;
    for (let f = 0; f < n; f += 1) {
      for (let c = 0; c < (mode === "colour" ? 1 : channels); c += 1) {
        const picture = pen.createImageData(across, height);
        for (let i = 0; i < area; i += 1) {
          const base = (f * channels + c) * area + i;
          const colour =
            mode === "colour"
              ? [0, 1, 2].map((k) => 127.5 + (data.values[base + k * area] / 32767) * 127.5)
              : scaleOf(data.values[base] / 32767);
          picture.data.set([...colour, 255], i * 4);
        }
        pen.putImageData(picture, 0, 0);
        const [left, top] = origin(f, c, l);
        context.drawImage(small, left, top, across * l.pixel, height * l.pixel);
        context.strokeStyle = look.line;
        context.strokeRect(left + 0.5, top + 0.5, across * l.pixel - 1, height * l.pixel - 1);
      }
      context.fillStyle = look.muted;
      context.font = `10px ${look.font}`;
      context.textBaseline = "bottom";
      context.textAlign = "left";
      const [left] = origin(f, 0, l);
      context.fillText(String(data.first + f + 1), left, Math.floor(f / l.columns) * (l.tileHeight + 6) + l.tileHeight);
    }
  }

  function mark(context) {
    const [f, c, r, k] = at;
    const [left, top] = origin(f, c);
    context.strokeStyle = theme().ink;
    context.lineWidth = 2;
    context.strokeRect(left + k * layout.pixel, top + r * layout.pixel, layout.pixel, layout.pixel);
  }

  function say() {
    if (!at) return setText(readout, "Point at a weight to read it.");
    const [f, c, r, k] = at;
    const [, channels, height, across] = data.shape;
    const value = (channel) => weight(((f * channels + channel) * height + r) * across + k).toPrecision(3).replace("-", "−");
    const place = `${data.unit} ${data.first + f + 1}, row ${r + 1}, column ${k + 1}`;
    if (mode === "colour") setText(readout, `${place}: red ${value(0)}, green ${value(1)}, blue ${value(2)}`);
    else setText(readout, `${place}${channels > 1 ? `, ${channels === 3 ? ["red", "green", "blue"][c] : `channel ${c + 1}`}` : ""}: ${value(c)}`);
  }

  canvas.addEventListener("pointermove", (event) => {
    if (!data || !layout) return;
    const [n, channels, height, across] = data.shape;
    at = null;
    for (let f = 0; f < n && !at; f += 1)
      for (let c = 0; c < (mode === "colour" ? 1 : channels) && !at; c += 1) {
        const [left, top] = origin(f, c);
        const [k, r] = [Math.floor((event.offsetX - left) / layout.pixel), Math.floor((event.offsetY - top) / layout.pixel)];
        if (k >= 0 && r >= 0 && k < across && r < height) at = [f, c, r, k];
      }
    draw();
  });
  const away = () => {
    at = null;
    draw();
  };
  canvas.addEventListener("pointerleave", away);
  canvas.addEventListener("blur", away);
  canvas.addEventListener("keydown", (event) => {
    if (!data) return;
    const [n, channels, height, across] = data.shape;
    const total = n * channels * height * across;
    let flat = at ? ((at[0] * channels + at[1]) * height + at[2]) * across + at[3] : 0;
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across, PageDown: channels * height * across, PageUp: -channels * height * across }[event.key];
    if (event.key === "Escape") at = null;
    else if (step === undefined) return;
    else {
      if (at) flat = Math.max(0, Math.min(total - 1, flat + step));
      const k = flat % across;
      const r = Math.floor(flat / across) % height;
      const c = Math.floor(flat / across / height) % channels;
      at = [Math.floor(flat / across / height / channels), mode === "colour" ? 0 : c, r, k];
    }
    event.preventDefault();
    draw();
  });

  function savePng() {
    if (!data) return;
    const l = arrange(800);
    savePicture(820, l.height + 40, (context) => {
      context.font = `600 13px ${theme().font}`;
      context.fillStyle = theme().ink;
      context.textBaseline = "top";
      context.fillText(`${data.note} · weights from −${data.largest.toPrecision(2)} to ${data.largest.toPrecision(2)}`, 10, 8);
      context.translate(10, 32);
      paint(context, l);
    }, "convolab-filters.png");
  }
  function saveCsv() {
    if (!data) return;
    const [n, channels, height, across] = data.shape;
    const lines = [`${data.unit},channel,row,column,weight`];
    let i = 0;
    for (let f = 0; f < n; f += 1)
      for (let c = 0; c < channels; c += 1)
        for (let r = 0; r < height; r += 1)
          for (let k = 0; k < across; k += 1) lines.push([data.first + f + 1, c + 1, r + 1, k + 1, weight(i++).toPrecision(5)].join(","));
    saveText(lines.join("\n") + "\n", "convolab-filters.csv");
  }

  const stopFeed = subscribe({
    el,
    query: () => ({ f: `${page}~${version}` }),
    update,
    reset: () => {
      version = "";
      page = 0;
    },
  });
  const stopLook = onLookChange(el, draw);
  draw();
  return () => {
    stopFeed();
    stopLook();
  };
}
