// Your own input: draw it, or bring a picture; beside it what the network is given, and what it says.
import { address, shown, subscribe } from "./feed.js";
import { choice, cornerMenu, crisp, h, percent, saveBlob, saveText, setHidden, setText } from "./look.js";

export default { render };

const SIDE = 280; // of the pad, in its own pixels
const UNDO = 40;
const KEPT = "convolab-drawing";

function render({ model, el }) {
  let colourful = !!model.get("colour"); // pictures of the chosen data set have three channels
  let tool = "pencil";
  let size = 20;
  let ink = "#1f6fb2";
  let past = [];
  let future = [];
  let brought = null; // a picture from outside, as it came, until something is drawn on it
  let empty = true;
  let stroke = null; // last point of the stroke under way
  let cursor = [SIDE / 2, SIDE / 2]; // of the keyboard's pencil
  let penDown = false;
  let asking = false;
  let askAgain = false;
  let weights = null;
  let answer = null;

  const pad = h("canvas.cl-pad", { width: SIDE, height: SIDE, tabindex: 0, role: "application" });
  const pen = pad.getContext("2d", { willReadFrequently: true });
  const caret = h("span.cl-pad-caret", { hidden: true, "aria-hidden": "true" });
  const tools = choice("Tool", [["pencil", "Pencil"], ["eraser", "Eraser"]], tool, (value) => (tool = value));
  const sizer = h("input", { type: "range", min: 4, max: 48, step: 2, value: size, "aria-label": "Brush size in pixels of the pad", oninput: () => (size = +sizer.value) });
  const inkPicker = h("input", { type: "color", value: ink, "aria-label": "Colour of the pencil", oninput: () => (ink = inkPicker.value) });
  const undo = h("button.cl-button", { type: "button", title: "Undo (Ctrl-Z)", onclick: () => step(past, future) }, "Undo");
  const clear = h("button.cl-button", { type: "button", title: "Clear (Delete)", onclick: wipe }, "Clear");
  const file = h("input", { type: "file", accept: "image/*", hidden: true, "aria-hidden": "true", onchange: () => (bring(file.files[0]), (file.value = "")) });
  const upload = h("button.cl-button", { type: "button", title: "A picture from a file; one can also be pasted or dropped here", onclick: () => file.click() }, "Picture …");
  const hint = h("p.cl-muted.cl-small");
  const input = h("canvas.cl-own-input", { role: "img", "aria-label": "What the network is given" });
  const steps = h("p.cl-steps");
  const verdict = h("p.cl-verdict", { role: "status", "aria-live": "polite" });
  const bars = h("div.cl-own-bars");
  const menu = cornerMenu("your input", [
    ["Your picture (PNG)", () => pad.toBlob((blob) => saveBlob(blob, "convolab-drawing.png"))],
    ["What the network is given (PNG)", () => answer?.input && fetch(answer.input).then((r) => r.blob()).then((blob) => saveBlob(blob, "convolab-input.png"))],
    ["Prediction (CSV)", saveCsv],
  ]);
  el.classList.add("cl-panel", "cl-own");
  el.append(
    h("div.cl-panel-head", {}, h("h2.cl-panel-title", {}, "Your own input"), h("span.cl-spring"), menu),
    h(
      "div.cl-own-body",
      {},
      h(
        "div.cl-own-pad",
        {},
        h("div.cl-pad-frame", {}, pad, caret),
        h("div.cl-tools", {}, tools, h("label.cl-size", {}, "Size", sizer), inkPicker),
        h("div.cl-tools", {}, undo, clear, upload, file),
        hint,
      ),
      h("div.cl-own-result", {}, h("div.cl-own-given", {}, input, steps), verdict, bars),
    ),
  );

  // ---- drawing ----
  const ground = () => (colourful ? "#ffffff" : "#000000");
  const stroked = () => (tool === "eraser" ? ground() : colourful ? ink : "#ffffff");

  function blank() {
    pen.globalCompositeOperation = "source-over";
    pen.fillStyle = ground();
    pen.fillRect(0, 0, SIDE, SIDE);
  }
  function remember() {
    past.push({ picture: pen.getImageData(0, 0, SIDE, SIDE), brought, empty });
    if (past.length > UNDO) past.shift();
    future = [];
  }
  function step(from, to) {
    if (!from.length) return;
    to.push({ picture: pen.getImageData(0, 0, SIDE, SIDE), brought, empty });
    const back = from.pop();
    pen.putImageData(back.picture, 0, 0);
    ({ brought, empty } = back);
    changed();
    keep();
  }
  function wipe() {
    if (empty) return;
    remember();
    blank();
    empty = true;
    brought = null;
    changed();
    keep();
  }
  function line(from, to, width) {
    pen.strokeStyle = stroked();
    pen.lineWidth = width;
    pen.lineCap = pen.lineJoin = "round";
    pen.beginPath();
    pen.moveTo(...from);
    pen.lineTo(to[0] + 0.01, to[1]);
    pen.stroke();
    brought = null;
    if (tool === "pencil") empty = false;
    changed();
  }
  const place = (event) => {
    const box = pad.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * SIDE, ((event.clientY - box.top) / box.height) * SIDE];
  };
  // A pen presses; a mouse and a finger always press the same.
  const pressed = (event) => (event.pointerType === "pen" && event.pressure ? size * (0.5 + event.pressure) : size);

  pad.addEventListener("pointerdown", (event) => {
    if (event.button > 0 && event.button !== 5) return;
    pad.setPointerCapture(event.pointerId);
    remember();
    stroke = place(event);
    setHidden(caret, true);
    line(stroke, stroke, pressed(event));
  });
  pad.addEventListener("pointermove", (event) => {
    if (!stroke) return;
    for (const part of event.getCoalescedEvents?.() ?? [event]) {
      const to = place(part);
      line(stroke, to, pressed(part));
      stroke = to;
    }
  });
  const lift = () => {
    if (!stroke) return;
    stroke = null;
    keep();
  };
  pad.addEventListener("pointerup", lift);
  pad.addEventListener("pointercancel", lift);

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

  // ---- pictures from outside ----
  async function bring(blob) {
    if (!blob) return;
    if (blob.type && !blob.type.startsWith("image/")) return complain(`“${blob.name}” is not a picture; choose a PNG, JPEG or the like.`);
    let picture = null;
    try {
      picture = await createImageBitmap(blob);
    } catch {
      // The browser cannot read it; perhaps the lab can. Its answer says so if not.
    }
    remember();
    blank();
    if (picture) {
      const scale = Math.min(SIDE / picture.width, SIDE / picture.height);
      const [w, hgt] = [picture.width * scale, picture.height * scale];
      pen.drawImage(picture, (SIDE - w) / 2, (SIDE - hgt) / 2, w, hgt);
    }
    brought = blob;
    empty = false;
    changed();
    keep();
  }
  el.addEventListener("dragover", (event) => event.preventDefault());
  el.addEventListener("drop", (event) => {
    event.preventDefault();
    bring([...event.dataTransfer.files].find((found) => found.type.startsWith("image/")) ?? event.dataTransfer.files[0]);
  });
  const paste = (event) => {
    const found = [...(event.clipboardData?.files ?? [])].find((item) => item.type.startsWith("image/"));
    if (!found || event.target.closest?.("input, textarea")) return;
    event.preventDefault();
    bring(found);
  };
  document.addEventListener("paste", paste);

  // What was drawn outlives a reload of the page.
  function keep() {
    try {
      if (empty) sessionStorage.removeItem(KEPT);
      else sessionStorage.setItem(KEPT, pad.toDataURL());
    } catch {
      // Storage is full or switched off: the drawing just does not outlive a reload.
    }
  }
  function recall() {
    const kept = sessionStorage.getItem(KEPT);
    if (!kept) return;
    const picture = new Image();
    picture.onload = () => {
      pen.drawImage(picture, 0, 0);
      empty = false;
      changed();
    };
    picture.src = kept;
  }

  // ---- asking the network ----
  function changed() {
    undo.disabled = !past.length;
    clear.disabled = empty;
    ask();
  }
  async function ask() {
    if (empty) return showNothing();
    if (asking) return void (askAgain = true);
    asking = true;
    try {
      const blob = brought ?? (await new Promise((done) => pad.toBlob(done)));
      const source = shown();
      const response = await fetch(address(`own?source=${encodeURIComponent(source)}`), { method: "POST", body: blob });
      const found = await response.json();
      if (source === shown() && !empty) found.error ? complain(found.error) : present(found);
    } catch {
      complain("The lab does not answer; your picture is kept.");
    }
    asking = false;
    if (askAgain) {
      askAgain = false;
      setTimeout(ask, 30);
    }
  }
  function complain(text) {
    setText(verdict, text);
    verdict.dataset.tone = "error";
    bars.replaceChildren();
    answer = null;
  }
  function showNothing() {
    answer = null;
    verdict.dataset.tone = "";
    setText(verdict, colourful ? "Draw something, or bring a picture, and see what the network takes it for." : "Draw something and see what the network takes it for.");
    bars.replaceChildren();
    setText(steps, "");
    setHidden(input, true);
  }

  function present(found) {
    const same = answer && answer.classes.length === found.classes.length && bars.children.length;
    const changedInput = !answer || answer.input !== found.input;
    answer = found;
    verdict.dataset.tone = "";
    const [best, share] = found.shares.reduce((top, value, i) => (value > top[1] ? [i, value] : top), [0, -1]);
    setText(verdict, `${found.untrained ? "The untrained network says" : "The network says"} “${found.classes[best]}”, ${percent(share).replace(" %", "\u00a0%")}.`);
    setHidden(input, false);
    setText(steps, found.done);
    if (changedInput) {
      const picture = new Image();
      picture.onload = () => {
        const context = crisp(input, 112, 112);
        context.imageSmoothingEnabled = false;
        context.drawImage(picture, 0, 0, 112, 112);
      };
      picture.src = found.input;
      
    }
    // All of a few classes in their order; of many the likeliest.
    const order = found.classes.map((_, i) => i);
    if (order.length > 12) order.sort((a, b) => found.shares[b] - found.shares[a]).splice(10);
    if (!same || order.length !== bars.children.length)
      bars.replaceChildren(...order.map(() => h("div.cl-obar", {}, h("span"), h("div", {}, h("i")), h("span"))));
    order.forEach((k, i) => {
      const [name, track, value] = bars.children[i].children;
      setText(name, found.classes[k]);
      track.firstChild.style.transform = `scaleX(${Math.max(0.004, found.shares[k]).toFixed(3)})`;
      setText(value, percent(found.shares[k]));
      bars.children[i].dataset.best = k === best;
    });
  }

  function saveCsv() {
    if (!answer) return;
    const quote = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
    saveText("class,share\n" + answer.classes.map((name, i) => `${quote(name)},${answer.shares[i]}`).join("\n") + "\n", "convolab-own-input.csv");
  }

  function dress() {
    setHidden(inkPicker, !colourful);
    pad.setAttribute("aria-label", "Drawing pad. Arrow keys move the pencil, Space puts it down or lifts it, E takes the eraser, P the pencil, Ctrl-Z undoes, Delete clears.");
    setText(hint, "Mouse, finger or pen; by keyboard: arrows move, Space draws, E erases, Delete clears.");
  }
  model.on("change:colour", (value) => {
    if (!!value === colourful) return;
    colourful = !!value;
    dress();
    if (empty) blank();
    past = [];
    changed();
  });

  const stopFeed = subscribe({
    el,
    query: () => ({}),
    update: (news) => {
      if (news.weights === undefined || news.weights === weights) return;
      weights = news.weights;
      if (!empty) ask();
    },
    reset: () => (weights = null),
  });
  blank();
  dress();
  changed();
  recall();
  return () => {
    stopFeed();
    document.removeEventListener("paste", paste);
  };
}
