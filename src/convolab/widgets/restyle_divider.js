// Before and after: two pictures over each other, and a divider that is dragged, or moved by the arrow keys.
import { h, setHidden } from "./look.js";

const STEP = 0.02;

// `before` and `after` are elements to fill the frame; gives { root, fit(width, height), … }.
export function divider({ before, after, share = 0.3 }) {
  const handle = h("div.cs-handle", { role: "slider", tabindex: 0, "aria-label": "Divider: the photo at its left, the painting at its right", "aria-valuemin": 0, "aria-valuemax": 100, "aria-orientation": "horizontal" });
  const shade = h("div.cs-after", {}, after);
  const frame = h("div.cs-frame", {}, h("div.cs-before", {}, before), shade, handle);
  const root = h("div.cs-stage", {}, frame);
  let ratio = 4 / 3;
  let comparing = true;

  function set(value) {
    share = Math.max(0, Math.min(1, value));
    frame.style.setProperty("--cut", `${100 * share}%`);
    handle.setAttribute("aria-valuenow", Math.round(100 * share));
    handle.setAttribute("aria-valuetext", `${Math.round(100 * share)} % photo`);
  }
  const at = (event) => {
    const box = frame.getBoundingClientRect();
    return (event.clientX - box.left) / (box.width || 1);
  };
  let dragging = null;
  frame.addEventListener("pointerdown", (event) => {
    if (!comparing || event.button > 0) return;
    dragging = event.pointerId;
    frame.setPointerCapture(dragging);
    set(at(event));
    handle.focus({ preventScroll: true });
    event.preventDefault();
  });
  frame.addEventListener("pointermove", (event) => dragging === event.pointerId && set(at(event)));
  for (const name of ["pointerup", "pointercancel"]) frame.addEventListener(name, () => (dragging = null));
  handle.addEventListener("keydown", (event) => {
    const step = (event.shiftKey ? 5 : 1) * STEP;
    const to = { ArrowLeft: share - step, ArrowDown: share - step, ArrowRight: share + step, ArrowUp: share + step, PageDown: share - 0.1, PageUp: share + 0.1, Home: 0, End: 1 }[event.key];
    if (to === undefined) return;
    set(to);
    event.preventDefault();
  });

  // As large as the stage allows, in the picture's proportions.
  function place() {
    const [width, height] = [root.clientWidth, root.clientHeight];
    if (!width || !height) return;
    const wide = Math.min(width, height * ratio);
    frame.style.width = `${Math.round(wide)}px`;
    frame.style.height = `${Math.round(wide / ratio)}px`;
  }
  const sizes = new ResizeObserver(place);
  sizes.observe(root);
  set(share);
  return {
    root,
    frame,
    set,
    fit(width, height) {
      if (!width || !height || Math.abs(ratio - width / height) < 1e-6) return;
      ratio = width / height;
      place();
    },
    // Whether there is something to compare.
    compare(on) {
      comparing = on;
      setHidden(handle, !on);
      frame.dataset.comparing = on;
    },
    stop: () => sizes.disconnect(),
  };
}
