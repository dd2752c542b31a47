// Learning a style: a painting, a size, a budget; then previews that improve, losses, time left; and the user's styles.
import { poke, subscribe } from "./feed.js";
import { choice, cornerMenu, h, popover, saveAddress, saveText, setHidden, setText } from "./look.js";
import { csv } from "./experiments_parts.js";
import { learnCurves } from "./restyle_learn_curves.js";
import { learnMore } from "./restyle_learn_more.js";
import { ownStyles } from "./restyle_own.js";
import { address, bring, fileName, get, patiently, pictureAddress, post, refreshShelf, slider } from "./restyle_parts.js";

export default { render };

const SIZES = [["small", "Small"], ["standard", "Standard"], ["large", "Large"]];
const SIZE_WORDS = { small: "Quick enough for live video.", standard: "Paints finer; photos in a tenth of a second.", large: "The finest; learns and paints slowly on a processor." };
const BUDGETS = [1, 2, 5, 10, 20, 30, 60, 120];

function render({ model, el }) {
  let shown = model.get("shown");
  let painting = { key: "", title: "" };
  let photoSet = { name: "", count: 0, label: "" };
  const job = { id: "", cursor: "", rows: [], previews: [], stamp: "", state: "draft", sentence: "", tone: "", fraction: 0, left: "", progress: "", can: [], style: "", facts: null, gone: "", photos: "", scenes: false };
  let step = null; // the preview that is looked at; null: the newest

  // ---- the form ----
  const own = h("img.cs-painting", { alt: "", hidden: true });
  const hint = h("div.cs-drop", {}, h("b", {}, "A painting of yours"), h("span", {}, "Drop it here, paste it, or choose a file. Its colours and strokes are what is learned."));
  const file = h("input", { type: "file", accept: "image/*", hidden: true, "aria-label": "Painting from a file", onchange: () => (takePainting(file.files[0]), (file.value = "")) });
  const choose = h("button.cl-button", { type: "button", onclick: () => file.click() }, "File …");
  const strip = h("div.cs-photos", { role: "group", "aria-label": "Paintings at hand" });
  const place = h("div.cs-painting-place", {}, own, hint);
  const text = (label, tip, placeholder = "") => {
    const input = h("input.cx-input", { type: "text", autocomplete: "off", maxlength: 60, placeholder });
    return { input, root: h("label.cs-field", { "data-tip": tip }, h("span", {}, label), input) };
  };
  const title = text("Name", "What the style is called");
  const painter = text("Painter", "Shown under the style", "unknown");
  const year = text("Year", "Shown under the style");
  let size = "standard";
  const sizeWords = h("p.cl-muted", {}, SIZE_WORDS[size]);
  const sizes = choice("Network", SIZES, size, (value) => ((size = value), setText(sizeWords, SIZE_WORDS[value])));
  const budget = slider({ label: "Time", tip: "How long it learns. 10 minutes give a good style, 2 a first idea.", min: 0, max: BUDGETS.length - 1, step: 1, value: 3, format: (v) => (BUDGETS[v] < 60 ? `${BUDGETS[v]} minutes`.replace(/^1 minutes/, "1 minute") : `${BUDGETS[v] / 60} h`) });
  const weight = slider({ label: "W", tip: "How much style counts against content (the assignment's W): 0 keeps the photos, 1 paints style alone.", min: 0, max: 1, step: 0.05, value: 0.8, format: (v) => v.toFixed(2) });
  const folder = text("Photos to learn from", "A folder with photos on the machine of the lab; empty: those that the lab has", "the lab's own");
  folder.input.removeAttribute("maxlength");
  folder.input.addEventListener("input", () => ((photoSet = { name: "", count: 0, label: "" }), setText(photoWords, "")));
  const folderFile = h("input", { type: "file", accept: "image/*", multiple: true, webkitdirectory: true, hidden: true, "aria-label": "Folder of photos", onchange: () => (takePhotos([...folderFile.files]), (folderFile.value = "")) });
  const folderButton = h("button.cl-button", { type: "button", "data-tip": "Bring a folder of photos from this machine; a hundred or more make the style better", onclick: () => folderFile.click() }, "Folder …");
  const photoWords = h("p.cl-muted", { role: "status" });
  const more = learnMore();
  const begin = h("button.ct-main", { type: "button", onclick: learn }, "Learn");
  const problem = h("div.note.bad", { role: "alert", hidden: true });
  const busy = h("p.cl-muted", { role: "status" });
  const form = h("section.cs-form", { "aria-label": "What is learned" },
    h("div.cl-panel-head", {}, h("h2", {}, "Painting"), h("span.cl-spring"), choose, file), place, strip,
    h("div.cs-row3", {}, title.root, painter.root, year.root),
    h("div.cs-field", {}, h("span", {}, "Network"), sizes, sizeWords), budget.root, weight.root,
    h("div.cs-folder", {}, folder.root, folderButton, folderFile), photoWords, more.root, problem, busy, begin);

  // ---- what is being learned ----
  const name = h("h2.cs-job-name");
  const pause = h("button.cl-button", { type: "button", onclick: () => steer(job.can.includes("pause") ? "pause" : "resume") }, "Pause");
  const stop = h("button.cl-button", { type: "button", "data-tip": "End now; what was learned so far is kept as a style", onclick: () => steer("stop") }, "Stop and keep");
  const use = h("button.cl-button.cs-use", { type: "button", onclick: () => model.send({ view: "picture", style: job.style }) }, "Paint with it");
  const earlier = popover("Earlier", "What was learned before", listEarlier);
  const previewMenu = cornerMenu("the previews", [["The photos and the newest previews (PNG)", () => (saveAddress(picture("photos.png")), saveAddress(picture(String(at()))))]]);
  const photosRow = h("img.cs-preview", { alt: "Photos that are not learned from", hidden: true });
  const preview = h("img.cs-preview", { alt: "The same photos as the network paints them now", hidden: true });
  const empty = h("p.cl-empty", {}, "Choose a painting and press Learn: photos painted by the network appear here and improve while it learns.");
  const scrubber = h("input.cs-range", { type: "range", min: 0, max: 0, value: 0, "aria-label": "Previews on the way", oninput: () => ((step = +scrubber.value >= job.previews.length - 1 ? null : job.previews[+scrubber.value]), draw()) });
  const atWords = h("span.cl-muted");
  const bar = h("div.cl-bar", { role: "progressbar", "aria-label": "How far learning is", "aria-valuemin": 0, "aria-valuemax": 100 }, h("div.cl-bar-fill"));
  const progress = h("span");
  const left = h("span");
  const sentence = h("p.cl-sentence", { role: "status" });
  const photosFrom = h("p.cl-muted.cs-photos-from");
  const settings = h("p.cl-muted");
  const heldOut = h("span.cl-muted");
  const steering = h("div.note.bad", { role: "alert", hidden: true });
  const curves = learnCurves(() => job.rows);
  const curvesMenu = () => saveText(csv([["step", "seconds", "total", "style", "content"], ...job.rows]), `convolab-${fileName(job.facts?.name ?? "style")}-losses.csv`);
  const work = h("section.cs-work", { "aria-label": "Learning" },
    h("div.cs-tools", {}, name, h("span.cl-spring"), use, pause, stop, earlier.root), steering,
    empty, h("div.cs-previews", {}, h("div.cl-panel-head", {}, heldOut, h("span.cl-spring"), previewMenu), photosRow, preview, h("div.cs-scrub", {}, scrubber, atWords)),
    bar, h("div.cl-progress", {}, progress, left), sentence, settings, photosFrom, curves.root(curvesMenu));
  const styles = ownStyles({ use: (style) => model.send({ view: "picture", style }) });
  el.append(h("div.cs-learn", {}, form, work, styles.root));

  const say = (where, words) => (setText(where, words ?? ""), setHidden(where, !words));
  async function takePainting(picture) {
    if (!picture) return;
    say(problem, "");
    setText(busy, `Reading ${picture.name || "the picture"} …`);
    try {
      if (picture.size > 30e6) throw new Error(`${picture.name || "The picture"} has more than 30 MB; choose a smaller one.`);
      const found = await bring(pictureAddress(`pictures?name=${encodeURIComponent(picture.name || "pasted painting")}`), picture);
      choosePainting(found.key, found.title);
    } catch (error) {
      say(problem, error.message);
    }
    setText(busy, "");
  }
  function choosePainting(key, words) {
    painting = { key, title: words };
    own.src = pictureAddress(`pictures/${key}/thumb.jpg`);
    own.alt = `The painting: ${words}`;
    title.input.value = words[0].toUpperCase() + words.slice(1);
    [painter.input.value, year.input.value] = ["", ""];
    draw();
  }
  async function takePhotos(files) {
    const pictures = files.filter((one) => one.type.startsWith("image/"));
    if (!pictures.length) return say(problem, "There are no pictures in this folder; choose one with photos.");
    const set = `set-${Array.from(crypto.getRandomValues(new Uint8Array(8)), (b) => b.toString(16).padStart(2, "0")).join("")}`;
    const label = pictures[0].webkitRelativePath?.split("/")[0] || "Photos";
    let [count, failed] = [0, 0];
    folderButton.disabled = true;
    for (const one of pictures.slice(0, 2000)) {
      try {
        count = (await bring(address(`bring/photo?into=${set}`), one)).photos;
      } catch {
        failed += 1;
      }
      setText(photoWords, `Bringing photos: ${count} of ${pictures.length} …`);
    }
    folderButton.disabled = false;
    if (!count) return say(problem, "None of the pictures in this folder could be read; choose one with photos.");
    photoSet = { name: set, count, label };
    folder.input.value = "";
    folder.input.placeholder = `${label}: ${count} photos`;
    setText(photoWords, `${count} photos of ${label} will be learned from${failed ? `; ${failed} could not be read` : ""}.`);
  }
  async function learn() {
    say(problem, "");
    begin.disabled = true;
    setText(busy, "Starting …");
    const values = { painting: painting.key, title: title.input.value, painter: painter.input.value, year: year.input.value, size, minutes: BUDGETS[+budget.input.value], weight: +weight.input.value, photos: folder.input.value.trim() || photoSet.name, more: more.values() };
    try {
      if (!painting.key) throw new Error("Choose a painting first: drop it, paste it, or press File.");
      const found = await patiently("learn", values, (words) => setText(busy, words));
      model.send({ job: found.job });
      show(found.job);
    } catch (error) {
      say(problem, error.message);
    }
    setText(busy, "");
    begin.disabled = false;
  }
  async function steer(action) {
    say(steering, "");
    pause.disabled = stop.disabled = true;
    try {
      await post("steer", { action, job: job.id });
      poke();
    } catch (error) {
      say(steering, error.message);
    }
    pause.disabled = stop.disabled = false;
  }
  async function listEarlier() {
    try {
      const { earlier: list } = await get("learning");
      const row = (item) => {
        const open = h("button.ct-open", { type: "button", "aria-current": item.job === job.id ? "true" : null, onclick: () => (model.send({ job: item.job }), show(item.job)) }, h("span", {}, h("b", {}, item.name), h("small", {}, item.note)));
        const gone = h("button.cl-remove", { type: "button", "aria-label": `Delete the record of ${item.name}`, title: "Delete how it was learned; the style stays", onclick: () => unlearn(item.job) }, "×");
        return h("div.ct-earlier-row", {}, open, item.deletable ? gone : null);
      };
      earlier.fill(list.length ? list.map(row) : [h("p.cl-muted", {}, "Nothing has been learned here yet.")]);
    } catch (error) {
      earlier.fill([h("p", {}, error.message)]);
    }
  }
  async function unlearn(id) {
    try {
      await post("unlearn", { job: id });
      if (id === job.id) (model.send({ job: "" }), show(""));
    } catch (error) {
      say(steering, error.message);
    }
    listEarlier();
  }

  // ---- following ----
  function show(id) {
    if (id === job.id) return;
    Object.assign(job, { id, cursor: "", rows: [], previews: [], stamp: "", state: "draft", sentence: "", tone: "", fraction: 0, left: "", progress: "", can: [], style: "", facts: null, gone: "", photos: "", scenes: false });
    step = null;
    draw();
    poke();
  }
  const stopFeed = subscribe({
    el,
    query: () => (job.id ? { l: `${job.id}~${job.cursor}` } : {}),
    update: ({ learning: news }) => {
      if (!news || news.job !== job.id) return;
      if (news.gone) Object.assign(job, { cursor: "gone", sentence: news.gone, tone: "error", can: [], state: "gone" });
      else {
        const { rows, reset, ...rest } = news;
        const before = job.style;
        job.rows = reset ? rows : [...job.rows, ...rows];
        if (job.rows.length > 3000) job.rows = job.rows.filter((_, i) => i % 2 === 0 || i === job.rows.length - 1);
        Object.assign(job, rest);
        if (job.style && job.style !== before) refreshShelf();
      }
      draw();
    },
  });
  const picture = (what) => address(`learning/${job.id}/${what}`);
  const at = () => step ?? job.previews.at(-1) ?? 0;
  function draw() {
    setHidden(own, !painting.key);
    setHidden(hint, !!painting.key);
    for (const button of strip.children) button.setAttribute("aria-pressed", String(button.dataset.picture === painting.key));
    const on = !!job.id;
    setText(name, on ? (job.facts?.name ?? "") : "Learning");
    setHidden(empty, on);
    for (const part of [pause, stop, bar, sentence]) setHidden(part, !on);
    setHidden(pause, !on || !(job.can.includes("pause") || job.can.includes("resume")));
    setText(pause, job.can.includes("pause") ? "Pause" : "Resume");
    setHidden(stop, !job.can.includes("stop"));
    setHidden(use, !job.style);
    const some = job.previews.length > 0;
    setHidden(work.querySelector(".cs-previews"), !on || !some);
    if (some) {
      source(photosRow, picture(`photos.png?v=${job.id}`));
      source(preview, picture(`${at()}?v=${step === null ? job.stamp : ""}`));
      scrubber.max = job.previews.length - 1;
      scrubber.value = job.previews.indexOf(at());
      scrubber.disabled = job.previews.length < 2;
      setText(atWords, `after ${at().toLocaleString("en")} steps`);
      scrubber.setAttribute("aria-valuetext", `after ${at()} steps`);
    }
    bar.firstChild.style.transform = `scaleX(${job.fraction ?? 0})`;
    bar.setAttribute("aria-valuenow", Math.round(100 * (job.fraction ?? 0)));
    setText(progress, job.progress);
    setText(settings, job.facts?.settings ?? "");
    setHidden(settings, !on || !job.facts);
    setText(photosFrom, job.photos);
    setHidden(photosFrom, !on || !job.photos);
    setText(heldOut, `${job.scenes ? "Scenes painted by the lab (there were too few photos to keep any back)" : "Photos it does not learn from"}, and how it paints them`);
    setText(left, job.left);
    setText(sentence, job.sentence);
    setHidden(sentence, !job.sentence);
    sentence.dataset.tone = job.tone;
    el.dataset.state = on ? job.state : "empty";
    curves.draw();
  }
  function source(image, wanted) {
    setHidden(image, false);
    if (image.dataset.source === wanted) return;
    image.dataset.source = wanted;
    const next = new Image();
    next.onload = () => image.dataset.source === wanted && (image.src = next.src);
    next.src = wanted;
  }
  async function offer() {
    try {
      const { photos } = await get("photos");
      // The lab's own painted styles are at hand; what was brought may be a painting, too.
      const painted = ["strokes", "waves", "mosaic", "hatching", "dots"].map((one) => ({ key: `lab-${one}`, title: { strokes: "Brush strokes", waves: "Waves", mosaic: "Mosaic", hatching: "Hatching", dots: "Dots" }[one] }));
      const items = [...painted, ...photos.filter((item) => !item.key.startsWith("lab-"))];
      strip.replaceChildren(...items.map((item) => h("button.cs-small", { type: "button", "data-picture": item.key, "aria-label": `Painting: ${item.title}`, title: item.title, onclick: () => choosePainting(item.key, item.title) }, h("img", { src: pictureAddress(`pictures/${item.key}/tile.jpg`), alt: item.title, loading: "lazy" }))));
      draw();
    } catch {
      // The strip stays empty; File still works.
    }
  }
  for (const kind of ["dragover", "drop"])
    form.addEventListener(kind, (event) => {
      event.preventDefault();
      event.stopPropagation();
      form.classList.toggle("over", kind === "dragover");
      if (kind === "drop") takePainting(event.dataTransfer.files[0]);
    });
  form.addEventListener("dragleave", () => form.classList.remove("over"));
  const paste = (event) => {
    const found = [...(event.clipboardData?.files ?? [])].find((item) => item.type.startsWith("image/"));
    if (!found || !form.offsetParent || event.target.closest?.("input, textarea")) return;
    event.preventDefault();
    takePainting(found);
  };
  document.addEventListener("paste", paste);
  model.on("change:shown", (value) => {
    shown = value;
    show(shown.job);
  });
  offer();
  show(shown.job);
  draw();
  return () => {
    document.removeEventListener("paste", paste);
    stopFeed();
    curves.stop();
    styles.stop();
  };
}
