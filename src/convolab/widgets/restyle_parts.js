// What the parts of the room Fast style share: asking the lab, the styles that there are, mixes as text, sliders.
import { h, setText } from "./look.js";

export const address = (path) => `${window.path_prefix ?? ""}/fast/${path}`;
export const pictureAddress = (path) => `${window.path_prefix ?? ""}/transfer/${path}`;

// Asks the lab; gives its answer, or throws an Error whose message is a sentence for the reader.
export const get = (path) => answered(fetch(address(path)));
export const post = (action, values = {}) =>
  answered(fetch(address(`do/${action}`), { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(values) }));
export async function bring(where, file) {
  if (file.size > 2e9) throw new Error(`${file.name} has more than 2 GB; choose a smaller file.`);
  return answered(fetch(where, { method: "POST", body: file }));
}
async function answered(request) {
  let answer;
  try {
    answer = await (await request).json();
  } catch {
    throw new Error("The lab does not answer; is it still running?");
  }
  if (answer.error) throw new Error(answer.error);
  return answer;
}
// Asks again while the answer is that it is at work on it; `say` is told how far.
export async function patiently(action, values, say) {
  for (;;) {
    const answer = await post(action, values);
    if (answer.working === undefined) return answer;
    say(answer.working);
    await new Promise((next) => setTimeout(next, 400));
  }
}

// ---- the styles ----
export const shelf = { styles: [], loaded: false };
const listeners = new Set();
let looking = null;

// Looks again which styles there are; all who listen are told.
export function refreshShelf() {
  looking ??= get("styles")
    .then(({ styles }) => {
      Object.assign(shelf, { styles, loaded: true });
      for (const listener of [...listeners]) listener();
    })
    .catch(() => {})
    .finally(() => (looking = null));
  return looking;
}
// Calls back at each change of the styles, and at once if they are known; gives back the function that ends it.
export function onShelf(callback) {
  listeners.add(callback);
  if (shelf.loaded) callback();
  else refreshShelf();
  return () => listeners.delete(callback);
}
export const styleOf = (name) => shelf.styles.find((style) => style.name === name);
export const titleOf = (name) => styleOf(name)?.title ?? name;
export const thumbOf = (name) => address(`styles/${name}/thumb.jpg?v=${styleOf(name)?.stamp ?? ""}`);
export const byline = (style) => [style?.painter, style?.year].filter(Boolean).join(", ");

// One entry for each painting: its sizes are networks that learned the same.
export function groups() {
  const found = new Map();
  for (const style of shelf.styles) {
    if (!found.has(style.group)) found.set(style.group, []);
    found.get(style.group).push(style);
  }
  const order = { standard: 0, large: 1, own: 2, small: 3 };
  return [...found.values()].map((styles) => styles.sort((a, b) => (order[a.size] ?? 2) - (order[b.size] ?? 2)));
}
export const sizesOf = (name) => shelf.styles.filter((style) => style.group === styleOf(name)?.group);
// The same painting learned by a network of another size, where there is one.
export const sized = (name, size) => sizesOf(name).find((style) => style.size === size)?.name ?? name;

// ---- mixes: "wave:0.3,scream:0.7" ----
export function parseMix(text) {
  return text.split(",").filter(Boolean).map((part) => {
    const [name, share] = part.split(":");
    return { name, share: share === undefined ? 1 : Number(share) };
  });
}
export function mixText(mix) {
  if (mix.length === 1) return mix[0].name;
  return mix.map(({ name, share }) => `${name}:${+share.toFixed(2)}`).join(",");
}
export const mixTitle = (text) => {
  const mix = parseMix(text).filter(({ share }) => share > 0);
  const total = mix.reduce((sum, { share }) => sum + share, 0) || 1;
  return mix.length === 1 ? titleOf(mix[0].name) : mix.map(({ name, share }) => `${titleOf(name)} ${Math.round((100 * share) / total)} %`).join(" + ");
};

// ---- controls ----
// A slider with its value beside it. `onInput` while it moves, `onChange` once it has been let go.
export function slider({ label, tip, min, max, step, value, format, onInput, onChange }) {
  const shown = h("output.cs-value");
  const input = h("input.cs-range", {
    type: "range", min, max, step, value, "aria-label": label,
    oninput: () => (say(), onInput?.(+input.value)),
    onchange: () => onChange?.(+input.value),
  });
  function say() {
    setText(shown, format(+input.value));
    input.setAttribute("aria-valuetext", format(+input.value));
  }
  say();
  const root = h("div.cs-slider", {}, h("div.cs-slider-head", {}, h("span", { "data-tip": tip }, label), shown), input);
  const show = (now) => {
    if (document.activeElement === input && input.matches(":active")) return;
    input.value = now;
    say();
  };
  return { root, input, show };
}
export function check(label, tip, onChange) {
  const input = h("input", { type: "checkbox", onchange: () => onChange(input.checked) });
  return { root: h("label.cs-check", { "data-tip": tip }, input, h("span", {}, label)), input };
}
// Something that waits at least `ms` before it says that it is at work, so that quick work says nothing.
export function patience(el, ms = 150) {
  let timer = 0;
  return (words) => {
    clearTimeout(timer);
    if (!words) return setText(el, "");
    timer = setTimeout(() => setText(el, words), ms);
  };
}
export const fileName = (text) => text.toLowerCase().replace(/[^\w]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 60) || "picture";
// The command that paints a photo again as it was painted here; `more` are further options.
export function command({ style, strength, size, padding, keep }, photo, target, more = "") {
  const parts = ["convolab stylize", photo, `--style ${style}`, strength < 1 ? `--strength ${strength}` : "", `--size ${size}`, padding === "reflect" ? "" : `--padding ${padding}`, keep ? "--preserve-color" : "", more, `-o ${target}`];
  return parts.filter(Boolean).join(" ");
}
// What a pin says of how it was painted.
export const pinned = (how, reproduce) => JSON.stringify({ settings: { style: how.style, strength: how.strength, size: `${how.size} pixels`, padding: how.padding, "photo's colours kept": how.keep ? "yes" : "no" }, reproduce });
