// A label beside each level: its name, its shape, the value that has the full colour, a button that hides it.
import { h, setHidden, setText, short } from "./look.js";
import { levelLine, levelShape } from "./node_link_words.js";

const LIMITS_EVERY = 250; // ms between two changes of the numbers: faster nobody can read them

// `onHide(key)` hears of a level to be hidden.
export function levelLabels(onHide) {
  const root = h("div.cl-nl-labels", { role: "group", "aria-label": "Levels" });
  let shownAt = 0;
  let later = 0;

  function limits(values) {
    clearTimeout(later);
    const now = performance.now();
    if (now - shownAt < LIMITS_EVERY) return void (later = setTimeout(limits, LIMITS_EVERY, values));
    shownAt = now;
    [...root.children].forEach((label, i) => i < values.length && setText(label.children[2], `±${short(values[i])}`));
  }
  return {
    root,
    fill(levels) {
      clearTimeout(later);
      root.replaceChildren(
        ...levels.map((level) => {
          const hide = h("button.cl-nl-hide", { type: "button", "aria-label": `Hide ${level.title}`, title: "Hide this level", onclick: () => onHide(level.key) }, "×");
          const limit = h("span.cl-nl-limit", { title: "The value that has the full colour here" });
          const label = h("div.cl-nl-label", { title: levelLine(level) }, h("b", {}, level.title), h("span.cl-nl-shape", {}, levelShape(level)), limit, hide);
          label.dataset.level = level.key;
          return label;
        }),
      );
    },
    // Where the stage has its levels, in a view so high; labels out of sight are hidden.
    place(stage, height) {
      [...root.children].forEach((label, i) => {
        const at = stage.label(i);
        const out = !at || at.y < -30 || at.y > height + 30;
        setHidden(label, out);
        if (out) return;
        label.dataset.align = at.align;
        label.toggleAttribute("data-small", !!at.small);
        label.toggleAttribute("data-over", !!at.over);
        const place = `translate(${Math.round(at.x)}px, ${Math.round(at.y)}px)`;
        if (label.style.getPropertyValue("--place") !== place) label.style.setProperty("--place", place);
      });
    },
    // The limits of the levels' colours.
    limits,
    destroy: () => clearTimeout(later),
  };
}
