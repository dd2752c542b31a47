// What excites a unit: the test images that activate it most, each with the patch that it sees.
import { choice, cornerMenu, count, h, savePicture, saveText, setHidden, setText, short, theme } from "./look.js";
import { bytesOf, drawImageOn } from "./look_images.js";
import { fetchOffer } from "./look_pane.js";
import { address, placeName } from "./unit_names.js";

const SIDE = 84;

// A panel of the room (see look_room.js for `look`); gives back the function that ends it.
export function mount({ el, look }) {
  let unit = look.selected();
  let anywhere = "unit";
  let latest = null; // { unit, anywhere, images, done, total, title }
  let searches = 0; // those begun; a search that is not the newest has been stopped
  let busy = false;

  const which = h("p");
  const where = choice("Where", [["unit", "This unit"], ["map", "Its whole map"]], anywhere, (value) => (anywhere = value));
  const start = h("button.cl-button", { type: "button", "data-role": "search", onclick: () => (busy ? stop() : search()) }, "Search the test images");
  const bar = h("div.cl-bar", { role: "progressbar", "aria-label": "Images searched", "aria-valuemin": 0, "aria-valuemax": 100, hidden: true }, h("div.cl-bar-fill"));
  const said = h("p.cl-muted", { role: "status" });
  const problem = h("p.cl-panel-problem", { role: "alert", hidden: true });
  const menu = cornerMenu("the exciting images", [["Picture (PNG)", savePng], ["Table (CSV)", saveCsv]]);
  const sheet = h("div.cl-exciting", { "data-role": "exciting" });
  el.append(h("div.cl-panel-head", {}, which, h("span.cl-spring"), menu), where, h("div.cl-tools", {}, start), bar, problem, said, sheet);

  const level = () => unit && look.layout()?.levels.find((found) => found.key === unit.level);
  function dress() {
    const found = level();
    setText(which, found ? `${found.title}, ${placeName(unit.index)}` : "Choose a unit in the view: press it, or go there with the arrow keys.");
    which.className = found ? "cl-panel-unit" : "cl-muted";
    start.disabled = !found;
    setHidden(where, !found || unit.index.length !== 3);
    setHidden(menu, !latest?.images.length);
  }

  async function search() {
    const mine = (searches += 1);
    busy = true;
    const asked = { level: unit.level, index: unit.index, anywhere: anywhere === "map" && unit.index.length === 3 };
    complain(null);
    setText(start, "Stop");
    try {
      for (;;) {
        const found = await look.ask({ do: "exciting", ...asked });
        if (mine !== searches) return;
        latest = { ...found, ...asked };
        present();
        if (found.done >= found.total) break;
      }
    } catch (error) {
      if (mine === searches) complain(error);
    }
    if (mine === searches) stop();
  }
  function stop() {
    searches += 1;
    busy = false;
    setText(start, "Search the test images");
    setHidden(bar, true);
    dress();
  }
  function complain(error) {
    setHidden(problem, !error);
    problem.replaceChildren();
    if (!error) return;
    problem.append(h("span", {}, error.message));
    if (error.fetch) problem.append(fetchOffer({ ask: look.ask }, error.fetch, search));
  }

  function present() {
    const { images, done, total, title } = latest;
    setHidden(bar, done >= total);
    bar.firstChild.style.transform = `scaleX(${done / total})`;
    bar.setAttribute("aria-valuenow", Math.round((100 * done) / total));
    const range = images.length ? `; outputs from ${short(images[0].value)} down to ${short(images.at(-1).value)}` : "";
    setText(said, done < total ? `${count(done)} of ${count(total)} test images searched …` : `Of ${count(total)} test images of ${title} these activate it most${range}.`);
    sheet.replaceChildren(...images.map(tile));
    dress();
  }
  function tile(found) {
    const canvas = h("canvas");
    drawImageOn(canvas, bytesOf(found.pixels), found.shape, SIDE, found.box);
    const seen = found.index.length === 3 ? `; it sees rows ${found.box[0] + 1} to ${found.box[2]}, columns ${found.box[1] + 1} to ${found.box[3]}` : "";
    const button = h("button", { type: "button", "data-image": found.image, "data-value": found.value, title: "Look at this image", "aria-label": `Test image ${found.image}, labelled ${found.name}, output ${short(found.value)}${seen}. Press to look at it.`, onclick: () => take(found) }, canvas, h("span", {}, h("b", {}, found.name), h("span", {}, short(found.value))));
    return button;
  }
  function take(found) {
    look.setImage({ test: found.image });
    look.select(latest.level, found.index);
  }

  function savePng() {
    const { images, total, title } = latest;
    savePicture(3 * 112 + 16, Math.ceil(images.length / 3) * 132 + 56, (context) => {
      const { ink, muted, font } = theme();
      context.textBaseline = "top";
      context.fillStyle = ink;
      context.font = `600 13px ${font}`;
      context.fillText(`What excites ${address(latest.level, latest.index)}${latest.anywhere ? ", anywhere in its map" : ""}`, 12, 8);
      context.fillStyle = muted;
      context.font = `11px ${font}`;
      context.fillText(`${count(total)} test images of ${title}; framed: what the unit sees`, 12, 26);
      images.forEach((found, i) => {
        const [x, y] = [12 + (i % 3) * 112, 48 + Math.floor(i / 3) * 132];
        const canvas = document.createElement("canvas");
        drawImageOn(canvas, bytesOf(found.pixels), found.shape, 104, found.box);
        context.drawImage(canvas, x, y, 104, (104 * canvas.height) / canvas.width);
        context.fillText(`${found.name} · ${short(found.value)}`, x, y + 108);
      });
    }, `exciting-${address(latest.level, latest.index).replaceAll(":", "-")}.png`);
  }
  function saveCsv() {
    const lines = latest.images.map((found) => [found.image, `"${found.name.replaceAll('"', '""')}"`, found.value, ...found.box].join(","));
    saveText(`image,label,output,top,left,bottom,right\n${lines.join("\n")}\n`, `exciting-${address(latest.level, latest.index).replaceAll(":", "-")}.csv`);
  }

  const ends = [
    look.onSelect((key, index) => {
      if (!key) return; // the choice stays when a card is closed
      unit = { level: key, index };
      dress();
    }),
    look.onLayout(() => {
      [unit, latest] = [null, null];
      stop();
      complain(null);
      setText(said, "");
      sheet.replaceChildren();
    }),
  ];
  dress();
  return () => {
    searches += 1;
    ends.forEach((end) => end());
  };
}
