// A pad: draw, erase, undo, by mouse, finger, pen or keys; or bring a picture, or have a test image on it.
import { choice, h, setHidden } from "./look.js";
import { imageCanvas } from "./look_images.js";

const SIDE = 280; // of the pad, in its own pixels
const SENT = 140; // of what is sent of it
const UNDO = 40;
const ERASER = 1.6; // times the pencil's width, so that nothing of a line that is followed remains at its edges

// `onChange(event)`: something else is on the pad (`event`: time of the pointer event that did it, if one did).
// `onProblem(sentence)`; `kept`: the name under which a drawing outlives a reload; `colour`: whether the pad is white and the
// pencil in colours. Gives back { el, toolbox, content(), put(picture), bring(blob), recall(), setColour(on), … }.
// What is on the pad is { kind: "empty" | "drawing" | "upload" (blob) | "pixels" (pixels, shape, caption, test) }.
export function makePad({ onChange, onProblem = () => {}, kept = "convolab-look-pad", colour = false }) {
  let colourful = colour;
  let tool = "pencil";
  let size = 20;
  let ink = "#1f6fb2";
  let past = [];
  let future = [];
  let content = { kind: "empty" };
  let stroke = null; // last point of the stroke under way
  let cursor = [SIDE / 2, SIDE / 2]; // of the keyboard's pencil
  let penDown = false;

  const pad = h("canvas.cl-pad", {
    width: SIDE,
    height: SIDE,
    tabindex: 0,
    role: "application",
    "aria-label": "Drawing pad. Arrow keys move the pencil, Space puts it down or lifts it, E takes the eraser, P the pencil, Ctrl-Z undoes, Delete clears.",
  });
  const pen = pad.getContext("2d", { willReadFrequently: true });
  const small = document.createElement("canvas");
  [small.width, small.height] = [SENT, SENT];
  const smallPen = small.getContext("2d", { willReadFrequently: true });
  const caret = h("span.cl-pad-caret", { hidden: true, "aria-hidden": "true" });
  const tools = choice("Tool", [["pencil", "Pencil"], ["eraser", "Eraser"]], tool, (value) => (tool = value));
  const sizer = h("input", { type: "range", min: 4, max: 48, step: 2, value: size, "aria-label": "Brush size in pixels of the pad", title: "Brush size: 4 to 48 pixels of the pad, which has 280", oninput: () => (size = +sizer.value) });
  const inkPicker = h("input", { type: "color", value: ink, "aria-label": "Colour of the pencil", hidden: !colour, oninput: () => (ink = inkPicker.value) });
  const undo = h("button.cl-button", { type: "button", title: "Undo (Ctrl-Z)", onclick: () => step(past, future) }, "Undo");
  const clear = h("button.cl-button", { type: "button", title: "Clear (Delete)", onclick: wipe }, "Clear");
  const file = h("input", { type: "file", accept: "image/*", hidden: true, "aria-hidden": "true", onchange: () => (bring(file.files[0]), (file.value = "")) });
  const upload = h("button.cl-button", { type: "button", title: "A picture from a file; one can also be pasted or dropped here", onclick: () => file.click() }, "Picture …");
  const el = h("div.cl-pad-frame", {}, pad, caret);
  const toolbox = [
    h("div.cl-tools", {}, tools, h("label.cl-size", {}, "Size", sizer), inkPicker),
    h("div.cl-tools", {}, undo, clear, upload, file),
  ];

  const ground = () => (colourful ? "#ffffff" : "#000000");
  const stroked = () => (tool === "eraser" ? ground() : colourful ? ink : "#ffffff");

  function blank() {
    pen.fillStyle = ground();
    pen.fillRect(0, 0, SIDE, SIDE);
  }
  const picture = () => ({ image: pen.getImageData(0, 0, SIDE, SIDE), content });
  function remember() {
    past.push(picture());
    if (past.length > UNDO) past.shift();
    future = [];
  }
  function step(from, to) {
    if (!from.length) return;
    to.push(picture());
    const back = from.pop();
    pen.putImageData(back.image, 0, 0);
    content = back.content;
    changed();
    keep();
  }
  function wipe() {
    if (content.kind === "empty") return;
    remember();
    blank();
    content = { kind: "empty" };
    changed();
    keep();
  }
  function line(from, to, width, event) {
    pen.strokeStyle = stroked();
    pen.lineWidth = tool === "eraser" ? width * ERASER : width;
    pen.lineCap = pen.lineJoin = "round";
    pen.beginPath();
    pen.moveTo(...from);
    pen.lineTo(to[0] + 0.01, to[1]);
    pen.stroke();
    if (tool === "pencil" || content.kind !== "empty") content = { kind: "drawing" };
    changed(event);
  }
  function changed(event) {
    undo.disabled = !past.length;
    clear.disabled = content.kind === "empty";
    onChange(event?.timeStamp);
  }

  // ---- mouse, finger, pen ----
  const place = (event) => {
    const box = pad.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * SIDE, ((event.clientY - box.top) / box.height) * SIDE];
  };
  // A pen presses; a mouse and a finger always press the same.
  const pressed = (event) => (event.pointerType === "pen" && event.pressure ? size * (0.5 + event.pressure) : size);
  pad.addEventListener("pointerdown", (event) => {
    if ((event.button > 0 && event.button !== 5) || stroke) return;
    pad.setPointerCapture(event.pointerId);
    remember();
    stroke = { at: place(event), id: event.pointerId };
    setHidden(caret, true);
    line(stroke.at, stroke.at, pressed(event), event);
  });
  pad.addEventListener("pointermove", (event) => {
    if (!stroke || event.pointerId !== stroke.id) return;
    for (const part of event.getCoalescedEvents?.() ?? [event]) {
      const to = place(part);
      line(stroke.at, to, pressed(part), event);
      stroke.at = to;
    }
  });
  const lift = () => {
    if (!stroke) return;
    stroke = null;
    keep();
  };
  pad.addEventListener("pointerup", lift);
  pad.addEventListener("pointercancel", lift);

  // ---- keyboard ----
  pad.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (way) {
      const reach = event.shiftKey ? 20 : 10;
      const to = cursor.map((v, i) => Math.max(0, Math.min(SIDE, v + way[i] * reach)));
      if (penDown) line(cursor, to, size);
      cursor = to;
    } else if (event.key === " " || event.key === "Enter") {
      penDown = !penDown;
      if (penDown) {
        remember();
        line(cursor, cursor, size);
      } else keep();
    } else if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") event.shiftKey ? step(future, past) : step(past, future);
    else if (event.key === "Delete" || event.key === "Backspace") wipe();
    else if (event.key === "e" || event.key === "p") tools.querySelector(`[data-value=${event.key === "e" ? "eraser" : "pencil"}]`).click();
    else return;
    event.preventDefault();
    event.stopPropagation();
    showCaret();
  });
  function showCaret() {
    setHidden(caret, false);
    caret.style.left = `${(cursor[0] / SIDE) * 100}%`;
    caret.style.top = `${(cursor[1] / SIDE) * 100}%`;
    caret.dataset.down = penDown;
  }
  pad.addEventListener("blur", () => {
    penDown = false;
    setHidden(caret, true);
  });
  pad.addEventListener("focus", () => pad.matches(":focus-visible") && showCaret());

  // ---- pictures ----
  // uint8 (C, H, W) with what it is: { pixels, shape, caption, test }.
  function put(found, { undoable = true } = {}) {
    if (undoable) remember();
    const [channels, height, width] = found.shape;
    const canvas = imageCanvas(found.pixels, found.shape);
    blank();
    pen.imageSmoothingEnabled = channels === 1;
    pen.imageSmoothingQuality = "high";
    contain(canvas, width, height);
    content = { kind: "pixels", ...found };
    changed();
    keep();
  }
  function contain(source, width, height) {
    const scale = Math.min(SIDE / width, SIDE / height);
    pen.drawImage(source, (SIDE - width * scale) / 2, (SIDE - height * scale) / 2, width * scale, height * scale);
  }
  async function bring(blob) {
    if (!blob) return;
    if (blob.type && !blob.type.startsWith("image/")) return onProblem(`“${blob.name}” is not a picture; choose a PNG, JPEG or the like.`);
    let found = null;
    try {
      found = await createImageBitmap(blob);
    } catch {
      // The browser cannot read it; perhaps the lab can. Its answer says so if not.
    }
    remember();
    blank();
    pen.imageSmoothingEnabled = true;
    if (found) contain(found, found.width, found.height);
    content = { kind: "upload", blob };
    changed();
    keep();
  }

  // What was drawn outlives a reload of the page; a test image is in the address.
  function keep() {
    try {
      if (content.kind === "drawing" || content.kind === "upload") sessionStorage.setItem(kept, pad.toDataURL());
      else sessionStorage.removeItem(kept);
    } catch {
      // Storage is full or switched off: the drawing just does not outlive a reload.
    }
  }
  // Gives a promise of whether there was something.
  function recall() {
    const drawn = sessionStorage.getItem(kept);
    if (!drawn) return Promise.resolve(false);
    return new Promise((done) => {
      const image = new Image();
      image.onload = () => {
        pen.drawImage(image, 0, 0);
        content = { kind: "drawing" };
        changed();
        done(true);
      };
      image.onerror = () => done(false);
      image.src = drawn;
    });
  }
  // A seven, for the first moment of a lab that has no test images yet.
  function sketch() {
    const before = tool;
    tool = "pencil";
    for (const [a, b] of [[[78, 72], [204, 72]], [[204, 72], [122, 226]]]) line(a, b, 22);
    tool = before;
  }

  blank();
  undo.disabled = clear.disabled = true;
  return {
    el,
    toolbox,
    put,
    bring,
    recall,
    sketch,
    // As undo, but cannot be redone.
    takeBack() {
      step(past, []);
    },
    content: () => content,
    // The drawing as it is sent: { side, channels, bytes }, each pixel the mean of four.
    pixels() {
      smallPen.drawImage(pad, 0, 0, SENT, SENT);
      const { data } = smallPen.getImageData(0, 0, SENT, SENT);
      const channels = colourful ? 3 : 1;
      const bytes = new Uint8Array(SENT * SENT * channels);
      if (colourful) for (let i = 0, o = 0; i < data.length; i += 4) [bytes[o++], bytes[o++], bytes[o++]] = [data[i], data[i + 1], data[i + 2]];
      else for (let i = 0, o = 0; i < data.length; i += 4) bytes[o++] = data[i];
      return { side: SENT, channels, bytes };
    },
    setColour(on) {
      if (on === colourful) return;
      colourful = on;
      setHidden(inkPicker, !on);
      past = [];
      future = [];
      if (content.kind === "empty") blank();
    },
    canvas: pad,
    // For pictures that are pasted or dropped anywhere in the room.
    listen(root) {
      const paste = (event) => {
        const found = [...(event.clipboardData?.files ?? [])].find((item) => item.type.startsWith("image/"));
        if (!found || event.target.closest?.("input, textarea")) return;
        event.preventDefault();
        bring(found);
      };
      const over = (event) => event.preventDefault();
      const drop = (event) => {
        event.preventDefault();
        const files = [...event.dataTransfer.files];
        bring(files.find((found) => found.type.startsWith("image/")) ?? files[0]);
      };
      document.addEventListener("paste", paste);
      root.addEventListener("dragover", over);
      root.addEventListener("drop", drop);
      return () => {
        document.removeEventListener("paste", paste);
        root.removeEventListener("dragover", over);
        root.removeEventListener("drop", drop);
      };
    },
  };
}
