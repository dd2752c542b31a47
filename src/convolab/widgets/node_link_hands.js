// Mouse, touch, pen and keyboard on the network view.

const STEP = 4; // pixels that a press may move and still be a press
const WHEEL = 0.0016;

// `view`: { stage(), levels(), hidden(), marked(), first(), hover(at, point), mark(at, how), open(at), repaint() }.
// Gives back the function that ends it.
export function handle(canvas, view) {
  const pointers = new Map(); // those that are down: id → [x, y]
  let travelled = 0;
  let pinch = null;

  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  // A finger on a view that is not enlarged may still scroll the page.
  function scrolling() {
    const stage = view.stage();
    canvas.style.touchAction = !stage || stage.drag === "orbit" || stage.moved ? "none" : "pan-y";
  }

  function down(event) {
    if (!view.stage()) return;
    scrolling();
    pointers.set(event.pointerId, place(event));
    if (pointers.size === 1) travelled = 0;
    canvas.setPointerCapture(event.pointerId);
    pinch = pointers.size === 2 ? spread() : null;
  }
  function spread() {
    const [[ax, ay], [bx, by]] = [...pointers.values()];
    return { distance: Math.hypot(ax - bx, ay - by) || 1, x: (ax + bx) / 2, y: (ay + by) / 2 };
  }
  function move(event) {
    const stage = view.stage();
    if (!stage) return;
    const to = place(event);
    const from = pointers.get(event.pointerId);
    if (!from) {
      if (event.pointerType !== "touch") view.hover(stage.pick(...to), to);
      return;
    }
    pointers.set(event.pointerId, to);
    const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
    travelled += Math.abs(dx) + Math.abs(dy);
    if (pinch && pointers.size === 2) {
      const now = spread();
      stage.pan(now.x - pinch.x, now.y - pinch.y);
      stage.zoom(now.distance / pinch.distance, now.x, now.y);
      pinch = now;
      return view.repaint();
    }
    if (travelled <= STEP) return;
    const pans = stage.drag === "pan" || event.shiftKey || (event.buttons & 6) !== 0;
    if (pans && !stage.moved && stage.drag === "pan") return; // all is in sight: nothing to move
    pans ? stage.pan(dx, dy) : stage.orbit(dx, dy);
    view.hover(null);
    canvas.dataset.dragging = "true";
    view.repaint();
  }
  function up(event) {
    const was = pointers.get(event.pointerId);
    pointers.delete(event.pointerId);
    if (pointers.size < 2) pinch = null;
    delete canvas.dataset.dragging;
    if (!was || travelled > STEP || event.button > 0 || event.type === "pointercancel") return;
    const at = view.stage().pick(...place(event));
    if (at) view.open(at);
    else view.mark(null);
  }
  function wheel(event) {
    const stage = view.stage();
    // Where the page itself scrolls, the wheel is left to it.
    if (!stage || (!event.ctrlKey && document.documentElement.scrollHeight > innerHeight + 4)) return;
    event.preventDefault();
    const amount = event.deltaMode === 1 ? event.deltaY * 30 : event.deltaY;
    stage.zoom(Math.exp(-amount * WHEEL * (event.ctrlKey ? 4 : 1)), ...place(event));
    scrolling();
    view.repaint();
  }

  // ---- keyboard ----
  const shown = (i) => !view.hidden().has(view.levels()[i].key);
  function otherLevel(from, way) {
    for (let i = from + way; i >= 0 && i < view.levels().length; i += way) if (shown(i)) return i;
    return from;
  }
  // The unit of another level that stands where this one does, as seen from the side.
  function across(at, way) {
    const level = otherLevel(at.level, way);
    if (level === at.level) return at;
    const stage = view.stage();
    const from = stage.centre(at.level, at.number);
    const count = view.levels()[level].units;
    let best = { level, number: 0 };
    let nearest = Infinity;
    const stride = Math.max(1, Math.floor(count / 4000));
    for (let number = 0; number < count; number += stride) {
      const to = stage.centre(level, number);
      const far = to && from ? Math.abs(to[0] - from[0]) * 3 + Math.abs(to[1] - from[1]) : number;
      if (far < nearest) [nearest, best] = [far, { level, number }];
    }
    return best;
  }
  function step(at, dx, dy) {
    const stage = view.stage();
    const level = view.levels()[at.level];
    const { maps, rows, columns } = stage.block(at.level);
    const [map, r, c] = stage.spot(at.level, at.number);
    let [m, row, column] = [map, r + dy, c + dx];
    if (column < 0) [m, column] = [m - 1, columns - 1];
    if (column >= columns) [m, column] = [m + 1, 0];
    if (row < 0) return across(at, 1);
    if (row >= rows) return across(at, -1);
    if (m < 0 || m >= maps) return at;
    const number = (m * rows + row) * columns + column;
    return number < level.units ? { level: at.level, number } : dy > 0 ? across(at, -1) : at;
  }

  function key(event) {
    const stage = view.stage();
    if (!stage || event.ctrlKey || event.metaKey || event.altKey) return;
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const at = view.marked() ?? null;
    const level = at && view.levels()[at.level];
    if (way && event.shiftKey) {
      stage.turn(...way);
      view.repaint();
    } else if (way) view.mark(at ? step(at, ...way) : view.first(), { say: true });
    else if (event.key === "PageUp" || event.key === "PageDown") view.mark(at ? across(at, event.key === "PageUp" ? 1 : -1) : view.first(), { say: true });
    else if ((event.key === "Home" || event.key === "End") && at) {
      const size = level.shape.length === 3 ? level.shape[1] * level.shape[2] : level.units;
      view.mark({ level: at.level, number: event.key === "Home" ? at.number % size : level.units - size + (at.number % size) }, { say: true });
    } else if ((event.key === "Enter" || event.key === " ") && at) view.open(at);
    else if (event.key === "Escape" && at) view.mark(null);
    else if (event.key === "+" || event.key === "=" || event.key === "-") {
      const centre = (at && stage.centre(at.level, at.number)) ?? [canvas.clientWidth / 2, canvas.clientHeight / 2];
      stage.zoom(event.key === "-" ? 1 / 1.25 : 1.25, ...centre);
      view.repaint();
    } else if (event.key === "0") {
      stage.fit();
      view.repaint();
    } else if (event.key === "h" && at) view.hideLevel();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
  const focus = () => {
    if (!view.marked() && canvas.matches(":focus-visible") && view.levels().length) view.mark(view.first(), { say: true });
  };
  const leave = () => pointers.size || view.hover(null);
  const again = (event) => {
    event.preventDefault();
    view.stage()?.fit();
    view.repaint();
  };
  const noMenu = (event) => event.preventDefault();
  const handlers = { pointerdown: down, pointermove: move, pointerup: up, pointercancel: up, pointerleave: leave, keydown: key, focus, dblclick: again, contextmenu: noMenu };
  for (const [name, handler] of Object.entries(handlers)) canvas.addEventListener(name, handler);
  canvas.addEventListener("wheel", wheel, { passive: false });
  scrolling();
  return () => {
    for (const [name, handler] of Object.entries(handlers)) canvas.removeEventListener(name, handler);
    canvas.removeEventListener("wheel", wheel);
  };
}
