// The view of a network in a notebook (anywidget): the pad, what the network is given, and every unit of it.
// Python computes: questions and pictures go there as messages, frames come back as binary buffers.
import { choice, h, setHidden, setText, themeRoot } from "./look.js";
import { drawImageOn } from "./look_images.js";
import { makePad } from "./pad.js";
import { lookPane } from "./look_pane.js";
import { decodeFrame } from "./node_link_frame.js";
import { address } from "./unit_names.js";

export default { render };

const GIVEN = 84; // pixels
const PATIENCE = 60_000; // ms for an answer

function render({ model, el }) {
  el.classList.add("cl-notebook");
  el.dataset.lmSuppressShortcuts = "true"; // JupyterLab would take the arrow keys and letters for itself
  const dress = () => el.classList.toggle("body--dark", isDark());
  dress();
  themeRoot(el);
  const transport = notebookTransport(model);
  let frame = null;
  let centre = true;
  let quiet = false; // while a picture is put on the pad that the network has been given already

  const pad = makePad({ onChange: () => send(), onProblem: (sentence) => complain(sentence) });
  const given = h("canvas.cl-own-input", { role: "img", "aria-label": "What the network is given" });
  const done = h("p.cl-steps", { role: "status" });
  const problem = h("p.cl-card-problem", { role: "alert", hidden: true });
  const how = choice("How the drawing is given", [["centred", "Centred"], ["drawn", "As drawn"]], "centred", (value) => {
    centre = value === "centred";
    send();
  });
  const tools = h("div.cl-notebook-tools", {}, ...pad.toolbox);
  const side = h("section.cl-look-side", { "aria-label": "Your drawing" }, pad.el, tools, how, problem, h("div.cl-look-given", {}, given, done));
  const space = choice("How it is drawn", [["flat", "Flat"], ["3d", "3D"]], "flat", (value) => pane.view.setOptions({ space: value }));
  const scale = choice("Colours are scaled", [["level", "per level"], ["map", "per map"], ["all", "for all"]], "level", (value) => pane.view.setOptions({ scale: value }));
  const button = (text, tip, action) => h("button.cl-button", { type: "button", title: tip, "aria-label": tip, onclick: action }, text);
  const zooms = h("div.cl-look-zoom", {}, button("−", "Smaller (−)", () => pane.view.zoom(1 / 1.4)), button("+", "Larger (+)", () => pane.view.zoom(1.4)), button("Fit", "Show all (0)", () => pane.view.fit()));
  const stage = h("div.cl-look-panes");
  const main = h("div.cl-look-main", {}, h("div.cl-look-bar", {}, space, h("span.cl-look-group", {}, h("span.cl-muted.cl-small", {}, "Colours"), scale), zooms), stage);
  const root = h("div.cl-look.cl-panel", {}, side, main);
  el.append(root);
  root.style.height = `${model.get("height")}px`;

  const pane = lookPane({ slot: "a", transport, options: { space: "flat", scale: "level", hidden: [] }, onChange: changed, onLayout: opened, onPoint: () => {} });
  stage.append(pane.el);

  function opened(layout) {
    if (!layout) return;
    const colourful = layout.input[0] > 1;
    centre = layout.centre;
    setHidden(pad.el, colourful);
    setHidden(tools, colourful);
    setHidden(how, colourful);
    for (const each of how.children) each.setAttribute("aria-checked", String((each.dataset.value === "centred") === centre));
    select(model.get("picked"));
    transport.show(() => ({ header: { kind: "given" } })); // what Python was called with
  }
  function send() {
    if (quiet || !pane.layout) return;
    const content = pad.content();
    transport.show(() => {
      if (content.kind === "pixels") return { header: { kind: "given" } };
      const { side: length, channels, bytes } = pad.pixels();
      return { header: { kind: "drawing", brought: content.kind === "upload", centre, side: length, channels }, bytes };
    });
  }
  function show(next) {
    const first = !frame;
    frame = next;
    pane.show(frame);
    drawImageOn(given, frame.given.pixels, frame.given.shape, GIVEN);
    setText(done, frame.done);
    complain("");
    // The picture from Python lies on the pad, to be drawn on.
    if ((first || frame.fromPython) && frame.given.shape[0] === 1 && !frame.empty) put();
  }
  function put() {
    quiet = true;
    pad.put({ pixels: frame.given.pixels, shape: frame.given.shape, caption: "The picture from Python" }, { undoable: false });
    quiet = false;
  }
  function complain(sentence) {
    setText(problem, sentence);
    setHidden(problem, !sentence);
  }

  // ---- the unit that is picked, in Python and here ----
  const nameOf = (picked) => (picked ? address(picked[0], picked[1]) : "");
  function changed({ unit }) {
    if (unit === undefined || unit === nameOf(model.get("picked"))) return;
    const [level, ...index] = unit.split(":");
    model.set("picked", level ? [level, index.map(Number)] : null);
    model.save_changes();
  }
  function select(picked) {
    if (pane.layout && nameOf(picked) !== pane.view.marked) pane.view.select(picked?.[0] ?? null, picked?.[1]);
  }
  const picked = () => select(model.get("picked"));
  const resized = () => (root.style.height = `${model.get("height")}px`);
  model.on("change:picked", picked);
  model.on("change:height", resized);

  transport.onFrame(show);
  transport.onEvent((event) => complain(event.sentence ?? ""));
  pane.open("");
  const watcher = new MutationObserver(dress);
  for (const node of [document.body, document.documentElement]) watcher.observe(node, { attributes: true });
  return () => {
    watcher.disconnect();
    model.off("change:picked", picked);
    model.off("change:height", resized);
    transport.close();
    pane.destroy();
  };
}

// JupyterLab, VS Code and marimo each say in their own way that they are dark.
function isDark() {
  const { body, documentElement: html } = document;
  if (body.dataset.jpThemeLight) return body.dataset.jpThemeLight === "false";
  if (body.dataset.vscodeThemeKind) return body.dataset.vscodeThemeKind.includes("dark");
  return body.classList.contains("dark") || html.classList.contains("dark") || body.classList.contains("dark-theme");
}

// As lookSocket, over anywidget's messages: of pictures one is under way, and while it is, only the newest waits.
function notebookTransport(model) {
  const waiting = new Map();
  const listeners = { frame: new Set(), event: new Set() };
  let ids = 0;
  let underWay = 0;
  let next = null;
  const tell = (name, content) => listeners[name].forEach((callback) => callback(content));

  function heard(content, buffers) {
    if (content.frame !== undefined) {
      if (content.frame === underWay) underWay = 0;
      flush();
      if (content.error) return tell("event", { sentence: content.error });
      return tell("frame", { ...decodeFrame(buffers[0]), fromPython: !content.frame });
    }
    const asked = waiting.get(content.id);
    if (!asked) return;
    waiting.delete(content.id);
    clearTimeout(asked.timer);
    content.error === undefined ? asked.resolve(content) : asked.reject(new Error(content.error));
  }
  function flush() {
    if (underWay || !next) return;
    const { header, bytes } = next();
    next = null;
    underWay = ++ids;
    model.send({ ...header, do: "show", id: underWay }, undefined, bytes ? [bytes] : []);
  }
  model.on("msg:custom", heard);
  const on = (name) => (callback) => {
    listeners[name].add(callback);
    return () => listeners[name].delete(callback);
  };
  return {
    ask(message) {
      return new Promise((resolve, reject) => {
        const id = ++ids;
        const timer = setTimeout(() => {
          waiting.delete(id);
          reject(new Error("Python does not answer; it is busy, or this notebook's kernel has ended."));
        }, PATIENCE);
        waiting.set(id, { resolve, reject, timer });
        model.send({ ...message, id }, undefined, []);
      });
    },
    onFrame: on("frame"),
    onEvent: on("event"),
    show(make) {
      next = make;
      flush();
    },
    close: () => model.off("msg:custom", heard),
  };
}
