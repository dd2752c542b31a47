// The feature network as a drawing: every layer with its shape for this picture, chosen for content, for style, or neither.
import { h, setText } from "./look.js";

export default { render };

function render({ model, el }) {
  const list = h("ol.ct-layers");
  const note = h("p.cl-muted");
  const problem = h("p.complaint", { role: "alert", hidden: true });
  const head = h("div.ct-layer.ct-layer-head", { "aria-hidden": "true" }, h("span"), h("span", {}, "maps · size"), h("span", {}, "content"), h("span", {}, "style"), h("span", {}, "weight"));
  el.classList.add("ct-layers-panel");
  el.append(h("div.cl-panel-head", {}, h("h2.cl-panel-title", { "data-tip": "Content: whose activations shall be those of the photo. Style: whose Gram matrices shall be those of the style. Shallow layers see colour and grain, deep ones shapes." }, "Layers"), h("span.cl-spring"), note), head, list, problem);
  let timer = 0;

  function draw() {
    const layers = model.get("layers") ?? [];
    const content = model.get("content") ?? [];
    const style = model.get("style") ?? [];
    const weights = model.get("weights") ?? {};
    const [width, height] = model.get("size") ?? [384, 288];
    setText(note, model.get("title") ?? "");
    const most = Math.max(1, ...layers.map((layer) => layer.maps));
    let block = 0;
    const focused = document.activeElement?.dataset?.key;
    list.replaceChildren(
      ...layers.map((layer) => {
        const shape = `${layer.maps} · ${Math.max(1, Math.floor(width / layer.stride))}×${Math.max(1, Math.floor(height / layer.stride))}`;
        const box = h("i.ct-block", { "aria-hidden": "true" });
        // Width: how large the maps are; height: how many of them.
        box.style.width = `${Math.max(9, 100 / layer.stride ** 0.75)}%`;
        box.style.height = `${5 + 13 * Math.sqrt(layer.maps / most)}px`;
        const isContent = content.includes(layer.name);
        const isStyle = style.includes(layer.name);
        const row = h(
          "li.ct-layer",
          { title: `${layer.name}: ${layer.maps} maps of ${shape.split("· ")[1]} units` },
          h("span.ct-block-cell", {}, box),
          h("span.ct-layer-name", {}, h("b", {}, layer.name), " ", h("span", {}, shape)),
          toggle(layer.name, "content", isContent),
          toggle(layer.name, "style", isStyle),
          isStyle ? weight(layer.name, weights[layer.name] ?? 1) : h("span"),
        );
        if (layer.block !== block && block) row.classList.add("ct-pooled");
        block = layer.block;
        row.dataset.content = isContent;
        row.dataset.style = isStyle;
        return row;
      }),
    );
    if (focused) list.querySelector(`[data-key="${focused}"]`)?.focus();
  }
  function toggle(name, kind, on) {
    const box = h("input", { type: "checkbox", checked: on, "aria-label": `${name} for ${kind}`, onchange: () => model.send({ layer: name, for: kind, on: box.checked }) });
    box.dataset.key = `${kind}-${name}`;
    return h("span.ct-check", {}, box);
  }
  function weight(name, value) {
    const slider = h("input", {
      type: "range", min: 0, max: 4, step: 0.1, value,
      "aria-label": `Weight of ${name}`, title: `Weight of ${name} among the style layers: ${value}`,
      oninput: () => {
        slider.title = `Weight of ${name} among the style layers: ${slider.value}`;
        clearTimeout(timer);
        timer = setTimeout(() => model.send({ layer: name, weight: +slider.value }), 200);
      },
    });
    slider.dataset.key = `weight-${name}`;
    return slider;
  }
  for (const name of ["layers", "content", "style", "weights", "size", "title"]) model.on(`change:${name}`, later);
  // What is not accepted (no layer of a kind, say) is put back.
  model.on("msg:custom", (message) => {
    setText(problem, message.error ?? "");
    problem.hidden = !message.error;
    draw();
  });
  let pending = false;
  function later() {
    if (pending) return;
    pending = true;
    requestAnimationFrame(() => {
      pending = false;
      if (!list.querySelector("input[type=range]:active")) draw();
    });
  }
  draw();
  return () => clearTimeout(timer);
}
