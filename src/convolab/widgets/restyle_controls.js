// How it is painted: shares of the chosen styles, strength, size, network, padding, the photo's colours.
import { choice, h, setHidden, setText } from "./look.js";
import { check, mixText, parseMix, shelf, sized, sizesOf, slider, thumbOf, titleOf } from "./restyle_parts.js";

const NETWORKS = { small: "Small", standard: "Standard", large: "Large", own: "Own" };
const PADDINGS = [["reflect", "Reflect"], ["replicate", "Replicate"], ["zeros", "Zeros"]];
export const LIVE_SIZES = { min: 128, max: 640, step: 32 };
const SIZES = { min: 128, max: 1600, step: 32 };

// `change(values, done)`: something is wanted otherwise; `done` once a slider has been let go.
export function controls({ shown, live, change }) {
  const mix = h("div.cs-mix");
  const strength = slider({ label: "Strength", tip: "How much of the style: 0 is the photo, 100 % the painting. The network has learned all between.", min: 0, max: 1, step: 0.01, value: shown().strength, format: (v) => `${Math.round(100 * v)} %`, onInput: (v) => change({ strength: v }, false), onChange: (v) => change({ strength: v }, true) });
  const size = slider({ label: "Size", tip: "Pixels on the long side at which it is painted. Smaller pictures have larger strokes.", ...SIZES, value: shown().size, format: (v) => `${v} pixels`, onInput: (v) => change({ size: v }, false), onChange: (v) => change({ size: v }, true) });
  const network = h("div.cs-network");
  const padding = choice("Padding", PADDINGS, shown().padding, (value) => change({ padding: value }, true));
  const keep = check("Keep the photo's colours", "The painting gives brightness and strokes, the photo its colours.", (on) => change({ keep: on }, true));
  const mirror = check("Mirror the camera", "Show the camera as a mirror does.", (on) => change({ mirror: on }, true));
  const root = h(
    "div.cs-controls",
    {},
    h("section.cs-control", { "aria-label": "Chosen styles" }, h("h2", {}, "Style"), mix, network),
    h("section.cs-control", {}, strength.root, size.root),
    h("section.cs-control", {}, h("div.cs-slider-head", {}, h("span", { "data-tip": "What the network sees beyond the picture's edge: the picture mirrored, its last pixels repeated, or nothing (zeros), which shows." }, "Padding")), padding, keep.root, mirror.root),
  );

  function shares() {
    return parseMix(shown().style);
  }
  function setShare(name, share, done) {
    const next = shares().map((one) => (one.name === name ? { name, share } : one));
    if (next.every((one) => one.share === 0)) return;
    change({ style: mixText(next) }, done);
  }
  function remove(name) {
    const next = shares().filter((one) => one.name !== name);
    if (next.length) change({ style: mixText(next.length === 1 ? [{ ...next[0], share: 1 }] : next) }, true);
  }
  let drawnFor = "";
  let sliders = new Map();
  function drawMix() {
    const chosen = shares();
    const key = JSON.stringify([chosen.map((one) => one.name), shelf.styles.length]);
    if (key === drawnFor) {
      for (const one of chosen) sliders.get(one.name)?.show(one.share);
      return;
    }
    drawnFor = key;
    sliders = new Map();
    mix.replaceChildren(
      ...chosen.map(({ name, share }) => {
        const title = titleOf(name);
        const image = h("img", { src: thumbOf(name), alt: title });
        if (chosen.length === 1) return h("div.cs-chosen", {}, image, h("b", {}, title));
        const bar = slider({ label: title, tip: "How much of this style, against the others", min: 0, max: 1, step: 0.05, value: share, format: (v) => v.toFixed(2), onInput: (v) => setShare(name, v, false), onChange: (v) => setShare(name, v, true) });
        sliders.set(name, bar);
        const gone = h("button.cl-remove", { type: "button", "aria-label": `Remove ${title} from the mix`, onclick: () => remove(name) }, "×");
        return h("div.cs-chosen", {}, image, bar.root, gone);
      }),
      ...(chosen.length === 1 ? [h("p.cl-muted", {}, "Press + on another style to mix it in.")] : []),
    );
  }
  let networkFor = "";
  function drawNetwork() {
    const [first] = shares();
    const own = first ? sizesOf(first.name) : [];
    const now = live().on ? live().network : own.find((style) => style.name === first?.name)?.size;
    const key = JSON.stringify([own.map((style) => style.size), now, live().on]);
    if (key === networkFor) return;
    networkFor = key;
    setHidden(network, own.length < 2);
    if (own.length < 2) return;
    const pick = (wanted) => {
      if (live().on) return change({ network: wanted }, true);
      change({ style: mixText(shares().map((one) => ({ ...one, name: sized(one.name, wanted) }))) }, true);
    };
    const order = Object.keys(NETWORKS);
    const sizes = own.map((style) => style.size).sort((a, b) => order.indexOf(a) - order.indexOf(b));
    network.replaceChildren(h("span", { "data-tip": "The small network is more than twice as quick, for live video; the standard one paints finer." }, "Network"), choice("Network", sizes.map((name) => [name, NETWORKS[name] ?? name]), now ?? sizes[0], pick));
  }

  return {
    root,
    draw() {
      const now = shown();
      drawMix();
      drawNetwork();
      strength.show(now.strength);
      const limits = live().on ? LIVE_SIZES : SIZES;
      for (const [name, value] of Object.entries(limits)) size.input[name] = value;
      size.show(live().on ? live().size : now.size);
      for (const button of padding.children) {
        const on = button.dataset.value === now.padding;
        button.setAttribute("aria-checked", String(on));
        button.tabIndex = on ? 0 : -1;
      }
      keep.input.checked = now.keep;
      mirror.input.checked = now.mirror;
      setHidden(mirror.root, !live().on);
      setText(size.root.querySelector(".cs-slider-head span"), live().on ? "Size of a frame" : "Size");
    },
  };
}
