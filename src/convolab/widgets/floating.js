// Windows that float over a view: moved by their head with mouse, finger or arrow keys, never outside of the view;
// on phones a sheet at the bottom, of which one is seen at a time.
import { h, setHidden, setText } from "./look.js";

const MARGIN = 8;
const NARROW = 600; // pixels of the browser's window, as in the style sheets
const layers = new WeakMap(); // host → its windows, the hindmost first

function layerOf(host) {
  if (!layers.has(host)) {
    const layer = { windows: [], last: null };
    layers.set(host, layer);
    host.classList.add("cl-floats");
    layer.sizes = new ResizeObserver(() => layer.windows.forEach((each) => each.settle()));
    layer.sizes.observe(host);
  }
  return layers.get(host);
}

// `name` is what a screen reader calls the window, `part` how high its sheet is at first, `onClose` is called when it
// has gone. Gives back { el, head, title, body, buttons, rename(name), front(), focus(), close(), settle() }.
export function floating({ host, name, width = 420, className = "", part = 0.5, onClose = () => {} }) {
  const layer = layerOf(host);
  const opener = document.activeElement;
  let [left, top] = firstPlace(layer, host, width);
  let moved = false; // what a person has put somewhere stays there
  let share = part; // of the browser window's height, as a sheet
  let gone = false;

  const title = h("div.cl-float-title");
  const grip = h("div.cl-float-grip", { tabindex: 0, role: "button" }, title);
  const turn = h("button.cl-button.cl-quiet", { type: "button", hidden: true, onclick: next });
  const shut = h("button.cl-button.cl-quiet", { type: "button", "aria-label": "Close", title: "Close (Escape)", onclick: () => close() }, "×");
  const buttons = h("div.cl-float-buttons", {}, turn, shut);
  const head = h("div.cl-float-head", {}, grip, buttons);
  const body = h("div.cl-float-body", { tabindex: -1 });
  const el = h(`section.cl-float${className ? `.${className}` : ""}`, { role: "dialog", tabindex: -1 }, head, body);
  el.style.setProperty("--width", `${width}px`);
  host.append(el);

  const sheet = () => window.innerWidth <= NARROW;

  // Within the view, as near as can be to where it was put; that is remembered, so that a view that was small for
  // a moment moves nothing for good.
  function clamped() {
    const room = [host.clientWidth - el.offsetWidth - MARGIN, host.clientHeight - el.offsetHeight - MARGIN];
    return [left, top].map((value, i) => Math.max(MARGIN, Math.min(room[i], value)));
  }
  function settle() {
    if (gone) return;
    el.classList.toggle("cl-as-sheet", sheet());
    if (sheet()) {
      el.style.left = el.style.top = "";
      el.style.setProperty("--height", `${Math.round(share * 100)}dvh`);
      return;
    }
    el.style.maxHeight = `${Math.max(160, host.clientHeight - 2 * MARGIN)}px`;
    const [x, y] = clamped();
    el.style.left = `${Math.round(x)}px`;
    el.style.top = `${Math.round(y)}px`;
  }
  // Where it would be moved from: { left, top } or, as a sheet, its share of the height.
  function hold() {
    const [x, y] = clamped();
    return { left: x, top: y, share };
  }
  function move(start, dx, dy) {
    if (sheet()) share = Math.max(0.2, Math.min(0.85, start.share - dy / window.innerHeight));
    else {
      [left, top] = [start.left + dx, start.top + dy];
      [left, top] = clamped();
      moved = true;
    }
    settle();
  }

  // ---- the order of windows ----
  function front() {
    if (gone) return;
    layer.windows = [...layer.windows.filter((each) => each !== handle), handle];
    arrange();
  }
  function next() {
    layer.windows[0]?.front();
    layer.windows.at(-1)?.focus();
  }
  function arrange() {
    layer.windows.forEach((each, i) => each.stand(i, layer.windows.length));
  }
  function stand(at, of) {
    el.style.zIndex = at + 1;
    el.dataset.front = at === of - 1;
    setHidden(turn, !sheet() || of < 2);
    setText(turn, `1 of ${of}`);
    turn.setAttribute("aria-label", `Next of ${of} cards`);
  }

  // ---- moving ----
  let from = null;
  head.addEventListener("pointerdown", (event) => {
    if (event.button > 0 || event.target.closest(".cl-float-buttons")) return;
    from = { at: [event.clientX, event.clientY], start: hold() };
    head.setPointerCapture(event.pointerId);
    head.dataset.held = true;
  });
  head.addEventListener("pointermove", (event) => {
    if (from) move(from.start, event.clientX - from.at[0], event.clientY - from.at[1]);
  });
  const drop = () => {
    from = null;
    delete head.dataset.held;
  };
  head.addEventListener("pointerup", drop);
  head.addEventListener("pointercancel", drop);
  grip.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!way) return;
    const reach = event.shiftKey ? 64 : 16;
    move(hold(), way[0] * reach, way[1] * reach);
    event.preventDefault();
    event.stopPropagation();
  });
  el.addEventListener("pointerdown", front);
  el.addEventListener("focusin", front);
  el.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.defaultPrevented) return;
    close();
    event.preventDefault();
    event.stopPropagation();
  });
  // What happens in a window is none of the view's business below it.
  for (const kind of ["pointerdown", "pointermove", "wheel", "click", "dblclick"]) el.addEventListener(kind, (event) => event.stopPropagation());

  function rename(text) {
    el.setAttribute("aria-label", text);
    grip.setAttribute("aria-label", `${text}. Arrow keys move this card.`);
  }
  function close() {
    if (gone) return;
    gone = true;
    const held = el.contains(document.activeElement);
    sizes.disconnect();
    el.remove();
    layer.windows = layer.windows.filter((each) => each !== handle);
    if (moved) layer.last = [left, top];
    arrange();
    onClose();
    if (!held) return;
    const other = layer.windows.at(-1);
    if (opener?.isConnected && opener !== document.body) opener.focus({ preventScroll: true });
    else other?.focus();
  }
  const focus = () => grip.focus({ preventScroll: true });

  const sizes = new ResizeObserver(settle);
  sizes.observe(el);
  const handle = { el, head, title, body, buttons, rename, front, focus, close, settle, stand };
  rename(name);
  front();
  settle();
  return handle;
}

// At the right edge, beside or below the windows that are there already; else where the last one stood.
function firstPlace(layer, host, width) {
  if (!layer.windows.length && layer.last) return layer.last;
  const right = host.clientWidth - width - 2 * MARGIN;
  const taken = layer.windows.map((each) => each.el.getBoundingClientRect());
  const box = host.getBoundingClientRect();
  for (const y of [MARGIN * 2, 64])
    for (let x = right; x >= MARGIN; x -= 24) {
      const free = taken.every((other) => box.left + x + width + MARGIN <= other.left || box.left + x >= other.right + MARGIN);
      if (free) return [x, y];
    }
  const step = 32 * layer.windows.length;
  return [Math.max(MARGIN, right - step), MARGIN * 2 + step];
}
