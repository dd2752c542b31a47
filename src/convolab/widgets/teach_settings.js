// The settings of the room Teach: which features, which classifier, what is held out.
import { choice, h, setHidden } from "./look.js";
import { field, select, textInput } from "./experiments_parts.js";
import { act, store } from "./teach_store.js";

export function settingsForm() {
  const root = h("div.te-settings");
  let made = false;
  const parts = {};

  const set = (changes) => act("settings", { changes });
  function number(name) {
    const knob = store.offers.knobs[name];
    const input = textInput("", { inputmode: "decimal" });
    input.addEventListener("change", () => set({ [name]: Number.isNaN(+input.value) || !input.value.trim() ? input.value : +input.value }));
    parts[name] = input;
    return field(`${knob.label}${knob.unit ? ` (${knob.unit})` : ""}`, `${knob.help} ${knob.range}.`, input);
  }
  function make() {
    const { knobs, kinds, bases } = store.offers;
    parts.kind = choice(knobs.classifier.label, kinds, store.state.settings.classifier, (classifier) => set({ classifier }));
    parts.kind.dataset.tip = knobs.classifier.help;
    parts.base = select(bases, store.state.settings.base, (base) => set({ base }), { "aria-label": knobs.base.label });
    parts.layer = select([], "", (layer) => set({ layer }), { "aria-label": knobs.layer.label });
    parts.hiddenField = number("hidden");
    parts.neighboursField = number("neighbours");
    const more = h("details.plain", {}, h("summary", {}, "More settings"), h("div.cx-form", {}, number("held_out"), number("size"), number("seed")));
    root.append(
      parts.kind,
      h("div.cx-form", {}, field(knobs.base.label, "Whose features are used: VGG-16 saw a million photographs; a network of the lab saw less", parts.base.root), field(knobs.layer.label, "Whose activations are the features, each map averaged. Higher layers stand for parts of things", parts.layer.root), parts.hiddenField, parts.neighboursField),
      more,
    );
    made = true;
  }
  function draw() {
    const { offers, state } = store;
    if (!offers?.knobs || !state) return;
    if (!made) make();
    const { settings } = state;
    for (const button of parts.kind.children) {
      const chosen = button.dataset.value === settings.classifier;
      button.setAttribute("aria-checked", String(chosen));
      button.tabIndex = chosen ? 0 : -1;
    }
    const bases = offers.bases.some(([name]) => name === settings.base) ? offers.bases : [...offers.bases, [settings.base, "a network that is not here"]];
    if (document.activeElement !== parts.base.root) parts.base.fill(bases, settings.base);
    const layer = settings.layer || state.default_layer;
    const layers = state.layers.length ? state.layers : [layer || "relu5_3"];
    if (document.activeElement !== parts.layer.root) parts.layer.fill(layers.map((name) => [name, name]), layer);
    for (const name of ["hidden", "neighbours", "held_out", "size", "seed"]) {
      if (document.activeElement !== parts[name]) parts[name].value = settings[name];
    }
    setHidden(parts.hiddenField, settings.classifier !== "mlp");
    setHidden(parts.neighboursField, settings.classifier !== "knn");
  }
  return { root, draw };
}
