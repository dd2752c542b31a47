// W: how much style counts against content; a slider that says what it means at both ends, and presets.
import { h, setHidden, setText } from "./look.js";

export default { render };

const STYLE_SCALE = 6; // as in convolab/style/objective.py

function render({ model, el }) {
  const slider = h("input", { type: "range", min: 0, max: 1, step: 0.01, "aria-label": "W, from 0: only the photo's content, to 1: only the style", oninput: () => (draw(+slider.value), send()), onchange: () => send(0) });
  const number = h("input.ct-number", { type: "text", inputmode: "decimal", "aria-label": "W as a number, 0 to 1", autocomplete: "off", onchange: typed });
  const formula = h("p.ct-formula", { "aria-hidden": "true" });
  const problem = h("span.complaint", { role: "alert", hidden: true });
  const presets = h("div.ct-presets", { role: "group", "aria-label": "Presets" });
  let timer = 0;
  el.classList.add("ct-weight");
  el.append(
    h("div.cl-panel-head", {}, h("h2.cl-panel-title", { "data-tip": `The weighting factor W of the assignment: both differences are relative to their targets, StyleDiff counts ${STYLE_SCALE}-fold, total variation is added with its own weight, and coarse to fine the coarser sizes count as well.` }, "W"), formula, h("span.cl-spring"), number),
    slider,
    h("div.ct-ends", {}, h("span", {}, "0: only the photo’s content"), h("span", {}, "1: only the style")),
    problem,
    presets,
  );
  function draw(value) {
    slider.value = value;
    if (document.activeElement !== number) number.value = value.toFixed(2);
    setText(formula, `${value.toFixed(2)} · ${STYLE_SCALE} · StyleDiff + ${(1 - value).toFixed(2)} · ContentDiff`);
    slider.setAttribute("aria-valuetext", `W ${value.toFixed(2)}`);
  }
  function complain(sentence) {
    setText(problem, sentence);
    setHidden(problem, !sentence);
  }
  function typed() {
    const value = Number(number.value.replace(",", "."));
    if (number.value.trim() === "" || !(value >= 0 && value <= 1)) return complain(`W must be a number from 0 to 1, not “${number.value}”.`);
    complain("");
    draw(value);
    send(0);
  }
  function send(delay = 150) {
    clearTimeout(timer);
    complain("");
    timer = setTimeout(() => model.send({ weight: +slider.value }), delay);
  }
  function drawPresets() {
    const chosen = model.get("preset");
    presets.replaceChildren(
      ...(model.get("presets") ?? []).map(([name, title, help]) =>
        h("button.ct-chip", { type: "button", title: help, "aria-pressed": String(name === chosen), onclick: () => model.send({ preset: name }) }, title),
      ),
    );
  }
  model.on("change:weight", (value) => +slider.value !== value && draw(value));
  model.on("change:preset", drawPresets);
  model.on("change:presets", drawPresets);
  draw(model.get("weight") ?? 0.5);
  drawPresets();
  return () => clearTimeout(timer);
}
