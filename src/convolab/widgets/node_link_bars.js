// What the network says: a bar for each class, the first and the second guess, and how the outputs became a ranking.
import { h, percent, popover, setText, short, theme } from "./look.js";
import { barPitch, isNarrow } from "./node_link_flat.js";

const MOST = 12; // classes shown as they stand; of more, the likeliest
const LIKELIEST = 10;
const SAY_AFTER = 700; // ms of rest after which a screen reader is told

// `about`: an element that says which network it is, put first.
// Gives back { setClasses(names), show(slot), drawOn(context, left, top, width), verdict() }.
export function predictionBars(host, about) {
  let classes = [];
  let latest = null;
  let bars = [];
  let sayTimer = 0;
  const first = h("b.cl-nb-first");
  const firstShare = h("span.cl-nb-share");
  const second = h("div.cl-nb-second");
  const columns = h("div.cl-nb-columns", { role: "img", "aria-label": "Shares of all classes" });
  const spoken = h("div.hidden-visually", { role: "status", "aria-live": "polite" });
  const how = popover("How?", "How the outputs became a ranking", explain);
  const verdict = h("div.cl-nb-verdict", {}, about, h("div.cl-nb-guess", {}, first, firstShare, how.root), second);
  host.classList.add("cl-nb");
  host.append(verdict, columns, spoken);

  function setClasses(names) {
    if (names.join("\n") === classes.join("\n") && bars.length) return;
    classes = names;
    const count = classes.length > MOST ? LIKELIEST : classes.length;
    bars = Array.from({ length: count }, () => {
      const [fill, share, name, raw] = [h("i"), h("span.cl-nb-percent"), h("b"), h("small")];
      const root = h("div.cl-nb-bar", {}, share, h("div.cl-nb-track", {}, fill), name, raw);
      return { root, fill, share, name, raw, width: "" };
    });
    columns.replaceChildren(...bars.map((bar) => bar.root));
    const long = classes.some((name) => String(name).length > 3);
    columns.classList.toggle("cl-nb-long", long);
    host.classList.toggle("cl-nb-wordy", long);
    fit();
  }
  // Each bar stands above its output in the flat view.
  function fit() {
    host.classList.toggle("cl-nb-narrow", isNarrow(host.clientWidth));
    if (classes.length) columns.style.setProperty("--pitch", `${barPitch(classes, host.clientWidth)}px`);
  }
  const sizes = new ResizeObserver(fit);
  sizes.observe(host);
  const shown = (slot) => (classes.length > MOST ? slot.order.slice(0, LIKELIEST) : classes.map((_, i) => i));

  function show(slot) {
    latest = slot;
    const [best, next] = slot.order;
    setText(first, String(classes[best]));
    setText(firstShare, percent(slot.shares[best]));
    setText(second, next === undefined ? "" : `then ${classes[next]}, ${percent(slot.shares[next])}`);
    shown(slot).forEach((k, i) => {
      const bar = bars[i];
      setText(bar.name, String(classes[k]));
      setText(bar.share, percent(slot.shares[k], 0));
      setText(bar.raw, short(+slot.raw[k].toPrecision(2)));
      const size = `scaleY(${Math.max(0.006, slot.shares[k]).toFixed(3)})`;
      if (bar.size !== size) bar.fill.style.transform = bar.size = size;
      const rank = k === best ? "1" : k === next ? "2" : "";
      if (bar.root.dataset.rank !== rank) bar.root.dataset.rank = rank;
    });
    clearTimeout(sayTimer);
    sayTimer = setTimeout(() => {
      setText(spoken, `First guess ${sentence()}.`);
      columns.setAttribute("aria-label", `Shares: ${shown(latest).map((k) => `${classes[k]} ${percent(latest.shares[k])}, output ${short(latest.raw[k])}`).join("; ")}. ${latest.how}`);
    }, SAY_AFTER);
  }
  function explain() {
    how.fill([h("p", {}, latest?.how ?? "There is no guess yet."), h("p.cl-muted.cl-small", {}, "The number below each class is the output itself.")]);
  }
  function sentence() {
    const [best, next] = latest.order;
    return `${classes[best]}, ${percent(latest.shares[best])}${next === undefined ? "" : `; second guess ${classes[next]}, ${percent(latest.shares[next])}`}`;
  }
  // For a picture that is saved.
  function drawOn(context, left, top, width) {
    if (!latest) return;
    const look = theme();
    const list = shown(latest);
    const step = barPitch(classes, width);
    const from = left + 168 + (width - 180 - step * list.length) / 2;
    const tall = 52;
    context.textAlign = "center";
    context.textBaseline = "alphabetic";
    list.forEach((k, i) => {
      const x = from + (i + 0.5) * step;
      const share = latest.shares[k];
      context.fillStyle = look.line;
      context.fillRect(x - 9, top + 16, 18, tall);
      context.fillStyle = k === latest.order[0] ? look.accent : look.muted;
      context.fillRect(x - 9, top + 16 + tall * (1 - share), 18, Math.max(0.5, tall * share));
      context.fillStyle = look.muted;
      context.font = `11px ${look.font}`;
      context.fillText(percent(share, 0), x, top + 11);
      context.fillStyle = look.ink;
      context.font = `${k === latest.order[0] ? "700" : "500"} 13px ${look.font}`;
      context.fillText(String(classes[k]), x, top + tall + 32, step - 4);
    });
  }

  return {
    setClasses,
    show,
    drawOn,
    verdict: () => (latest ? sentence() : ""),
    get latest() {
      return latest;
    },
    destroy() {
      clearTimeout(sayTimer);
      sizes.disconnect();
    },
  };
}
