// The classes of the room Teach: their names, their images as thumbnails, and all ways in which images come.
import { count, h, setHidden, setText } from "./look.js";
import { act, bringImages, bringOne, bringTree, cancelUploads, droppedEntries, follow, imageAddress, refresh, store, swatch, tell } from "./teach_store.js";
import { camera, drawFrame, grab, onCamera, startCamera } from "./teach_camera.js";

export default { render };

const SHOWN = 24; // thumbnails of a class before one asks for all
const RECORD_MS = 100; // between two pictures of the camera while it records
const AT_ONCE = 4; // of them under way

function render({ model, el }) {
  const project = model.get("project");
  const cards = new Map(); // key -> card
  let tried = false; // whether somebody has recorded here
  let active = ""; // where pasted images go
  el.classList.add("te-classes");

  const upload = filePicker({ multiple: true, accept: "image/*" });
  const folder = filePicker({ webkitdirectory: true, multiple: true });
  const archive = filePicker({ accept: ".zip,.teach" });
  const problem = h("div.note.bad", { role: "alert", hidden: true });
  const busyText = h("span", { role: "status" });
  const stop = h("button.cl-button", { type: "button", onclick: cancelUploads }, "Stop");
  const busy = h("div.te-busy", { hidden: true }, busyText, stop, h("div.cl-bar", {}, h("div.cl-bar-fill")));
  const undoText = h("span");
  const undo = h("div.note.te-undo", { hidden: true, role: "status" }, undoText, h("button.cl-button", { type: "button", "data-key": "undo", onclick: () => act("undo") }, "Take it back"));
  const list = h("div.te-cards");
  const add = h("button.cl-button.te-add", { type: "button", "data-tip": "Another class, up to 20", onclick: addClass }, "+ Add a class");
  const total = h("span.cl-muted");
  el.append(
    h("div.cl-panel-head", {}, h("h2.cl-panel-title", { "data-tip": "What is to be told apart: a name and a handful of images each" }, "Your classes"), total, h("span.cl-spring"),
      small("Folder …", "A folder with a folder of images per class", () => folder.open((files) => bringTree(files.map((file) => [file.webkitRelativePath.split("/"), file]), target()))),
      small("Zip …", "A zip of a folder with a folder of images per class, or a file that the lab saved", () => archive.open((files) => bringTree(files.map((file) => [[file.name], file]), target())))),
    h("p.cl-muted.te-private", {}, "Nothing leaves this machine: images, features and what is learned stay in the lab's own folder."),
    problem, busy, undo, list, add,
  );

  function target() {
    const classes = store.state?.classes ?? [];
    return classes.some((one) => one.key === active) ? active : classes[0]?.key;
  }
  async function addClass() {
    const made = await act("add-class");
    if (!made) return;
    const input = cards.get(made.key)?.name;
    input?.focus();
    input?.select();
  }

  // ---- a class ----
  function makeCard(key) {
    const name = h("input.cx-input.te-name", { type: "text", maxlength: 40, autocomplete: "off", spellcheck: "false", "aria-label": "Name of the class", "data-tip": "What the class is called" });
    const mark = h("span.te-mark");
    const number = h("span.cl-muted.num");
    const thumbs = h("div.te-thumbs", { role: "group" });
    const all = h("button.cx-link.te-all", { type: "button", hidden: true, onclick: () => ((card.all = !card.all), draw()) });
    const preview = h("canvas.te-preview", { width: 96, height: 96, hidden: true, "aria-hidden": "true" });
    const record = h("button.cl-button.te-record", { type: "button", "data-tip": "Hold it down: the camera adds ten pictures a second" }, "Hold to record");
    const empty = h("p.cl-muted.te-none", {}, "No images yet: hold the button, choose files, drop or paste them here.");
    const remove = h("button.cl-remove", { type: "button", "data-tip": "Remove the class with its images; it can be taken back", onclick: () => act("remove-class", { key }) }, "×");
    const files = h("button.cl-button", { type: "button", "data-tip": "Images from files; they can also be dropped or pasted here", onclick: () => upload.open((found) => bringImages(key, found)) }, "Files …");
    const root = h("section.te-card", {}, h("div.te-card-head", {}, mark, name, number, remove), h("div.cl-tools", {}, record, files, preview), thumbs, empty, all);
    const card = { key, root, name, mark, number, thumbs, all: false, allButton: all, empty, remove, files, record, shown: "" };
    name.addEventListener("change", async () => {
      if (!(await act("rename-class", { key, name: name.value }))) name.value = nameOf(key);
    });
    name.addEventListener("keydown", (event) => event.key === "Enter" && name.blur());
    for (const event of ["pointerenter", "focusin"]) root.addEventListener(event, () => (active = key));
    root.addEventListener("dragover", (event) => (event.preventDefault(), root.classList.add("over")));
    root.addEventListener("dragleave", (event) => root.contains(event.relatedTarget) || root.classList.remove("over"));
    root.addEventListener("drop", async (event) => {
      event.preventDefault();
      event.stopPropagation();
      root.classList.remove("over");
      bringTree(await droppedEntries(event.dataTransfer), key);
    });
    recorder(record, preview, key);
    thumbs.addEventListener("keydown", (event) => moveAmong(thumbs, event));
    return card;
  }
  const nameOf = (key) => store.state.classes.find((one) => one.key === key)?.name ?? "";

  function drawCard(card, one, label) {
    if (document.activeElement !== card.name) card.name.value = one.name;
    card.mark.replaceChildren(swatch(label));
    setText(card.number, `${count(one.ids.length)} ${one.ids.length === 1 ? "image" : "images"}`);
    card.remove.setAttribute("aria-label", `Remove the class ${one.name}`);
    card.record.setAttribute("aria-label", `Hold to record images of ${one.name}`);
    card.files.setAttribute("aria-label", `Images of ${one.name} from files`);
    card.thumbs.setAttribute("aria-label", `Images of ${one.name}`);
    setHidden(card.empty, one.ids.length > 0);
    const newest = [...one.ids].reverse();
    const ids = card.all ? newest : newest.slice(0, SHOWN);
    setHidden(card.allButton, one.ids.length <= SHOWN);
    setText(card.allButton, card.all ? "Show fewer" : `Show all ${count(one.ids.length)}`);
    const signature = ids.join() + store.chosen;
    if (signature === card.shown) return;
    card.shown = signature;
    const there = new Map([...card.thumbs.children].map((node) => [node.dataset.id, node]));
    card.thumbs.replaceChildren(...ids.map((id, i) => {
      const node = there.get(id) ?? thumb(id);
      const pick = node.firstChild;
      pick.setAttribute("aria-label", `Image ${ids.length - i} of ${one.name}: look at it`);
      pick.setAttribute("aria-pressed", String(store.chosen === id));
      pick.tabIndex = i === 0 || store.chosen === id ? 0 : -1;
      node.lastChild.setAttribute("aria-label", `Remove image ${ids.length - i} of ${one.name}`);
      return node;
    }));
  }
  function thumb(id) {
    const image = h("img", { src: imageAddress(id), alt: "", loading: "lazy", decoding: "async", draggable: "false" });
    const pick = h("button.te-thumb", { type: "button", onclick: () => ((store.chosen = store.chosen === id ? "" : id), tell()) }, image);
    const remove = h("button.te-thumb-remove", { type: "button", tabindex: -1, title: "Remove this image", onclick: () => act("remove-images", { ids: [id] }) }, "×");
    const root = h("span.te-thumb-frame", {}, pick, remove);
    root.dataset.id = id;
    return root;
  }
  function moveAmong(thumbs, event) {
    const picks = [...thumbs.querySelectorAll(".te-thumb")];
    const at = picks.indexOf(document.activeElement);
    if (at < 0) return;
    if (event.key === "Delete" || event.key === "Backspace") {
      event.preventDefault();
      (picks[at + 1] ?? picks[at - 1])?.focus();
      act("remove-images", { ids: [picks[at].parentElement.dataset.id] });
    }
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    picks[(at + step + picks.length) % picks.length].focus();
  }

  // ---- recording: while the button is held, by pointer or by key ----
  function recorder(button, preview, key) {
    let held = false;
    let underWay = 0;
    async function run() {
      tried = true;
      setText(button, "Recording …");
      button.dataset.on = "true";
      if (!(await startCamera())) held = false;
      while (held) {
        const began = performance.now();
        const drawn = drawFrame();
        if (drawn && underWay < AT_ONCE) {
          setHidden(preview, false);
          preview.getContext("2d").drawImage(drawn, 0, 0, preview.width, preview.height);
          const blob = await grab();
          underWay += 1;
          bringOne(key, blob, "").then((failure) => {
            underWay -= 1;
            if (failure && failure !== "known") {
              held = false;
              store.error = failure;
              tell();
            }
          });
        }
        await new Promise((next) => setTimeout(next, Math.max(10, RECORD_MS - (performance.now() - began))));
        refresh();
      }
      setText(button, "Hold to record");
      delete button.dataset.on;
      setHidden(preview, true);
      setTimeout(refresh, 200);
    }
    const begin = () => {
      if (held) return;
      held = true;
      store.error = "";
      store.errorIn = "classes";
      run();
    };
    const end = () => (held = false);
    button.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      button.setPointerCapture(event.pointerId);
      begin();
    });
    for (const name of ["pointerup", "pointercancel", "lostpointercapture", "blur"]) button.addEventListener(name, end);
    button.addEventListener("keydown", (event) => [" ", "Enter"].includes(event.key) && (event.preventDefault(), begin()));
    button.addEventListener("keyup", (event) => [" ", "Enter"].includes(event.key) && (event.preventDefault(), end()));
    button.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  // ---- all of it ----
  function draw() {
    const { state, uploads } = store;
    const wrong = (store.errorIn === "classes" && store.error) || (tried && camera.problem) || (store.lost ? "The lab does not answer; is it still running?" : "");
    const sentence = wrong || store.note;
    problem.classList.toggle("bad", Boolean(wrong));
    setText(problem, sentence);
    setHidden(problem, !sentence);
    const reading = state?.doing?.kind === "read" ? state.doing : null;
    setHidden(busy, !uploads && !reading);
    if (uploads || reading) {
      const share = reading ? reading.fraction : uploads.total ? uploads.done / uploads.total : null;
      setText(busyText, reading ? reading.sentence : uploads.archive ? `Bringing ${uploads.archive} …` : `${count(uploads.done)} of ${count(uploads.total)} images`);
      busy.lastChild.firstChild.style.transform = `scaleX(${share ?? 0})`;
      setHidden(stop, !uploads || Boolean(uploads.archive));
    }
    if (!state) return;
    setText(undoText, state.undo ? `Removed ${state.undo}.` : "");
    setHidden(undo, !state.undo);
    setText(total, `${state.classes.length} ${state.classes.length === 1 ? "class" : "classes"}, ${count(state.total)} ${state.total === 1 ? "image" : "images"}`);
    const keys = state.classes.map((one) => one.key);
    for (const key of [...cards.keys()]) if (!keys.includes(key)) cards.get(key).root.remove(), cards.delete(key);
    state.classes.forEach((one, label) => {
      if (!cards.has(one.key)) cards.set(one.key, makeCard(one.key));
      const card = cards.get(one.key);
      drawCard(card, one, label);
      if (list.children[label] !== card.root) list.insertBefore(card.root, list.children[label] ?? null);
    });
    add.disabled = state.classes.length >= (store.offers?.most_classes ?? 20);
    el.dataset.ready = "true";
  }
  const paste = (event) => {
    const found = [...(event.clipboardData?.files ?? [])].filter((item) => item.type.startsWith("image/"));
    if (!found.length || event.target.closest?.("input, textarea")) return;
    event.preventDefault();
    if (target()) bringImages(target(), found);
  };
  // Dropped anywhere else in the room: folders become classes, single images go to the class that was used last.
  const room = el.closest("[data-room]") ?? document.body;
  const over = (event) => event.preventDefault();
  const drop = async (event) => {
    event.preventDefault();
    bringTree(await droppedEntries(event.dataTransfer), target());
  };
  document.addEventListener("paste", paste);
  room.addEventListener("dragover", over);
  room.addEventListener("drop", drop);
  const stopFollowing = follow(project, draw);
  const stopCameraNews = onCamera(draw);
  draw();
  return () => {
    document.removeEventListener("paste", paste);
    room.removeEventListener("dragover", over);
    room.removeEventListener("drop", drop);
    stopFollowing();
    stopCameraNews();
  };
}
function small(text, tip, onclick) {
  return h("button.cl-button", { type: "button", "data-tip": tip, onclick }, text);
}
// A hidden file input: `open(take)` lets the person choose, `take` is given the files.
export function filePicker(attributes) {
  const input = h("input", { type: "file", ...attributes });
  let take = () => {};
  input.addEventListener("change", () => {
    take([...input.files]);
    input.value = "";
  });
  return {
    input,
    open(callback) {
      take = callback;
      input.click();
    },
  };
}
