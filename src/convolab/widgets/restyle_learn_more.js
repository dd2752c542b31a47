// Further settings of learning a style: which layers are content and style, how large strokes are, how calm videos.
import { choice, h, setText } from "./look.js";
import { get, slider } from "./restyle_parts.js";

const SHOWN = {
  stroke_size: { min: 0.25, max: 4, step: 0.25, format: (v) => `× ${v}` },
  stability: { min: 0, max: 2, step: 0.1, format: (v) => (v ? v.toFixed(1) : "off") },
};
const MEASURES = { gram: "Gram", wasserstein: "Wasserstein" };
const STARTS = [["auto", "Nearest style"], ["none", "New"]];

// `values()`: what was chosen otherwise; what is not changed is left to the lab.
export function learnMore() {
  const root = h("details.plain", {}, h("summary", {}, "More settings"));
  const body = h("div.cs-more");
  const problem = h("p.complaint", { role: "alert", hidden: true });
  root.append(body);
  const chosen = {};
  let asked = false;
  root.addEventListener("toggle", () => root.open && fill());

  async function fill() {
    if (asked) return;
    asked = true;
    try {
      const { layers, knobs } = await get("learn-settings");
      const group = (name, control) => h("div.cs-field", {}, h("span", { "data-tip": knobs[name].help }, knobs[name].label), control);
      const bar = (name) => slider({ label: knobs[name].label, tip: knobs[name].help, value: knobs[name].default, ...SHOWN[name], onInput: (value) => (chosen[name] = value) }).root;
      body.replaceChildren(
        h("div", {}, layerTable(layers, knobs), problem),
        bar("stroke_size"),
        bar("stability"),
        group("style_loss", choice(knobs.style_loss.label, knobs.style_loss.choices.map((one) => [one, MEASURES[one] ?? one]), knobs.style_loss.default, (value) => (chosen.style_loss = value))),
        group("start", choice(knobs.start.label, STARTS, knobs.start.default, (value) => (chosen.start = value))),
      );
    } catch (error) {
      asked = false;
      body.replaceChildren(h("p.cl-muted", {}, error.message));
    }
  }
  function layerTable(layers, knobs) {
    const picked = Object.fromEntries(["content_layer", "style_layers"].map((name) => [name, new Set(knobs[name].default.split(","))]));
    function cell(layer, name, kind) {
      const box = h("input", { type: "checkbox", checked: picked[name].has(layer), "aria-label": `${layer} for ${kind}` });
      box.addEventListener("change", () => {
        picked[name][box.checked ? "add" : "delete"](layer);
        const none = !picked[name].size;
        if (none) [box.checked, picked[name]] = [true, picked[name].add(layer)];
        setText(problem, none ? `At least one layer must stand for ${kind}; choose another one first.` : "");
        problem.hidden = !none;
        chosen[name] = layers.filter((one) => picked[name].has(one)).join(",");
      });
      return h("td", {}, box);
    }
    const row = (layer) => h("tr", {}, h("th", { scope: "row" }, layer), cell(layer, "content_layer", "content"), cell(layer, "style_layers", "style"));
    const head = h("tr", {}, h("th", { scope: "col" }, "Layer"), h("th", { scope: "col", "data-tip": knobs.content_layer.help }, "Content"), h("th", { scope: "col", "data-tip": knobs.style_layers.help }, "Style"));
    return h("table.cs-layers", {}, h("thead", {}, head), h("tbody", {}, ...layers.map(row)));
  }
  return { root, values: () => chosen };
}
