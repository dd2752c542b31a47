// What all widgets share in looks: colours of the theme, scales of colour, numbers as text, crisp canvases,
// the small menu in the corner of each picture, and saving.

let colours = null;
let root = document.body;
const listeners = new Set();

// Takes the colours from this element on: in a notebook the page is not ours.
export function themeRoot(element) {
  root = element;
  watcher.observe(root, { attributes: true, attributeFilter: ["class"] });
  themeChanged();
}

// The theme's colours, read once and again when the page turns dark or light.
export function theme() {
  if (colours) return colours;
  const style = getComputedStyle(root);
  const get = (name, otherwise) => style.getPropertyValue(name).trim() || otherwise;
  const dark = root.classList.contains("body--dark");
  colours = {
    dark,
    ink: get("--ink", dark ? "#e6edeb" : "#14211e"),
    muted: get("--ink-2", dark ? "#a2b1ad" : "#4d5e5a"),
    paper: get("--surface", dark ? "#171f1d" : "#ffffff"),
    line: get("--line", dark ? "#2a3532" : "#dbe2df"),
    accent: get("--accent", dark ? "#5cc9be" : "#0b6b66"),
    data: Array.from({ length: 8 }, (_, i) => get(`--data-${i + 1}`, OKABE_ITO[i])),
    low: get("--signed-neg", "#1f77b4"),
    mid: get("--signed-zero", dark ? "#000000" : "#ffffff"),
    high: get("--signed-pos", "#e67300"),
    font: style.fontFamily,
  };
  return colours;
}
const OKABE_ITO = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#7f7f7f"];

function themeChanged() {
  colours = null;
  for (const listener of listeners) listener();
}
const watcher = new MutationObserver(themeChanged);
watcher.observe(document.body, { attributes: true, attributeFilter: ["class", "data-theme"] });
watcher.observe(document.documentElement, { attributes: true, attributeFilter: ["class", "data-theme"] });

// Calls `draw` whenever the theme or the size of `el` changes; gives back the function that ends it.
export function onLookChange(el, draw) {
  listeners.add(draw);
  let width = 0;
  const sizes = new ResizeObserver(() => {
    if (el.clientWidth && el.clientWidth !== width) {
      width = el.clientWidth;
      draw();
    }
  });
  sizes.observe(el);
  return () => {
    listeners.delete(draw);
    sizes.disconnect();
  };
}

export function rgb(colour) {
  const hex = colour.replace("#", "");
  if (/^[0-9a-f]{6}$/i.test(hex)) return [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16));
  const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  context.fillStyle = colour;
  context.fillRect(0, 0, 1, 1);
  return [...context.getImageData(0, 0, 1, 1).data.slice(0, 3)];
}
const mix = (a, b, share) => a.map((value, i) => Math.round(value + (b[i] - value) * share));

// Signed values, -1 … 1: blue, white (black when dark), orange.
export function signedScale() {
  const { low, mid, high } = theme();
  const [a, b, c] = [rgb(low), rgb(mid), rgb(high)];
  const table = Array.from({ length: 511 }, (_, i) => (i < 255 ? mix(b, a, 1 - i / 255) : mix(b, c, (i - 255) / 255)));
  return (value) => table[Math.round(Math.max(-1, Math.min(1, value)) * 255) + 255];
}
// Magnitudes, 0 … 1: from the paper to one deep hue.
export function magnitudeScale() {
  const from = rgb(theme().paper);
  const to = theme().dark ? [86, 180, 233] : [0, 92, 150];
  return (value) => mix(from, to, Math.max(0, Math.min(1, value)));
}
export const css = (colour) => `rgb(${colour.join(",")})`;
export function inkOn(colour) {
  const [r, g, b] = colour.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000" : "#fff";
}

// ---- numbers ----
const whole = new Intl.NumberFormat("en");
export const count = (value) => whole.format(Math.round(value));
// A share as per cent. What is not quite all, or not quite nothing, is never rounded to 100 or 0.
export function percent(share, digits = 1) {
  const unit = 10 ** digits;
  let shown = Math.round(share * 100 * unit) / unit;
  if (share < 1 && shown >= 100) shown = 100 - 1 / unit;
  if (share > 0 && shown <= 0) return `< ${(1 / unit).toFixed(digits)} %`;
  return `${shown.toFixed(digits)} %`;
}
export function short(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e12) return `${+(value / 1e12).toPrecision(3)} T`;
  if (size >= 1e9) return `${+(value / 1e9).toPrecision(3)} G`;
  if (size >= 1e6) return `${+(value / 1e6).toPrecision(3)} M`;
  if (size >= 1e4) return `${+(value / 1e3).toPrecision(3)} k`;
  if (size >= 1000) return count(value);
  return String(+value.toPrecision(3)).replace("-", "−");
}

// ---- elements ----
// h("button.small", { onclick, "aria-label": … }, children…)
export function h(tag, attributes = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const el = document.createElement(name);
  if (classes.length) el.className = classes.join(" ");
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) el.addEventListener(key.slice(2), value);
    else if (value === true) el.setAttribute(key, "");
    else if (value !== false && value != null) el.setAttribute(key, value);
  }
  el.append(...children.filter((child) => child != null));
  return el;
}
// Writes only what changed, so that an update without news costs no layout.
export function setText(el, text) {
  if (el.textContent !== text) el.textContent = text;
}
export function setHidden(el, hidden) {
  if (el.hidden !== hidden) el.hidden = hidden;
}

// A canvas of `width` × `height` CSS pixels with as many device pixels as the screen shows.
export function crisp(canvas, width, height, ratio = Math.min(window.devicePixelRatio || 1, 3)) {
  const [w, hgt] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== hgt) {
    canvas.width = w;
    canvas.height = hgt;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

// A group of buttons of which one is chosen. `choices` is [[value, label], …].
export function choice(label, choices, value, onChange) {
  const group = h("div.cl-choice", { role: "radiogroup", "aria-label": label });
  const buttons = choices.map(([key, text]) => {
    const button = h("button", { type: "button", role: "radio", onclick: () => choose(key, true) }, text);
    button.dataset.value = key;
    group.append(button);
    return button;
  });
  function choose(key, tell) {
    for (const button of buttons) {
      const chosen = button.dataset.value === key;
      button.setAttribute("aria-checked", String(chosen));
      button.tabIndex = chosen ? 0 : -1;
    }
    if (tell) onChange(key);
  }
  group.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const at = buttons.indexOf(document.activeElement);
    const next = buttons[(at + step + buttons.length) % buttons.length];
    next.focus();
    choose(next.dataset.value, true);
  });
  choose(value, false);
  return group;
}

// ---- the small menu in the corner of each picture: [["Save as PNG", action], …] ----
// What is pinned is all of it, but not entries like ["Film", action, { pin: false }]; a file that is only to be linked on the
// page is named by its entry, { beside: "input.png" }. What the panel shows is said by an
// element around the menu: data-pin='{"runs": ["…"]}', see convolab/app/report/origin.py; else it is the room's address.
export function cornerMenu(name, items) {
  const list = h("div.cl-menu-list", { role: "menu", hidden: true });
  const button = h(
    "button.cl-menu-button",
    { type: "button", "aria-label": `Save ${name}`, title: `Save ${name}`, "aria-haspopup": "menu", "aria-expanded": "false" },
    "⋯",
  );
  const close = (focus) => {
    list.hidden = true;
    button.setAttribute("aria-expanded", "false");
    document.removeEventListener("pointerdown", outside, true);
    if (focus) button.focus();
  };
  const outside = (event) => root.contains(event.target) || close(false);
  const entry = (label, action) => {
    const run = () => {
      close(true);
      action();
    };
    return h("button", { type: "button", role: "menuitem", tabindex: -1, onclick: run }, label);
  };
  const entries = items.map(([label, action]) => entry(label, action));
  // Only in the lab, where there is a page to pin to.
  if (document.querySelector("[data-room]")) entries.push(entry("Pin to the page", () => pinAll(name, items, button)));
  list.append(...entries);
  button.addEventListener("click", () => {
    if (!list.hidden) return close(true);
    list.hidden = false;
    button.setAttribute("aria-expanded", "true");
    document.addEventListener("pointerdown", outside, true);
    entries[0].focus();
  });
  const root = h("div.cl-menu", {}, button, list);
  root.addEventListener("keydown", (event) => {
    if (list.hidden) return;
    const at = entries.indexOf(document.activeElement);
    if (event.key === "Escape") close(true);
    else if (event.key === "ArrowDown") entries[(at + 1) % entries.length].focus();
    else if (event.key === "ArrowUp") entries[(at - 1 + entries.length) % entries.length].focus();
    else if (event.key === "Tab") return close(false);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  return root;
}

// A button that opens a small sheet; `onOpen` is called to have it filled.
export function popover(label, tip, onOpen) {
  const sheet = h("div.cl-popover", { role: "dialog", "aria-label": label, hidden: true });
  const button = h("button.cl-button", { type: "button", title: tip, "aria-haspopup": "dialog", "aria-expanded": "false" }, label);
  const root = h("div.cl-menu", {}, button, sheet);
  const outside = (event) => root.contains(event.target) || toggle(false);
  function toggle(open) {
    sheet.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
    if (open) {
      sheet.replaceChildren(h("p.cl-muted", {}, "Looking …"));
      document.addEventListener("pointerdown", outside, true);
      onOpen();
    } else document.removeEventListener("pointerdown", outside, true);
  }
  button.addEventListener("click", () => toggle(sheet.hidden));
  root.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || sheet.hidden) return;
    toggle(false);
    button.focus();
    event.stopPropagation();
  });
  return { root, fill: (children) => sheet.replaceChildren(...children) };
}

// ---- saving ----
export function saveBlob(blob, filename) {
  if (captured) return void captured(Promise.resolve(blob), filename);
  const anchor = h("a", { href: URL.createObjectURL(blob), download: filename });
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
  setTimeout(() => URL.revokeObjectURL(anchor.href), 1000);
}
export function saveAddress(address) {
  if (captured) {
    const name = new URL(address, location.href).pathname.split("/").pop();
    return void captured(fetch(address).then((answer) => answer.blob()), name);
  }
  const anchor = h("a", { href: address, download: "" });
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
}
export function saveText(text, filename, type = "text/csv") {
  saveBlob(new Blob([text], { type }), filename);
}
// While something is pinned, what would be saved as files goes here instead.
let captured = null;
const PATIENCE = 8000; // ms that a picture may take to be drawn

// Pins all that the menu can save: pictures first, then data. Says how it went on the button.
async function pinAll(name, items, button) {
  const found = [];
  captured = (blob, filename) => found.push({ blob, filename });
  try {
    const wanted = items.filter(([, , options]) => options?.pin !== false);
    for (const [, action] of wanted) await action();
    const end = performance.now() + PATIENCE;
    while (found.length < wanted.length && performance.now() < end) await new Promise((next) => setTimeout(next, 50));
  } finally {
    captured = null;
  }
  const files = [];
  for (const { blob, filename } of found) {
    const content = await blob;
    const beside = items.some(([, , options]) => options?.beside === filename);
    if (content) files.push({ name: filename, data: await base64(content), beside });
  }
  files.sort((a, b) => isPicture(b.name) - isPicture(a.name));
  const title = name[0].toUpperCase() + name.slice(1);
  const about = JSON.parse(button.closest("[data-pin]")?.dataset.pin ?? "{}");
  const prefix = window.path_prefix ?? "";
  const pin = { kind: "panel", title, files, about, address: location.pathname.slice(prefix.length) + location.search };
  let answer;
  try {
    const reply = await fetch("/report/pin", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(pin) });
    answer = await reply.json();
  } catch {
    answer = { error: "The lab does not answer." };
  }
  const words = answer.error ?? "Pinned to the page";
  const note = h("span.cl-pinned", { role: "status" }, words);
  button.parentElement.append(note);
  setTimeout(() => note.remove(), answer.error ? 8000 : 2500);
}
const isPicture = (name) => /\.(png|svg|jpe?g|webp|gif)$/i.test(name);
function base64(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = reject;
    reader.readAsDataURL(blob);
  });
}

// Draws at twice the size with `draw(context, width, height)` on the paper's colour.
export function savePicture(width, height, draw, filename) {
  const canvas = document.createElement("canvas");
  const context = crisp(canvas, width, height, 2);
  context.fillStyle = theme().paper;
  context.fillRect(0, 0, width, height);
  draw(context, width, height);
  canvas.toBlob((blob) => saveBlob(blob, filename), "image/png");
}
