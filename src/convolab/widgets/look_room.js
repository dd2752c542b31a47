// The room Look inside: the pad, what the network is given of it, and one or two networks that answer while the pen moves.
import { choice, cornerMenu, h, onLookChange, popover, saveBlob, saveText, setHidden, setText, short } from "./look.js";
import { imageCanvas } from "./look_images.js";
import { savePng } from "./look_picture.js";
import { makePad } from "./pad.js";
import { fetchOffer, lookPane } from "./look_pane.js";
import { lookSocket } from "./node_link_socket.js";
import { unitIndex } from "./node_link_frame.js";
import { signedGradient } from "./node_link_paint.js";
import { levelShape } from "./node_link_words.js";

export default { render };

const PANELS = [["exciting", "What excites a unit"], ["confusing", "A confusing input"]];
const GIVEN = 96; // pixels of the picture that the network is given

function render({ model, el }) {
  const transport = lookSocket();
  const view = { space: model.get("space"), scale: model.get("scale"), hidden: model.get("hidden") ?? [] };
  let treatment = model.get("input"); // "auto", "centred", "drawn"
  let panes = [];
  let frame = null;
  let colourful = false;
  let begun = false; // whether something is on the pad
  let label = ""; // of the test images to take, or any
  const listeners = { frame: new Set(), layout: new Set(), select: new Set() };

  // ---- left: the pad, test images, what is given ----
  const pad = makePad({ onChange: padChanged, onProblem: (sentence) => complain({ message: sentence }) });
  const labels = h("select.cl-select", { "aria-label": "Class of the test images", onchange: () => (label = labels.value) }, h("option", { value: "" }, "any class"));
  const random = h("button.cl-button", { type: "button", title: "A test image drawn at random", onclick: () => sample(label === "" ? {} : { label: +label }) }, "Test image");
  const given = h("canvas.cl-own-input", { role: "img", "aria-label": "What the network is given" });
  const size = h("span.cl-muted.cl-small");
  const done = h("p.cl-steps");
  const how = choice("How the drawing is given", [["centred", "Centred"], ["drawn", "As drawn"]], "centred", (value) => {
    treatment = value;
    tell({ input: value });
    send();
  });
  const problem = h("div.note.bad", { role: "alert", hidden: true });
  const side = h(
    "section.cl-look-side",
    { "aria-label": "Your drawing" },
    h(
      "div.cl-look-sheet",
      {},
      pad.el,
      h("div", {}, ...pad.toolbox, h("div.cl-tools", {}, random, labels), problem),
      h("div.cl-look-given", {}, h("div", {}, given, size), h("div.cl-look-done", {}, how, done)),
    ),
  );

  // ---- right: the views ----
  const space = choice("How it is drawn", [["flat", "Flat"], ["3d", "3D"]], view.space, (value) => setView({ space: value }));
  const scale = choice("Colours are scaled", [["level", "per level"], ["map", "per map"], ["all", "for all"]], view.scale, (value) => setView({ scale: value }));
  const levels = popover("Levels", "Hide or show levels", listLevels);
  const button = (text, tip, action) => h("button.cl-button", { type: "button", title: tip, "aria-label": tip, onclick: action }, text);
  const zooms = h(
    "div.cl-look-zoom",
    {},
    button("−", "Smaller (−)", () => panes.forEach((pane) => pane.view.zoom(1 / 1.4))),
    button("+", "Larger (+, or the wheel)", () => panes.forEach((pane) => pane.view.zoom(1.4))),
    button("Fit", "Show all (0, or a double click)", () => panes.forEach((pane) => pane.view.fit())),
  );
  const gradient = h("i");
  const legendEnds = [h("span"), h("span"), h("span")];
  const legendOf = h("small");
  const legend = h("div.cl-look-legend", { "aria-label": "Colours of activations" }, h("div.cl-look-scale", {}, gradient, h("div", {}, ...legendEnds)), legendOf);
  const menu = cornerMenu("the view", [
    ["Picture with legend (PNG)", () => savePng({ panes, frame, view, caption: doneText() })],
    ["All activations (CSV)", saveValues],
    ["Prediction (CSV)", savePrediction],
    ["What the network is given (PNG)", () => given.toBlob((blob) => saveBlob(blob, "input.png")), { beside: "input.png" }],
  ]);
  const bar = h("div.cl-look-bar", {}, space, h("span.cl-look-group", {}, h("span.cl-muted.cl-small", {}, "Colours"), scale), levels.root, zooms, h("span.cl-spring"), legend, menu);
  const stage = h("div.cl-look-panes");
  const lost = h("div.note.bad", { role: "alert", hidden: true }, "The lab does not answer; your drawing is kept, and it goes on when the lab is back.");
  el.classList.add("cl-panel", "cl-look");
  el.append(side, h("div.cl-look-main", {}, bar, lost, stage));

  // ---- networks ----
  function makePane(slot) {
    const pane = lookPane({
      slot,
      transport,
      options: { ...view },
      onChange: (what) => changed(slot, what),
      onLayout: (layout) => slot === "a" && layoutChanged(layout),
      onPoint: () => slot === "a" && drawLegend(),
    });
    stage.append(pane.el);
    return pane;
  }
  async function open() {
    const wanted = [model.get("source"), model.get("compare")].filter(Boolean);
    while (panes.length > wanted.length) panes.pop().close();
    while (panes.length < wanted.length) panes.push(makePane("ab"[panes.length]));
    stage.dataset.panes = panes.length;
    // The first decides which pictures are taken, the second has to follow it.
    for (const [i, pane] of panes.entries()) await pane.open(wanted[i]);
    if (panes[0]?.layout) await begin();
    send();
  }
  function layoutChanged(layout) {
    listeners.layout.forEach((callback) => callback(layout));
    if (!layout) return;
    const next = layout.input[0] > 1;
    if (begun && next !== colourful) begun = false; // a drawing is of no use for photographs, nor the other way round
    colourful = next;
    pad.setColour(colourful);
    setHidden(how, colourful);
    dressChoice(how, centre() ? "centred" : "drawn");
    const options = [h("option", { value: "" }, "any class"), ...layout.classes.map((name, i) => h("option", { value: i }, String(name)))];
    labels.replaceChildren(...options);
    labels.value = label = layout.classes[+label] === undefined ? "" : label;
    const unit = model.get("unit");
    if (unit) {
      const [key, ...index] = unit.split(":");
      const level = layout.levels.find((found) => found.key === key);
      if (level && index.length === level.shape.length && index.every((number, i) => +number < level.shape[i])) panes[0].view.select(key, index.map(Number));
      model.set("unit", "");
    }
    drawLegend();
  }
  const centre = () => (treatment === "auto" ? panes[0]?.layout?.centre ?? true : treatment === "centred");

  // Something to look at from the first moment: the address's test image, what was drawn before, or a seven.
  async function begin() {
    if (begun) return;
    begun = true;
    const test = model.get("test");
    if (test != null) {
      if (await sample({ test }, { undoable: false })) return;
    } else if (!colourful && (await pad.recall())) return;
    const seven = colourful ? { first: true } : { first: true, label: panes[0].layout.classes.length > 7 ? 7 : 0 };
    if (!(await sample(seven, { undoable: false, quiet: test == null })) && !colourful && pad.content().kind === "empty") pad.sketch();
  }
  async function sample(asked, { undoable = true, quiet = false } = {}) {
    try {
      const found = await transport.ask({ do: "sample", slot: "a", ...asked });
      complain(null);
      pad.put({ pixels: Uint8Array.from(found.pixels), shape: found.shape, caption: found.said, test: found.test }, { undoable });
      return true;
    } catch (error) {
      if (!quiet || error.fetch) complain(error, () => sample(asked));
      return false;
    }
  }
  function complain(error, again) {
    setHidden(problem, !error);
    problem.replaceChildren();
    if (!error) return;
    problem.append(h("span", {}, error.message));
    if (error.fetch) problem.append(fetchOffer(transport, error.fetch, () => (complain(null), again?.())));
  }

  // ---- pictures go out, frames come in ----
  function padChanged(time) {
    const { kind, test } = pad.content();
    tell({ test: kind === "pixels" && test !== undefined ? test : null });
    if (!problem.hidden && !problem.querySelector("button")) complain(null);
    send(time);
  }
  function send(time) {
    if (!panes.some((pane) => pane.layout)) return;
    const content = pad.content();
    if (content.kind !== "upload" || content.bytes) return transport.show(() => picture(time));
    content.blob.arrayBuffer().then((buffer) => {
      content.bytes = new Uint8Array(buffer);
      if (pad.content() === content) send();
    });
  }
  function picture(event) {
    const content = pad.content();
    const header = { centre: centre() };
    if (content.kind === "pixels") return { event, header: { ...header, kind: "pixels", shape: content.shape, caption: content.caption }, bytes: content.pixels };
    if (content.kind === "upload" && content.bytes) return { event, header: { ...header, kind: "upload" }, bytes: content.bytes };
    const { side: length, channels, bytes } = pad.pixels();
    return { event, header: { ...header, kind: "drawing", side: length, channels }, bytes };
  }
  function show(next, timing) {
    frame = next;
    for (const pane of panes) pane.show(frame);
    showGiven();
    listeners.frame.forEach((callback) => callback(frame));
    if (timing && look.timings) measure(timing);
    drawLegend();
  }
  // For benchmarks: from the pointer's event to the painted frame.
  function measure(timing) {
    const entry = { ...timing, drawn: performance.now() };
    requestAnimationFrame(() => {
      const channel = new MessageChannel();
      channel.port1.onmessage = () => look.timings.push({ ...entry, painted: performance.now() });
      channel.port2.postMessage(0);
    });
  }
  let givenBefore = "";
  function showGiven() {
    const { shape, pixels } = frame.given;
    const [channels, height, width] = shape;
    const zoom = Math.max(1, Math.floor(GIVEN / Math.max(width, height)));
    if (givenBefore !== shape.join()) {
      givenBefore = shape.join();
      [given.width, given.height] = [width, height];
      given.style.width = `${width * zoom}px`;
      given.style.height = `${height * zoom}px`;
      setText(size, `${width}×${height}${channels === 3 ? ", in colours" : ""}`);
    }
    given.getContext("2d").drawImage(imageCanvas(pixels, shape), 0, 0);
    setText(done, frame.done);
    done.dataset.empty = frame.empty;
  }
  const doneText = () => frame?.done ?? "";

  // ---- view options ----
  function setView(change) {
    Object.assign(view, change);
    for (const pane of panes) pane.view.setOptions(view);
    tell(change);
    drawLegend();
  }
  function changed(slot, what) {
    if (what.hidden) {
      view.hidden = what.hidden;
      for (const pane of panes) if (pane.slot !== slot) pane.view.setOptions({ hidden: what.hidden });
      tell({ hidden: what.hidden });
    }
    if (what.unit !== undefined && slot === "a") {
      tell({ unit: what.unit });
      const [key, ...index] = what.unit.split(":");
      listeners.select.forEach((callback) => callback(key || null, index.map(Number)));
    }
    drawLegend();
  }
  function listLevels() {
    const all = panes.flatMap((pane) => pane.layout?.levels ?? []);
    const unique = [...new Map(all.map((level) => [level.key, level])).values()];
    const rows = unique.reverse().map((level) => {
      const box = h("input", { type: "checkbox", checked: !view.hidden.includes(level.key), onchange: () => toggle(level.key, box) });
      return h("label.cl-offer", {}, box, h("span", {}, h("b", {}, level.title), h("small", {}, levelShape(level))));
    });
    levels.fill(rows.length ? rows : [h("p.cl-muted", {}, "There is no network yet.")]);
  }
  function toggle(key, box) {
    const hidden = box.checked ? view.hidden.filter((other) => other !== key) : [...view.hidden, key];
    const shown = panes.every((pane) => !pane.layout || pane.layout.levels.some((level) => !hidden.includes(level.key)));
    if (!shown) return void (box.checked = true);
    setView({ hidden });
  }
  let legendAt = 0;
  let legendLater = 0;
  function drawLegend() {
    // Text that changes with every frame cannot be read, and costs.
    const wait = 250 - (performance.now() - legendAt);
    clearTimeout(legendLater);
    if (wait > 0) return void (legendLater = setTimeout(drawLegend, wait));
    legendAt = performance.now();
    const pane = panes[0];
    gradient.style.setProperty("--gradient", signedGradient());
    const limit = pane?.layout && pane.view.frame ? pane.view.limit() : null;
    setText(legendEnds[0], limit ? `−${short(limit.value)}` : "negative");
    setText(legendEnds[1], "0");
    setText(legendEnds[2], limit ? short(limit.value) : "positive");
    setText(legendOf, limit ? limit.of : "each level by its own largest");
  }
  function tell(change) {
    const same = Object.entries(change).every(([name, value]) => JSON.stringify(model.get(name)) === JSON.stringify(value));
    if (same) return;
    for (const [name, value] of Object.entries(change)) model.set(name, value);
    clearTimeout(tell.later);
    tell.changes = { ...tell.changes, ...change };
    tell.later = setTimeout(() => {
      model.send({ state: tell.changes });
      tell.changes = {};
    }, 200);
  }

  // ---- saving ----
  function saveValues() {
    const pane = panes[0];
    if (!pane?.view.frame) return;
    const lines = ["level,map,row,column,activation"];
    for (const level of pane.layout.levels) {
      for (let i = 0; i < level.units; i += 1) {
        const index = unitIndex(level, i);
        lines.push([level.key, ...(index.length === 1 ? ["", "", index[0]] : index), pane.view.frame.values[level.first + i]].join(","));
      }
    }
    saveText(lines.join("\n") + "\n", `convolab-activations-${pane.source.replace(/\W+/g, "-")}.csv`);
  }
  function savePrediction() {
    const quote = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
    const lines = ["network,class,output,share"];
    for (const { layout, strip } of panes) layout?.classes.forEach((name, i) => strip.latest && lines.push([quote(layout.title), quote(String(name)), strip.latest.raw[i], strip.latest.shares[i]].join(",")));
    saveText(lines.join("\n") + "\n", "convolab-look-prediction.csv");
  }

  // ---- what the panels beside the pad may use ----
  const on = (name) => (callback) => {
    listeners[name].add(callback);
    return () => listeners[name].delete(callback);
  };
  const look = {
    ask: (message) => transport.ask({ slot: "a", ...message }),
    layout: () => panes[0]?.layout ?? null,
    frame: () => frame,
    onFrame: on("frame"),
    onLayout: on("layout"),
    onSelect: on("select"),
    select: (level, index) => panes[0]?.view.select(level, index),
    selected() {
      const [level, ...index] = (panes[0]?.view.marked ?? "").split(":");
      return level ? { level, index: index.map(Number) } : null;
    },
    setImage: (image) => (image.test !== undefined ? sample({ test: image.test }) : pad.put(image)),
    view: (slot = 0) => panes[slot]?.view,
    timings: null,
  };
  window.convolabLook = look;
  const cleanUps = [pad.listen(el)];
  let gone = false;
  for (const [name, title] of PANELS) {
    const inside = h("div.cl-look-panel");
    const panel = h("details.cl-look-more", { hidden: true }, h("summary", {}, title), inside);
    side.append(panel);
    import(`./${name}.js`)
      .then(({ mount }) => {
        if (gone || !mount) return;
        setHidden(panel, false);
        cleanUps.push(mount({ el: inside, look }));
      })
      .catch(() => {}); // a room without this panel is still a room
  }

  // ---- the life of the room ----
  transport.onFrame(show);
  transport.onEvent((event) => {
    if (event.event === "lost") setHidden(lost, false);
    else if (event.event === "problem") {
      if (pad.content().kind === "upload") pad.takeBack(); // what was there before is not lost to a bad file
      complain({ message: event.sentence });
    }
    else if (event.event === "weights") panes.find((pane) => pane.slot === event.slot)?.renew(event);
  });
  transport.onOpen(() => {
    setHidden(lost, true);
    open();
  });
  const reopen = () => open();
  model.on("change:source", reopen);
  model.on("change:compare", reopen);
  const stopLook = onLookChange(el, drawLegend);
  return () => {
    gone = true;
    stopLook();
    for (const end of cleanUps) end?.();
    for (const pane of panes) pane.destroy();
    transport.close();
    clearTimeout(tell.later);
    clearTimeout(legendLater);
    if (window.convolabLook === look) delete window.convolabLook;
  };
}

// Shows another choice without telling anyone.
function dressChoice(group, value) {
  for (const button of group.children) {
    button.setAttribute("aria-checked", String(button.dataset.value === value));
    button.tabIndex = button.dataset.value === value ? 0 : -1;
  }
}
