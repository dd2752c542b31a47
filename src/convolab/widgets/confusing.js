// A confusing input: the smallest change of the drawing after which the network wavers between two labels.
import { cornerMenu, h, percent, savePicture, saveText, setHidden, setText, theme } from "./look.js";
import { bytesOf, drawChangeOn, drawImageOn } from "./look_images.js";

const SIDE = 112;
const THUMB = 36;

// A panel of the room (see look_room.js for `look`); gives back the function that ends it.
export function mount({ el, look }) {
  let classes = [];
  let chosen = [null, null]; // by the person; else the first two guesses
  let found = null;
  let images = []; // uint8 of each step of the way
  let at = 0;
  let asking = false;

  const pick = (i, label) => h("select.cl-select", { "aria-label": label, onchange: (event) => ((chosen[i] = +event.target.value), sayDrawing()) });
  const selects = [pick(0, "First label"), pick(1, "Second label")];
  const drawing = h("p.cl-panel-unit", { "data-role": "drawing" });
  const start = h("button.cl-button", { type: "button", "data-role": "confuse", onclick: search }, "Find the smallest change");
  const problem = h("p.cl-panel-problem", { role: "alert", hidden: true });
  const said = h("p.cl-muted", { role: "status" });
  const menu = cornerMenu("the confusing input", [["Picture (PNG)", savePng], ["Shares along the way (CSV)", saveCsv]]);
  const picture = h("canvas", { role: "img" });
  const change = h("canvas", { role: "img" });
  const changeName = h("figcaption");
  const pictureName = h("figcaption");
  const strip = h("div.cl-way", { "aria-hidden": "true" });
  const scrub = h("input.cl-scrub", { type: "range", min: 0, step: 1, value: 0, "aria-label": "Step on the way from the drawing", oninput: () => show(+scrub.value) });
  const bars = h("div.cl-own-bars", { "data-role": "way-shares" });
  const use = h("button.cl-button", { type: "button", onclick: take }, "Look at it in the network");
  const result = h("div.cl-confusing", { hidden: true }, h("div.cl-confusing-pictures", {}, h("figure", {}, picture, pictureName), h("figure", {}, change, changeName)), strip, scrub, bars, h("div.cl-tools", {}, use));
  el.append(
    h("div.cl-panel-head", {}, h("p.cl-muted", {}, "Can you draw one that the network cannot tell apart?"), h("span.cl-spring"), menu),
    h("div.cl-confusing-labels", {}, selects[0], h("span", {}, "or"), selects[1]),
    drawing,
    h("div.cl-tools", {}, start),
    problem,
    said,
    result,
  );

  const slot = () => look.frame()?.slots?.a;
  const label = (i) => chosen[i] ?? guess(i);
  // The likeliest label that the other choice leaves.
  function guess(i) {
    const order = slot()?.order ?? [0, 1];
    const other = chosen[1 - i] ?? (i === 1 ? order[0] : null);
    return order.find((k) => k !== other && (i === 0 || k !== label(0))) ?? 0;
  }
  function sayDrawing() {
    const shares = slot()?.shares;
    if (!classes.length || !shares) return setText(drawing, "");
    const [a, b] = [label(0), label(1)];
    selects[0].value = a;
    selects[1].value = b;
    start.disabled = asking || a === b;
    if (a === b) return setText(drawing, "Choose two labels that differ.");
    setText(drawing, `Your drawing: ${classes[a]} at ${percent(shares[a], 0)}, ${classes[b]} at ${percent(shares[b], 0)}.`);
    drawing.dataset.first = shares[a];
    drawing.dataset.second = shares[b];
  }
  function setLayout(layout) {
    classes = (layout?.classes ?? []).map(String);
    chosen = [null, null];
    for (const select of selects) select.replaceChildren(...classes.map((name, i) => h("option", { value: i }, name)));
    forget();
    sayDrawing();
  }
  function forget() {
    found = null;
    images = [];
    setHidden(result, true);
    setHidden(menu, true);
    setText(said, "");
    setHidden(problem, true);
  }

  async function search() {
    const asked = { first: label(0), second: label(1) };
    asking = true;
    start.disabled = true;
    forget();
    const slowly = setTimeout(() => setText(said, "Looking for the smallest change …"), 100);
    try {
      const answer = await look.ask({ do: "confuse", ...asked });
      present(answer);
    } catch (error) {
      setText(problem, error.message);
      setHidden(problem, false);
      setText(said, "");
    }
    clearTimeout(slowly);
    asking = false;
    sayDrawing();
  }
  function present(answer) {
    found = answer;
    const all = bytesOf(answer.pixels);
    const size = answer.shape.reduce((product, side) => product * side, 1);
    images = Array.from({ length: answer.frames }, (_, i) => all.subarray(i * size, (i + 1) * size));
    scrub.max = answer.frames - 1;
    setText(said, `${answer.message} It changes a pixel by ${percent(answer.mean_change)} of its range on average, by ${percent(answer.largest_change)} at most; ${close()}`);
    strip.replaceChildren(
      ...[0, 0.25, 0.5, 0.75, 1].map((share) => {
        const step = Math.round(share * (answer.frames - 1));
        const canvas = h("canvas");
        drawImageOn(canvas, images[step], answer.shape, THUMB);
        const button = h("button", { type: "button", tabindex: -1, onclick: () => show(step) }, canvas);
        button.dataset.step = step;
        return button;
      }),
    );
    const largest = drawChangeOn(change, images[0], images.at(-1), answer.shape, SIDE);
    setText(changeName, `The change, up to ±${percent(largest, 0).replace(" ", "\u00a0")}: blue darker, orange brighter`);
    change.setAttribute("aria-label", changeName.textContent);
    bars.replaceChildren(...Array.from({ length: 3 }, () => h("div.cl-obar", {}, h("span"), h("div", {}, h("i")), h("span"))));
    setHidden(result, false);
    setHidden(menu, false);
    show(answer.frames - 1);
  }
  // How near the person's own drawing was, in words.
  function close() {
    const shares = found.shares[0];
    const [a, b] = [shares[found.first], shares[found.second]];
    const best = shares.indexOf(Math.max(...shares));
    if (best !== found.first && best !== found.second) return `your drawing was rather ${classes[best]}, ${percent(shares[best], 0)}.`;
    if (Math.abs(a - b) < 0.01) return "your drawing was as confusing already.";
    return `your drawing was ${percent(Math.abs(a - b), 0)} away from a tie.`;
  }
  function show(step) {
    at = step;
    scrub.value = step;
    const shares = found.shares[step];
    drawImageOn(picture, images[step], found.shape, SIDE);
    const part = step === 0 ? "Your drawing" : step === found.frames - 1 ? "The confusing input" : `${percent(step / (found.frames - 1), 0)} of the change`;
    setText(pictureName, part);
    picture.setAttribute("aria-label", part);
    const other = shares.map((_, k) => k).filter((k) => k !== found.first && k !== found.second).sort((x, y) => shares[y] - shares[x])[0];
    const shown = [found.first, found.second, ...(other === undefined ? [] : [other])];
    const best = shown.reduce((top, k) => (shares[k] > shares[top] ? k : top));
    [...bars.children].forEach((bar, i) => {
      const k = shown[i];
      setHidden(bar, k === undefined);
      if (k === undefined) return;
      const [name, track, value] = bar.children;
      setText(name, i < 2 ? classes[k] : `${classes[k]}, next`);
      track.firstChild.style.transform = `scaleX(${Math.max(0.004, shares[k]).toFixed(3)})`;
      setText(value, percent(shares[k]));
      bar.dataset.share = shares[k];
      bar.dataset.best = k === best;
    });
    scrub.setAttribute("aria-valuetext", `${part}: ${classes[found.first]} ${percent(shares[found.first])}, ${classes[found.second]} ${percent(shares[found.second])}`);
    for (const thumb of strip.children) thumb.dataset.here = +thumb.dataset.step === step;
  }
  function take() {
    look.setImage({ pixels: images[at], shape: found.shape, caption: `Between ${classes[found.first]} and ${classes[found.second]}` });
  }

  function savePng() {
    savePicture(found.frames * 60 + 16, 112, (context) => {
      const { ink, font } = theme();
      context.fillStyle = ink;
      context.textBaseline = "top";
      context.font = `600 13px ${font}`;
      context.fillText(`From the drawing to an input between ${classes[found.first]} and ${classes[found.second]}`, 10, 8);
      context.font = `10px ${font}`;
      images.forEach((image, i) => {
        const canvas = document.createElement("canvas");
        drawImageOn(canvas, image, found.shape, 56);
        context.drawImage(canvas, 10 + i * 60, 30, 56, (56 * canvas.height) / canvas.width);
        const shares = found.shares[i];
        context.fillText(`${classes[found.first]} ${percent(shares[found.first], 0)}`, 10 + i * 60, 89, 56);
        context.fillText(`${classes[found.second]} ${percent(shares[found.second], 0)}`, 10 + i * 60, 100, 56);
      });
    }, "confusing-input.png");
  }
  function saveCsv() {
    const quote = (name) => `"${name.replaceAll('"', '""')}"`;
    saveText(`step,${classes.map(quote).join(",")}\n${found.shares.map((row, i) => `${i},${row.join(",")}`).join("\n")}\n`, "confusing-input.csv");
  }

  const ends = [look.onLayout(setLayout), look.onFrame(sayDrawing)];
  setLayout(look.layout());
  return () => ends.forEach((end) => end());
}
