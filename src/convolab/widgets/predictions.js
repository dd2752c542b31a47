// Test images with the three likeliest classes of the current weights as bars.
import { address, poke, shown, subscribe } from "./feed.js";
import { cornerMenu, count, crisp, h, onLookChange, percent, savePicture, saveText, setHidden, setText, theme } from "./look.js";

export default { render };

function render({ model, el }) {
  let sample = "r0"; // "rSEED": drawn at random; "i3.14.15": these test images
  let version = "";
  let data = null;
  let sheet = null; // the picture that holds all test images shown, side by side
  let tiles = [];

  const note = h("span.cl-muted");
  const title = h("h2.cl-panel-title", {}, "Predictions");
  const again = h("button.cl-button", { type: "button", onclick: () => pick("random") }, "New sample");
  const mistakes = h("button.cl-button", { type: "button", onclick: () => pick("mistakes") }, "Only mistakes");
  const grid = h("div.cl-predictions", { role: "list", "aria-label": "Predictions on test images" });
  const message = h("p.cl-empty", { role: "status" });
  const menu = cornerMenu("the predictions", [
    ["Picture of the predictions (PNG)", savePng],
    ["Predictions (CSV)", saveCsv],
  ]);
  el.classList.add("cl-panel");
  el.append(h("div.cl-panel-head", {}, title, note, h("span.cl-spring"), again, mistakes, menu), message, grid);

  async function pick(how) {
    if (how === "random") {
      sample = `r${Math.floor(Math.random() * 1e9)}`;
      return restart();
    }
    setText(message, "Looking for mistakes among the test images …");
    setHidden(message, false);
    mistakes.disabled = true;
    try {
      const response = await fetch(address(`mistakes?source=${encodeURIComponent(shown())}&seed=${Math.floor(Math.random() * 1e9)}`));
      const found = await response.json();
      if (found.error) setText(message, found.error);
      else if (!found.indices.length) setText(message, `There is no mistake among all ${count(found.looked)} test images.`);
      else {
        sample = "i" + found.indices.join(".");
        restart();
      }
    } catch {
      setText(message, "The lab does not answer; try again in a moment.");
    } finally {
      mistakes.disabled = false;
    }
  }
  function restart() {
    version = "";
    poke();
  }

  function update(news) {
    const part = news.predictions;
    if (!part) return;
    version = part.version;
    if (part.error) {
      setText(message, part.error);
      setHidden(message, false);
      setHidden(grid, true);
      setText(note, "");
      return;
    }
    const fresh = !data || data.key !== part.key;
    data = part;
    setHidden(message, true);
    setHidden(grid, false);
    if (fresh) build();
    const right = data.rows.filter((row, i) => row[0][0] === data.labels[i]).length;
    setText(note, `${right} of ${data.rows.length} right · about ${count(data.per_second)} inferences/s${data.untrained ? " · not trained yet" : ""}`);
    data.rows.forEach((row, i) => fill(tiles[i], row, data.labels[i]));
  }

  function build() {
    tiles = data.labels.map((label, i) => {
      const canvas = h("canvas", { "aria-hidden": "true" });
      const mark = h("span.cl-mark");
      const bars = [0, 1, 2].map(() => {
        const fillEl = h("i");
        const name = h("span");
        const value = h("span");
        return { root: h("div.cl-pbar", {}, fillEl, name, value), fill: fillEl, name, value };
      });
      const head = h("div.cl-truth", {}, mark, h("b", {}, data.classes[label]));
      const root = h("div.cl-tile", { role: "listitem" }, canvas, h("div.cl-tile-body", {}, head, ...bars.map((bar) => bar.root)));
      return { root, canvas, mark, bars, said: "" };
    });
    grid.classList.toggle("cl-long", data.classes.some((name) => name.length > 3));
    grid.replaceChildren(...tiles.map((tile) => tile.root));
    const picture = new Image();
    picture.onload = () => {
      sheet = picture;
      drawImages();
    };
    picture.src = address(`pictures.png?dataset=${encodeURIComponent(data.dataset)}&indices=${data.indices.join(".")}`);
  }

  function drawImages() {
    if (!sheet || !data) return;
    const side = sheet.height;
    tiles.forEach((tile, i) => {
      const context = crisp(tile.canvas, 48, 48);
      context.imageSmoothingEnabled = false;
      context.drawImage(sheet, i * side, 0, side, side, 0, 0, 48, 48);
    });
  }

  function fill(tile, row, label) {
    const right = row[0][0] === label;
    if (tile.right !== right) {
      tile.right = right;
      tile.root.dataset.right = right;
      setText(tile.mark, right ? "✓" : "✗");
    }
    row.forEach(([guess, share], k) => {
      const bar = tile.bars[k];
      bar.root.dataset.true = guess === label;
      setText(bar.name, data.classes[guess]);
      setText(bar.value, percent(share, 0));
      const width = `scaleX(${Math.max(0.004, share).toFixed(3)})`;
      if (bar.width !== width) bar.fill.style.transform = bar.width = width;
    });
    for (let k = row.length; k < 3; k += 1) setHidden(tile.bars[k].root, true);
    const said = `${data.classes[label]}: ${right ? "right" : "wrong"}, ${row.map(([guess, share]) => `${data.classes[guess]} ${percent(share, 0)}`).join(", ")}`;
    if (tile.said !== said) tile.root.setAttribute("aria-label", (tile.said = said));
  }

  function saveCsv() {
    if (!data) return;
    const lines = ["test image,true label,right,guess 1,share 1,guess 2,share 2,guess 3,share 3"];
    data.rows.forEach((row, i) => {
      const cells = row.flatMap(([guess, share]) => [quote(data.classes[guess]), share]);
      lines.push([data.indices[i], quote(data.classes[data.labels[i]]), row[0][0] === data.labels[i] ? "yes" : "no", ...cells].join(","));
    });
    saveText(lines.join("\n") + "\n", "convolab-predictions.csv");
  }
  const quote = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

  function savePng() {
    if (!data || !sheet) return;
    const [w, hgt, columns] = [210, 76, 3];
    savePicture(w * columns + 10, hgt * Math.ceil(data.rows.length / columns) + 10, (context) => {
      const look = theme();
      data.rows.forEach((row, i) => {
        const [left, top] = [10 + (i % columns) * w, 10 + Math.floor(i / columns) * hgt];
        context.imageSmoothingEnabled = false;
        context.drawImage(sheet, i * sheet.height, 0, sheet.height, sheet.height, left, top, 60, 60);
        context.textBaseline = "top";
        context.textAlign = "left";
        context.fillStyle = look.ink;
        context.font = `600 12px ${look.font}`;
        const right = row[0][0] === data.labels[i];
        context.fillText(`${right ? "✓" : "✗"} ${data.classes[data.labels[i]]}`, left + 68, top);
        context.font = `11px ${look.font}`;
        row.forEach(([guess, share], k) => {
          const y = top + 17 + k * 15;
          context.globalAlpha = 0.35;
          context.fillStyle = guess === data.labels[i] ? look.data[2] : look.muted;
          context.fillRect(left + 68, y - 1, Math.max(1, share * 128), 13);
          context.globalAlpha = 1;
          context.fillStyle = look.ink;
          context.fillText(`${data.classes[guess]}  ${percent(share, 0)}`, left + 71, y);
        });
      });
    }, "convolab-predictions.png");
  }

  const stopFeed = subscribe({
    el,
    query: () => ({ p: `${sample}~${version}` }),
    update,
    reset: () => {
      version = "";
      if (sample.startsWith("i")) sample = "r0";
    },
  });
  const stopLook = onLookChange(el, drawImages);
  setText(message, "Predictions on 15 test images appear here as soon as the data set is there.");
  return () => {
    stopFeed();
    stopLook();
  };
}
