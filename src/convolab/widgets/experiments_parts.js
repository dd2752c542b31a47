// What the parts of the room Experiments share: asking the lab, fields with their complaints, tables that can be saved.
import { cornerMenu, h, percent, savePicture, saveText, setHidden, setText, theme } from "./look.js";

const address = (path) => (window.path_prefix ?? "") + "/experiments/" + path;

// Asks the lab; gives its answer, or throws an Error whose message is a sentence for the reader.
export const get = (path, values = {}) => answered(fetch(`${address(path)}?${new URLSearchParams(values)}`));
export const post = (action, values = {}) =>
  answered(fetch(address(`do/${action}`), { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(values) }));
export const fileAddress = (path, values) => `${address(path)}?${new URLSearchParams(values)}`;
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
// Asks again until it is done; `onWait` is told how far it is (a share) or what it waits for (a sentence).
export async function patiently(ask, onWait) {
  for (;;) {
    const answer = await ask();
    const waiting = answer.waiting ?? answer.working;
    if (waiting === undefined) return answer;
    onWait(waiting);
    await new Promise((next) => setTimeout(next, answer.waiting === undefined ? 150 : 600));
  }
}

// A place for what went wrong: stands where it was caused, and says nothing most of the time.
export function complaint() {
  const root = h("div.note.bad", { role: "alert", hidden: true });
  return { root, say: (sentence) => (setText(root, sentence ?? ""), setHidden(root, !sentence)) };
}
// Does something that takes a moment: the button says so, and errors stand in `place`.
export async function working(button, doing, place, action) {
  const before = button.textContent;
  button.disabled = true;
  setText(button, doing);
  place.say("");
  try {
    return await action((words) => setText(button, words));
  } catch (error) {
    place.say(error.message);
    return null;
  } finally {
    setText(button, before);
    button.disabled = false;
  }
}

export function field(label, tip, input) {
  return h("label.cx-field", { "data-tip": tip }, h("span", {}, label), input);
}
export function textInput(value, options = {}) {
  const input = h("input.cx-input", { type: "text", autocomplete: "off", spellcheck: "false", ...options });
  input.value = value;
  return input;
}
// `choices`: [[value, text], …]; `fill` replaces them and keeps what was chosen, if it is still there.
export function select(choices, value, onChange = () => {}, options = {}) {
  const root = h("select.cx-input", { ...options, onchange: () => onChange(root.value) });
  const fill = (found, chosen = root.value) => {
    const key = JSON.stringify(found);
    if (key !== root.dataset.key) {
      root.dataset.key = key;
      root.replaceChildren(...found.map(([name, text]) => h("option", { value: name }, text)));
    }
    root.value = found.some(([name]) => name === chosen) ? chosen : (found[0]?.[0] ?? "");
  };
  fill(choices, value);
  return { root, fill };
}
export const button = (text, tip, onclick, kind = "") => h(`button.cl-button${kind}`, { type: "button", "data-tip": tip, onclick }, text);

// ---- numbers ----
export const accuracy = (value) => (value == null ? "" : percent(value, 2));
export function duration(seconds) {
  if (seconds == null) return "";
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 119.5) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.round(seconds - 60 * minutes)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
export const day = (iso) => {
  const when = new Date(iso);
  if (Number.isNaN(when.getTime())) return "";
  const two = (n) => String(n).padStart(2, "0");
  return `${when.getFullYear()}-${two(when.getMonth() + 1)}-${two(when.getDate())} ${two(when.getHours())}:${two(when.getMinutes())}`;
};
export const fileName = (text) => text.replace(/[^\w-]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 60) || "table";

// ---- tables ----
// `head`: [text, …]; `lines`: [[text or node, …], …]; `right`: which columns hold numbers.
export function table(head, lines, right = [], options = {}) {
  const cell = (tag, content, i) => h(`${tag}${right.includes(i) ? ".num" : ""}`, tag === "th" ? { scope: "col" } : {}, content ?? "");
  const rows = lines.map((line) => h("tr", line.attributes ?? {}, ...(line.cells ?? line).map((content, i) => cell("td", content, i))));
  return h("table.cx-table", options, h("thead", {}, h("tr", {}, ...head.map((text, i) => cell("th", text, i)))), h("tbody", {}, ...rows));
}
export const csv = (rows) => {
  const quote = (value) => (/[",\n]/.test(String(value ?? "")) ? `"${String(value).replaceAll('"', '""')}"` : String(value ?? ""));
  return rows.map((row) => row.map(quote).join(",")).join("\n") + "\n";
};
// A menu that saves a table as a picture and as CSV. `content()` gives { title, rows }, the first row its head.
export function tableMenu(name, content) {
  return cornerMenu(name, [
    ["Picture of the table (PNG)", () => tablePicture(content())],
    ["The table (CSV)", () => saveText(csv(content().rows), `convolab-${fileName(content().title)}.csv`)],
  ]);
}
const DRAWN = 40; // rows of a table in a picture
function tablePicture({ title, rows }) {
  const look = theme();
  const shown = rows.slice(0, DRAWN + 1).map((row) => row.map((value) => String(value ?? "")));
  const measure = document.createElement("canvas").getContext("2d");
  measure.font = `12px ${look.font}`;
  const widths = shown[0].map((_, i) => Math.min(260, 16 + Math.max(...shown.map((row) => measure.measureText(row[i] ?? "").width))));
  const numbers = shown[0].map((_, i) => shown.slice(1).every((row) => !row[i] || /^[\d<−-]/.test(row[i])));
  const width = Math.max(320, widths.reduce((a, b) => a + b, 24));
  const more = rows.length - shown.length;
  savePicture(width, 40 + 22 * (shown.length + (more ? 1 : 0)), (context) => {
    context.textBaseline = "middle";
    context.fillStyle = look.ink;
    context.font = `600 13px ${look.font}`;
    context.fillText(title, 12, 18, width - 24);
    shown.forEach((row, r) => {
      let x = 12;
      const y = 44 + 22 * r;
      context.font = `${r ? "" : "600 "}12px ${look.font}`;
      context.fillStyle = r ? look.ink : look.muted;
      row.forEach((text, i) => {
        context.textAlign = numbers[i] ? "right" : "left";
        context.fillText(text, numbers[i] ? x + widths[i] - 16 : x, y, widths[i] - 8);
        x += widths[i];
      });
      context.fillStyle = look.line;
      context.fillRect(12, y + 11, width - 24, 1);
    });
    context.textAlign = "left";
    context.fillStyle = look.muted;
    if (more) context.fillText(`… and ${more} more rows`, 12, 44 + 22 * shown.length);
  }, `convolab-${fileName(title)}.png`);
}

// What a run's state is called, and whether it will change by itself.
export const STATES = { queued: "waiting", running: "training", paused: "paused", finished: "finished", stopped: "stopped", failed: "failed", interrupted: "interrupted", deleted: "deleted", pruned: "ended early", waiting: "waiting" };
export function stateMark(state, fraction, reason = "") {
  const words = STATES[state] ?? state;
  const share = state === "running" && fraction != null ? ` ${Math.floor(100 * fraction)} %` : "";
  return h("span.cx-state", { "data-state": state, title: reason }, words + share);
}
