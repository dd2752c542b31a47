// Places for filters in a row: styles are dragged into them from the strip, or put there by a press; a chain can be
// put in another order by dragging, by its buttons, or by Alt with the arrow keys.
import { h } from "./look.js";
import { onShelf, shelf, thumbOf, titleOf } from "./restyle_parts.js";
import { DRAGGED } from "./restyle_styles.js";

const MOVED = "text/x-convolab-filter"; // a filter of the chain itself

// `labels`: fixed places with these names, each always filled; else a chain of up to `most`. `onChange(names)`.
export function chainEditor({ labels = null, most = 12, label, onChange }) {
  let names = [];
  let at = 0; // the place that the next pressed style goes to, among fixed ones
  const list = h("ol.cs-chain", { "aria-label": label });
  const said = h("span.hidden-visually", { role: "status" });
  const root = h("div.cs-chain-frame", {}, list, said);

  function set(next, focus = null, words = "") {
    names = next;
    draw();
    if (focus !== null) list.querySelectorAll(".cs-link")[Math.max(0, Math.min(next.length - 1, focus))]?.focus();
    said.textContent = words;
    onChange(names);
  }
  const remove = (i) => names.length > 1 && set(names.toSpliced(i, 1), i, `${titleOf(names[i])} removed`);
  const move = (from, to) => to >= 0 && to < names.length && from !== to && set(names.toSpliced(from, 1).toSpliced(to, 0, names[from]), to, `${titleOf(names[from])} is now number ${to + 1}`);
  const insert = (name, i = names.length) => names.length < most && set(names.toSpliced(i, 0, name), null, `${titleOf(name)} is now number ${i + 1}`);
  const put = (name, i) => set(names.with(i, name), null, `${labels[i]} is ${titleOf(name)}`);

  function link(name, i) {
    const title = titleOf(name);
    const image = h("img", { src: thumbOf(name), alt: title, draggable: "false" });
    const label_ = labels ? `${labels[i]}: ${title}. Press, then choose a style below` : `Filter ${i + 1}: ${title}. Alt with arrows moves it, Delete removes it`;
    const button = h("button.cs-link", { type: "button", draggable: "true", "aria-label": label_, "aria-pressed": labels ? String(at === i) : null, onclick: () => labels && ((at = i), draw(), list.querySelectorAll(".cs-link")[i].focus()) }, image, h("b", {}, labels ? h("span.cs-letter", {}, labels[i]) : null, title));
    button.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step && event.altKey && !labels) move(i, i + step);
      else if (step && !event.altKey) list.querySelectorAll(".cs-link")[i + step]?.focus();
      else if ((event.key === "Delete" || event.key === "Backspace") && !labels) remove(i);
      else return;
      event.preventDefault();
    });
    button.addEventListener("dragstart", (event) => {
      event.dataTransfer.setData(MOVED, String(i));
      event.dataTransfer.setData(DRAGGED, name);
    });
    const item = h("li", { "data-place": i }, button);
    if (!labels) {
      const small = (text, words, action, off) => h("button.cl-remove", { type: "button", "aria-label": `${words}: filter ${i + 1}, ${title}`, title: words, disabled: off, onclick: action }, text);
      item.append(h("span.cs-link-tools", {}, small("←", "Earlier", () => move(i, i - 1), i === 0), small("×2", "Once more", () => insert(name, i + 1), names.length >= most), small("×", "Remove", () => remove(i), names.length < 2), small("→", "Later", () => move(i, i + 1), i === names.length - 1)));
    }
    return item;
  }
  function draw() {
    const focused = [...list.querySelectorAll("button")].indexOf(document.activeElement);
    list.replaceChildren(...names.map(link), ...(labels || names.length >= most ? [] : [h("li.cs-chain-end", {}, "Drag a style here, or press one below")]));
    if (focused >= 0) list.querySelectorAll("button")[focused]?.focus();
  }

  // ---- dragging ----
  const placeOf = (event) => {
    const item = event.target.closest?.("li[data-place]");
    if (!item) return names.length;
    const box = item.getBoundingClientRect();
    return Number(item.dataset.place) + (!labels && event.clientX > box.left + box.width / 2 ? 1 : 0);
  };
  const known = (event) => [...event.dataTransfer.types].some((type) => type === DRAGGED || type === MOVED);
  list.addEventListener("dragover", (event) => {
    if (!known(event)) return;
    event.preventDefault();
    root.classList.add("over");
  });
  list.addEventListener("dragleave", () => root.classList.remove("over"));
  list.addEventListener("drop", (event) => {
    root.classList.remove("over");
    if (!known(event)) return;
    event.preventDefault();
    event.stopPropagation();
    const place = placeOf(event);
    const from = event.dataTransfer.getData(MOVED);
    const name = event.dataTransfer.getData(DRAGGED);
    if (labels) put(name, Math.min(place, labels.length - 1));
    else if (from !== "") move(Number(from), Math.min(names.length - 1, place > Number(from) ? place - 1 : place));
    else insert(name, place);
  });

  const stop = onShelf(() => shelf.loaded && draw());
  return {
    root,
    stop,
    // A style was pressed in the strip: it goes to the marked place, or to the end.
    press(name) {
      if (!labels) return insert(name);
      put(name, at);
      at = (at + 1) % labels.length;
      draw();
    },
    show(next) {
      if (JSON.stringify(next) === JSON.stringify(names)) return;
      names = [...next];
      draw();
    },
  };
}
