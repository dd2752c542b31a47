// A grid of transfers: several W and several layers, painted one after the other, laid out for comparison.
import { subscribe } from "./feed.js";
import { cornerMenu, h, saveBlob, setHidden, setText, theme } from "./look.js";
import { iterateAddress } from "./transfer_job.js";

export default { render };

const ENDED = ["finished", "stopped", "failed"];

function render({ model, el }) {
  let version = "";
  let cells = [];
  const columns = h("select.cl-select", { "aria-label": "Columns", title: "What differs from column to column" }, ...(model.get("kinds") ?? []).map(([name, title]) => h("option", { value: name }, title)));
  const weights = field("W of the rows", "0.2, 0.5, 0.8", "Numbers from 0 to 1 with commas between");
  const size = field("Size, pixels", "192", "Long side of each picture: 32 to 512");
  const steps = field("Steps", "60", "Steps for each picture: 1 to 1,000");
  const begin = h("button.ct-main", { type: "button", onclick: () => send("begin") }, "Paint the grid");
  const stop = h("button.cl-button", { type: "button", onclick: () => model.send({ do: "stop" }), title: "Stop all pictures of this grid that are not finished" }, "Stop all");
  const menu = cornerMenu("the grid", [["The table as a picture (PNG)", savePng]]);
  const problem = h("div.note.bad", { role: "alert", hidden: true });
  const said = h("p.cl-muted", { role: "status" });
  const table = h("div.ct-grid-frame");
  const empty = h("p.cl-empty", {}, "Pictures for every W and every set of layers appear here side by side, painted with the photo, style and settings on the left.");
  el.append(h("div.cl-tools.ct-grid-form", {}, begin, label("Columns", columns), weights.root, size.root, steps.root, stop, h("span.cl-spring"), menu), problem, said, empty, table);
  columns.addEventListener("change", () => setHidden(weights.root, columns.value === "rebuild"));

  function label(text, node) {
    return h("label.ct-labelled", {}, h("span.cl-muted", {}, text), node);
  }
  function field(text, value, tip) {
    const input = h("input.ct-number", { type: "text", value, title: tip, autocomplete: "off", size: Math.max(4, value.length) });
    return { input, root: label(text, input) };
  }
  function send() {
    setHidden(problem, true);
    begin.disabled = true;
    model.send({ do: "begin", columns: columns.value, weights: weights.input.value, size: size.input.value, steps: steps.input.value });
  }
  model.on("msg:custom", (message) => {
    begin.disabled = false;
    if (!message.error) return;
    setText(problem, message.error);
    setHidden(problem, false);
  });

  function draw() {
    setHidden(empty, cells.length > 0);
    setHidden(menu, cells.length === 0);
    const waiting = cells.filter((cell) => !ENDED.includes(cell.state));
    stop.disabled = !waiting.length;
    setText(said, cells.length ? `${cells.length - waiting.length} of ${cells.length} pictures are finished. Press one to see it large, with its curves.` : "");
    setHidden(said, !cells.length);
    const rows = [...new Set(cells.map((cell) => cell.row))].sort((a, b) => a - b);
    const across = [...new Set(cells.map((cell) => cell.column))].sort((a, b) => a - b);
    const body = rows.map((row) => {
      const mine = cells.filter((cell) => cell.row === row);
      return h("tr", {}, h("th", { scope: "row" }, mine[0].row_title), ...across.map((column) => h("td", {}, cellOf(mine.find((cell) => cell.column === column)))));
    });
    const titles = across.map((column) => h("th", { scope: "col" }, cells.find((cell) => cell.column === column).column_title));
    const focused = document.activeElement?.dataset?.job;
    table.replaceChildren(...(cells.length ? [h("table.ct-table", {}, h("thead", {}, h("tr", {}, h("td"), ...titles)), h("tbody", {}, ...body))] : []));
    if (focused) table.querySelector(`[data-job="${focused}"]`)?.focus();
  }
  function cellOf(cell) {
    if (!cell) return null;
    const figures = cell.style === null ? cell.sentence : `style ${cell.style.toPrecision(2)}\ncontent ${cell.content === null ? "–" : cell.content.toPrecision(2)}`;
    const image = cell.step === null ? h("span.ct-blank", {}, cell.state === "queued" ? "waiting" : "…") : h("img", { src: iterateAddress(cell.step, cell.job, cell.state), alt: figures });
    const bar = ENDED.includes(cell.state) ? null : h("div.cl-bar", {}, h("div.cl-bar-fill"));
    if (bar) bar.firstChild.style.transform = `scaleX(${cell.fraction})`;
    const button = h("button.ct-cell", { type: "button", "aria-label": `${cell.row_title}, ${cell.column_title}: ${figures}`, onclick: () => model.send({ open: cell.job }) }, image, bar, h("small", {}, figures));
    button.dataset.job = cell.job;
    button.dataset.state = cell.state;
    return button;
  }
  async function savePng() {
    const look = theme();
    const images = [...table.querySelectorAll("tbody tr")].map((row) => [...row.querySelectorAll("img")]);
    const first = images.flat()[0];
    if (!first) return;
    const [w, hgt] = [first.naturalWidth, first.naturalHeight];
    const [left, top, gap] = [110, 36, 8];
    const canvas = Object.assign(document.createElement("canvas"), { width: left + images[0].length * (w + gap), height: top + images.length * (hgt + gap) });
    const context = canvas.getContext("2d");
    context.fillStyle = look.paper;
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.fillStyle = look.ink;
    context.font = `13px ${look.font}`;
    [...table.querySelectorAll("thead th")].forEach((node, i) => context.fillText(node.textContent, left + i * (w + gap), 22, w));
    [...table.querySelectorAll("tbody th")].forEach((node, i) => context.fillText(node.textContent, 8, top + i * (hgt + gap) + hgt / 2, left - 16));
    images.forEach((row, y) => row.forEach((image, x) => context.drawImage(image, left + x * (w + gap), top + y * (hgt + gap), w, hgt)));
    canvas.toBlob((blob) => saveBlob(blob, "convolab-transfer-grid.png"));
  }
  model.on("change:grid", () => {
    version = "";
    cells = [];
    draw();
  });
  const stopFeed = subscribe({
    el,
    query: () => (model.get("grid") ? { g: `${model.get("grid")}~${version}` } : {}),
    update: ({ grid }) => {
      if (!grid || grid.grid !== model.get("grid")) return;
      version = grid.version;
      cells = grid.cells;
      draw();
    },
  });
  draw();
  return stopFeed;
}
