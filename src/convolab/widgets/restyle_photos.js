// Photos: those at hand as small pictures; a file, one that is dropped or pasted.
import { h, setHidden, setText } from "./look.js";
import { address, bring, get, patiently, pictureAddress, post } from "./restyle_parts.js";

// `onPick(key)`; `label` says what the pictures are for. Dropped and pasted pictures anywhere in `room` count.
export function photoStrip({ label, onPick, room }) {
  let chosen = "";
  let offered = { photos: [], samples: [], more: false };
  const strip = h("div.cs-photos", { role: "group", "aria-label": label });
  const file = h("input", { type: "file", accept: "image/*", hidden: true, "aria-label": `${label} from a file`, onchange: () => (take([...file.files]), (file.value = "")) });
  const button = h("button.cl-button", { type: "button", "data-tip": "A photo from a file; it can also be dropped or pasted", onclick: () => file.click() }, "File …");
  const more = h("button.cl-button", { type: "button", "data-tip": "Five photos that are free to use, 14 MB, fetched once", onclick: fetchMore }, "More photos");
  const busy = h("span.cl-muted", { role: "status" });
  const problem = h("div.note.bad", { role: "alert", hidden: true });
  const root = h("div.cs-photo-row", {}, strip, h("span.cs-photo-tools", {}, button, file, more, busy));

  const say = (sentence) => (setText(problem, sentence ?? ""), setHidden(problem, !sentence));
  async function take(files) {
    const picture = files[0];
    if (!picture) return;
    say("");
    setText(busy, `Reading ${picture.name || "the picture"} …`);
    try {
      if (picture.size > 30e6) throw new Error(`${picture.name || "The picture"} has more than 30 MB; choose a smaller one.`);
      const found = await bring(pictureAddress(`pictures?name=${encodeURIComponent(picture.name || "pasted picture")}`), picture);
      pick(found.key);
      await refresh();
    } catch (error) {
      say(error.message);
    }
    setText(busy, "");
  }
  async function takeSample(name) {
    say("");
    try {
      pick((await post("sample", { name })).key);
      await refresh();
    } catch (error) {
      say(error.message);
    }
  }
  async function fetchMore() {
    more.disabled = true;
    say("");
    try {
      await patiently("fetch-photos", {}, (words) => setText(busy, words));
      await refresh();
    } catch (error) {
      say(error.message);
    }
    setText(busy, "");
    more.disabled = false;
  }
  function pick(key) {
    chosen = key;
    draw();
    onPick(key);
  }

  function small(source, title, on, onclick) {
    return h("button.cs-small", { type: "button", "aria-label": `${label}: ${title}`, "aria-pressed": String(on), title, onclick }, h("img", { src: source, alt: title, loading: "lazy" }));
  }
  function draw() {
    strip.replaceChildren(
      ...offered.photos.map((item) => small(pictureAddress(`pictures/${item.key}/tile.jpg`), item.title, item.key === chosen, () => pick(item.key))),
      ...offered.samples.map((item) => small(address(`samples/${item.name}`), item.title, false, () => takeSample(item.name))),
    );
    setHidden(more, !offered.more);
  }
  async function refresh() {
    try {
      offered = await get("photos");
      draw();
    } catch {
      // The strip stays as it was; whatever is pressed next says that the lab does not answer.
    }
  }

  const paste = (event) => {
    if (!root.offsetParent) return; // another part of the room is shown
    const found = [...(event.clipboardData?.files ?? [])].filter((item) => item.type.startsWith("image/"));
    if (!found.length || event.target.closest?.("input, textarea")) return;
    event.preventDefault();
    take(found);
  };
  const holdsFiles = (event) => root.offsetParent && [...(event.dataTransfer?.types ?? [])].includes("Files");
  const over = (event) => holdsFiles(event) && (event.preventDefault(), room.classList.add("over"));
  const leave = () => room.classList.remove("over");
  const drop = (event) => {
    leave();
    if (!holdsFiles(event)) return;
    event.preventDefault();
    take([...event.dataTransfer.files]);
  };
  document.addEventListener("paste", paste);
  room.addEventListener("dragover", over);
  room.addEventListener("dragleave", leave);
  room.addEventListener("drop", drop);
  draw();
  refresh();
  return {
    root,
    problem,
    say,
    take,
    refresh,
    show(key) {
      if (key === chosen) return;
      chosen = key;
      draw();
    },
    stop() {
      document.removeEventListener("paste", paste);
      room.removeEventListener("dragover", over);
      room.removeEventListener("dragleave", leave);
      room.removeEventListener("drop", drop);
    },
  };
}
