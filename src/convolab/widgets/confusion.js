// The confusion matrix of the newest evaluation as a heat map with numbers. A cell leads to its test images.
import { address, shown, subscribe } from "./feed.js";
import { cornerMenu, count, crisp, css, h, inkOn, magnitudeScale, onLookChange, percent, savePicture, saveText, setHidden, setText, theme } from "./look.js";

export default { render };

const SHEET = 36; // CSS pixels of a test image in the list below the matrix

function render({ model, el }) {
  let data = null; // { version, note, classes, rows }
  let version = "";
  let cell = null; // [true class, predicted class] under the pointer or the keyboard
  let box = null;

  const note = h("span.cl-muted");
  const canvas = h("canvas", { tabindex: 0, role: "application" });
  const readout = h("div.cl-readout", { role: "status", "aria-live": "polite" });
  const images = h("div.cl-cell-images", { hidden: true });
  const empty = h("p.cl-empty", {}, "Once the test set is evaluated, this shows which classes are taken for which.");
  const legend = h("div.cl-scale");
  const menu = cornerMenu("the confusion matrix", [
    ["Picture of the matrix (PNG)", savePng],
    ["Table of the matrix (CSV)", saveCsv],
  ]);
  const body = h("div", {}, canvas, legend, readout, images);
  el.classList.add("cl-panel", "cl-confusion");
  el.append(h("div.cl-panel-head", {}, h("h2.cl-panel-title", {}, "Confusion matrix"), note, h("span.cl-spring"), menu), empty, body);

  canvas.addEventListener("pointermove", (event) => point(hit(event)));
  canvas.addEventListener("pointerleave", () => document.activeElement !== canvas && point(null));
  canvas.addEventListener("click", (event) => {
    const found = hit(event);
    if (found) open(found);
  });
  canvas.addEventListener("keydown", (event) => {
    if (!data) return;
    const n = data.classes.length;
    const [row, column] = cell ?? [0, 0];
    const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    if (event.key in steps) {
      const [down, right] = steps[event.key];
      point(cell ? [Math.max(0, Math.min(n - 1, row + down)), Math.max(0, Math.min(n - 1, column + right))] : [0, 0]);
    } else if ((event.key === "Enter" || event.key === " ") && cell) open(cell);
    else if (event.key === "Escape") point(null);
    else return;
    event.preventDefault();
  });

  function hit(event) {
    if (!box || !data) return null;
    const column = Math.floor((event.offsetX - box.left) / box.side);
    const row = Math.floor((event.offsetY - box.top) / box.side);
    const n = data.classes.length;
    return row >= 0 && column >= 0 && row < n && column < n ? [row, column] : null;
  }

  function point(next) {
    if (String(next) === String(cell)) return;
    cell = next;
    draw();
  }

  function draw() {
    setHidden(empty, !!data);
    setHidden(body, !data);
    if (!data || !el.clientWidth) return;
    const n = data.classes.length;
    const width = Math.min(el.clientWidth, n > 12 ? 620 : 480);
    const left = labelWidth(n);
    const height = Math.floor((width - left - 2) / n) * n + 38;
    box = paint(crisp(canvas, width, height), width, cell);
    canvas.setAttribute("aria-label", `Confusion matrix, ${n} classes, ${note.textContent}. Arrow keys choose a cell, Enter shows its test images.`);
    setText(readout, cell ? sentence(cell) : "Point at a cell to read it; press it to see its test images.");
    readout.classList.toggle("cl-muted", !cell);
    const scale = magnitudeScale();
    legend.style.setProperty("--gradient", [0, 0.01, 0.04, 0.1, 0.25, 0.5, 1].map((share) => `${css(scale(Math.sqrt(share)))} ${Math.sqrt(share) * 100}%`).join(","));
  }
  legend.append(h("span", {}, "0 %"), h("i"), h("span", {}, "100 % of the row (square-root scale)"));

  function labelWidth(n) {
    if (n > 24) return 24;
    const longest = Math.max(...data.classes.map((name) => name.length));
    return Math.min(96, 26 + longest * 6.2);
  }

  function sentence([row, column]) {
    const value = data.rows[row][column];
    const total = data.rows[row].reduce((a, b) => a + b, 0);
    const [truth, guess] = [data.classes[row], data.classes[column]];
    const share = total ? ` (${percent(value / total)} of ${count(total)})` : "";
    return row === column ? `“${truth}” taken for what it is: ${count(value)}${share}` : `“${truth}” taken for “${guess}”: ${count(value)}${share}`;
  }

  function paint(context, width, marked) {
    const look = theme();
    const n = data.classes.length;
    const left = labelWidth(n);
    const top = 20;
    const side = Math.floor((width - left - 2) / n);
    const scale = magnitudeScale();
    context.textBaseline = "middle";
    context.font = `11px ${look.font}`;
    context.fillStyle = look.muted;
    context.textAlign = "left";
    context.fillText("true ↓  taken for →", 0, 9, left + side * 2);
    const fit = (text, space) => {
      if (context.measureText(text).width <= space) return text;
      while (text.length > 1 && context.measureText(text + "…").width > space) text = text.slice(0, -1);
      return text + "…";
    };
    data.rows.forEach((row, r) => {
      const total = Math.max(1, row.reduce((a, b) => a + b, 0));
      if (side >= 10) {
        context.fillStyle = look.ink;
        context.textAlign = "right";
        context.fillText(fit(data.classes[r], left - 6), left - 6, top + (r + 0.5) * side);
      }
      row.forEach((value, c) => {
        const colour = scale(Math.sqrt(value / total));
        context.fillStyle = css(colour);
        context.fillRect(left + c * side, top + r * side, side - 1, side - 1);
        if (value && side >= 20) {
          context.fillStyle = inkOn(colour);
          context.textAlign = "center";
          context.fillText(value, left + (c + 0.5) * side - 0.5, top + (r + 0.5) * side, side - 3);
        }
      });
    });
    if (side >= 10) {
      context.fillStyle = look.ink;
      context.textAlign = "center";
      data.classes.forEach((name, c) => context.fillText(fit(name, side - 2), left + (c + 0.5) * side, top + n * side + 9));
    }
    if (marked) {
      context.strokeStyle = look.high;
      context.lineWidth = 2;
      context.strokeRect(left + marked[1] * side, top + marked[0] * side, side - 1, side - 1);
    }
    return { left, top, side };
  }

  async function open([row, column]) {
    point([row, column]);
    setHidden(images, false);
    const head = h("p", { role: "status" }, "Looking through the test images …");
    images.replaceChildren(head);
    let found;
    try {
      const response = await fetch(address(`cell?source=${encodeURIComponent(shown())}&true=${row}&predicted=${column}`));
      found = await response.json();
    } catch {
      found = { error: "The lab does not answer; try again in a moment." };
    }
    if (found.error) return setText(head, found.error);
    const [truth, guess] = [data.classes[row], data.classes[column]];
    const what = row === column ? `“${truth}”, rightly recognised` : `“${truth}” taken for “${guess}”`;
    const number = found.total === 1 ? "1 test image" : `${count(found.total)} test images`;
    const some = found.indices.length < found.total ? `, the first ${found.indices.length} shown` : "";
    setText(head, `${number} with the newest weights: ${what}${some}.`);
    const close = h("button.cl-button", { type: "button", onclick: () => setHidden(images, true) }, "Close");
    const list = h("div.cl-sheet", { role: "list", "aria-label": what });
    images.replaceChildren(h("div.cl-panel-head", {}, head, h("span.cl-spring"), close), list);
    if (!found.indices.length) return;
    const sheet = new Image();
    sheet.onload = () =>
      found.indices.forEach((index, i) => {
        const picture = h("canvas", { role: "listitem", "aria-label": `test image ${index}`, title: `test image ${index}` });
        list.append(picture);
        const context = crisp(picture, SHEET, SHEET);
        context.imageSmoothingEnabled = false;
        context.drawImage(sheet, i * sheet.height, 0, sheet.height, sheet.height, 0, 0, SHEET, SHEET);
      });
    sheet.src = address(`pictures.png?dataset=${encodeURIComponent(found.dataset)}&indices=${found.indices.join(".")}`);
  }

  function savePng() {
    if (!data) return;
    const width = 760;
    const side = Math.floor((width - labelWidth(data.classes.length) - 2) / data.classes.length);
    savePicture(width + 20, side * data.classes.length + 80, (context) => {
      context.font = `600 13px ${theme().font}`;
      context.fillStyle = theme().ink;
      context.textBaseline = "top";
      context.fillText(`Confusion matrix · ${note.textContent}`, 10, 10);
      context.translate(10, 34);
      paint(context, width, null);
    }, "convolab-confusion-matrix.png");
  }
  function saveCsv() {
    if (!data) return;
    const quote = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
    const lines = [["true \\ predicted", ...data.classes.map(quote)].join(",")];
    data.rows.forEach((row, r) => lines.push([quote(data.classes[r]), ...row].join(",")));
    saveText(lines.join("\n") + "\n", "convolab-confusion-matrix.csv");
  }

  const stopFeed = subscribe({
    el,
    query: () => ({ m: version }),
    update: (news) => {
      if (!news.confusion) return;
      version = news.confusion.version;
      data = news.confusion.rows ? news.confusion : null;
      setText(note, data ? data.note : "");
      if (!data) setHidden(images, true);
      draw();
    },
    reset: () => {
      version = "";
      data = null;
      cell = null;
      setText(note, "");
      setHidden(images, true);
      draw();
    },
  });
  const stopLook = onLookChange(el, draw);
  draw();
  return () => {
    stopFeed();
    stopLook();
  };
}
