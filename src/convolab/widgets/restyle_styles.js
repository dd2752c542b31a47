// The styles as a film strip: a thumbnail for each painting, with painter and year. Pressed it is chosen, its plus
// mixes it with the others; thumbnails can be dragged.
import { h } from "./look.js";
import { byline, groups, onShelf, shelf, thumbOf } from "./restyle_parts.js";

export const DRAGGED = "text/x-convolab-style";

// `onPick(name)`, `onAdd(name)` (none: no plus); `verb` says what pressing does, for those who hear it.
export function styleStrip({ label, verb, onPick, onAdd = null }) {
  let chosen = new Set();
  const root = h("div.cs-strip", { role: "group", "aria-label": label });
  root.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step || event.altKey) return;
    const buttons = [...root.querySelectorAll(".cs-thumb")];
    const next = buttons[buttons.indexOf(document.activeElement) + step];
    if (!next) return;
    event.preventDefault();
    next.focus();
  });

  function thumb(styles) {
    const [style] = styles;
    const on = styles.some((one) => chosen.has(one.name));
    const image = h("img", { src: thumbOf(style.name), alt: style.title, loading: "lazy", draggable: "false" });
    const words = h("span.cs-thumb-words", {}, h("b", {}, style.title), h("small", {}, byline(style) || (style.own ? "learned here" : "")));
    const button = h("button.cs-thumb", { type: "button", draggable: "true", "aria-pressed": String(on), "aria-label": `${verb}: ${style.title}${byline(style) ? `, ${byline(style)}` : ""}`, title: style.facts || style.title, onclick: (event) => (onAdd && (event.shiftKey || event.ctrlKey || event.metaKey) ? onAdd(style.name) : onPick(style.name)) }, image, words);
    button.addEventListener("dragstart", (event) => {
      event.dataTransfer.setData(DRAGGED, style.name);
      event.dataTransfer.effectAllowed = "copy";
    });
    if (!onAdd || on) return h("div.cs-thumb-frame", {}, button);
    return h("div.cs-thumb-frame", {}, button, h("button.cs-add", { type: "button", "aria-label": `Mix in ${style.title}`, title: "Mix it with the chosen ones", onclick: () => onAdd(style.name) }, "+"));
  }
  let drawn = "";
  let seen = ""; // the chosen style that was last brought into sight
  function draw() {
    const key = JSON.stringify([shelf.styles, [...chosen]]);
    if (key === drawn) return;
    drawn = key;
    const focused = root.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
    const at = root.scrollLeft;
    const found = groups();
    root.replaceChildren(...(found.length ? found.map(thumb) : [h("p.cl-empty", {}, shelf.loaded ? "There are no styles yet. Open Learn and let the lab learn one from a painting of yours." : "Looking for styles …")]));
    root.scrollLeft = at;
    if (focused) root.querySelector(`[aria-label="${CSS.escape(focused)}"]`)?.focus();
  }
  const stop = onShelf(draw);
  draw();
  return {
    root,
    stop,
    show(names) {
      chosen = new Set(names);
      draw();
      if (!names.length || names.at(-1) === seen || !root.clientWidth) return;
      // What is chosen is in sight, without moving the page.
      const on = root.querySelector(".cs-thumb[aria-pressed=true]")?.parentElement;
      if (!on) return;
      seen = names.at(-1);
      const [left, right] = [on.offsetLeft - root.offsetLeft, on.offsetLeft - root.offsetLeft + on.offsetWidth];
      if (left < root.scrollLeft || right > root.scrollLeft + root.clientWidth) root.scrollLeft = left - (root.clientWidth - on.offsetWidth) / 2;
    },
  };
}
