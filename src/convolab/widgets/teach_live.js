// What the camera sees, and what it is taken for: bars, the most similar examples, and where the evidence lies. An
// example or a picture from a file can be looked at in the same place.
import { cornerMenu, crisp, h, percent, savePicture, saveText, setHidden, setText, signedScale, theme } from "./look.js";
import { address, colourOf, follow, imageAddress, posted, saw, store, swatch, tell } from "./teach_store.js";
import { camera, grab, onCamera, startCamera, stopCamera } from "./teach_camera.js";
import { filePicker } from "./teach_classes.js";

export default { render };

const RETRY_MS = 300; // while there is nothing to ask or nobody to answer
const RATE_OVER = 12; // predictions over which their rate is told

function render({ model, el }) {
  const project = model.get("project");
  let why = false;
  let label = null; // the class whose evidence is shown; null: the likeliest
  let socket = null;
  let closed = false;
  let underWay = 0; // pictures of the camera on their way
  let sentAt = 0;
  let looking = 200; // milliseconds that the lab needs for one
  let times = [];
  let picture = null; // a file that is looked at: { blob, url, name }
  let answer = null; // of what is looked at, if that is not the camera
  let asked = "";
  let frame = null; // the answer to the newest picture of the camera
  let problemText = "";
  let answers = 0;
  el.classList.add("te-live", "cl-panel");

  // ---- elements ----
  const start = h("button.cx-main.te-start", { type: "button", "data-tip": "Pictures are looked at on this machine and not kept, unless you record them", onclick: () => (camera.on ? stopCamera() : startCamera()) }, "Start the camera");
  const picker = filePicker({ accept: "image/*" });
  const file = h("button.cl-button", { type: "button", "data-tip": "Look at a picture without adding it to a class", onclick: () => picker.open(([found]) => found && lookAtFile(found)) }, "Try a picture …");
  const mirror = h("input", { type: "checkbox", onchange: draw });
  mirror.checked = true;
  const evidence = h("input", { type: "checkbox", onchange: () => ((why = evidence.checked), wish(), draw()) });
  const target = h("select.cx-input", { "aria-label": "Evidence for which class", onchange: () => ((label = target.value === "" ? null : +target.value), (asked = ""), wish(), draw()) });
  const rate = h("span.cl-muted.num", { role: "status" });
  const still = h("img.te-still", { alt: "", hidden: true });
  const overlay = h("canvas.te-overlay", { "aria-hidden": "true", hidden: true });
  const waiting = h("div.te-waiting", {}, h("p", {}, "The camera's picture appears here."), start);
  const stage = h("div.te-stage", {}, camera.video, still, overlay, waiting);
  const back = h("button.cl-button", { type: "button", hidden: true, onclick: () => ((store.chosen = ""), dropFile(), tell()) }, "Back to the camera");
  const stopButton = h("button.cl-button", { type: "button", hidden: true, onclick: stopCamera }, "Stop the camera");
  const problem = h("div.note.bad", { role: "alert", hidden: true });
  const title = h("h2.cl-panel-title", { "data-tip": "What the classifier says, and why" }, "What it sees");
  const hint = h("p.cl-empty", {}, "Give each class some images and press Train: then the bars say, many times a second, what the camera sees.");
  const bars = h("div.te-bars", { role: "list", "aria-label": "Shares of the classes" });
  const verdict = h("p.te-verdict", { "aria-live": "off" });
  const nearest = h("div.te-nearest");
  const nearestTitle = h("h3", { "data-tip": "Of the images that were learned from, those whose features point most nearly the same way (cosine)" }, "Most like these examples");
  const legend = h("p.cl-muted.te-legend");
  const menu = cornerMenu("what it sees", [["The picture with its bars (PNG)", savePng], ["The numbers (CSV)", saveCsv]]);
  el.append(
    h("div.cl-panel-head", {}, title, rate, h("span.cl-spring"), stopButton, back, file, menu),
    problem, stage,
    h("div.cl-tools.te-tools", {}, h("label.cx-check", { "data-tip": "Show the camera as a mirror does; what is recorded is not mirrored" }, mirror, "Mirror"),
      h("label.cx-check", { "data-tip": "Where in the picture the evidence for a class lies: orange speaks for it, blue against it" }, evidence, "Why: show the evidence"), target, legend),
    verdict, hint, bars, nearestTitle, nearest,
  );

  // ---- the socket: a picture is sent when the one before is half looked at, so that the lab never waits ----
  function connect() {
    if (closed) return;
    const url = `${location.origin.replace(/^http/, "ws")}${address("live", { project })}`;
    socket = new WebSocket(url);
    socket.onopen = () => (wish(), pump());
    socket.onmessage = ({ data }) => {
      underWay = Math.max(0, underWay - 1);
      heard(JSON.parse(data));
      pump();
    };
    socket.onclose = () => {
      underWay = 0;
      if (!closed) setTimeout(connect, 1000);
    };
  }
  const wish = () => socket?.readyState === WebSocket.OPEN && socket.send(JSON.stringify({ why, label }));
  const lookedAt = () => picture?.name ?? store.chosen;
  async function pump() {
    if (closed || underWay > 1 || socket?.readyState !== WebSocket.OPEN) return;
    if (!camera.on || !store.state?.trained || lookedAt() || document.hidden) {
      times = [];
      return;
    }
    const wait = underWay ? sentAt + looking / 2 - performance.now() : 0;
    clearTimeout(soon);
    if (wait > 0) return (soon = setTimeout(pump, wait));
    underWay += 1;
    sentAt = performance.now();
    const blob = await grab();
    if (!blob || socket.readyState !== WebSocket.OPEN) {
      underWay = Math.max(0, underWay - 1);
      return;
    }
    socket.send(blob);
    if (underWay === 1) soon = setTimeout(pump, looking / 2);
  }
  let soon = 0;
  const heartbeat = setInterval(pump, RETRY_MS);
  function heard(found) {
    problemText = found.error ?? "";
    if (!found.error) {
      frame = found;
      el.dataset.answers = answers += 1;
      el.dataset.ms = found.ms;
      looking += (found.ms - looking) / 4;
      if (!lookedAt()) saw(found);
      times.push(performance.now());
      if (times.length > RATE_OVER) times.shift();
    }
    draw();
  }

  // ---- an example or a file instead of the camera ----
  function lookAtFile(found) {
    dropFile();
    store.chosen = "";
    picture = { blob: found, name: found.name || "picture", url: URL.createObjectURL(found) };
    asked = "";
    tell();
  }
  function dropFile() {
    if (picture) URL.revokeObjectURL(picture.url);
    picture = null;
    answer = null;
    asked = "";
  }
  async function explain() {
    const wanted = lookedAt();
    if (wanted && store.chosen && picture) dropFile();
    const key = `${wanted} ${label} ${store.state?.learned_version}`;
    if (!wanted || !store.state?.trained || key === asked) return;
    asked = key;
    const values = { project, ...(picture ? {} : { example: store.chosen }), ...(label === null ? {} : { label }) };
    store.errorIn = "live";
    const found = await posted(address("why", values), picture?.blob ?? new Blob());
    if (asked !== key) return;
    answer = found;
    if (found) saw(found);
    problemText = found ? "" : store.error;
    tell();
  }

  // ---- drawing ----
  function shown() {
    return lookedAt() ? answer : camera.on ? frame : null;
  }
  function draw() {
    const trained = Boolean(store.state?.trained);
    const instead = lookedAt();
    if (instead) explain();
    const now = trained ? shown() : null;
    setHidden(still, !instead);
    if (instead) {
      const address = picture?.url ?? imageAddress(store.chosen);
      if (still.getAttribute("src") !== address) still.src = address;
      still.alt = picture ? picture.name : "The chosen example";
    }
    camera.video.hidden = Boolean(instead) || !camera.on;
    camera.video.classList.toggle("te-mirrored", mirror.checked);
    setHidden(waiting, Boolean(instead) || camera.on);
    setText(start, camera.starting ? "Starting …" : "Start the camera");
    start.disabled = camera.starting;
    setHidden(stopButton, !camera.on);
    setHidden(back, !instead);
    setText(back, camera.on ? "Back to the camera" : "Close");
    setText(problem, camera.problem || problemText);
    setHidden(problem, !problem.textContent);
    setText(rate, camera.on && !instead && times.length > 2 ? `${rateOf(times).toFixed(1)} predictions/s` : "");
    setHidden(hint, trained);
    setText(hint, trained ? "" : "Give each class some images and press Train: then the bars say, many times a second, what the camera sees.");
    setHidden(nearestTitle, !now);
    drawTargets(now);
    drawBars(now);
    drawNearest(now);
    drawEvidence(now, instead);
    el.dataset.shown = instead ? "picture" : camera.on ? "camera" : "nothing";
  }
  const rateOf = (all) => (1000 * (all.length - 1)) / Math.max(1, all.at(-1) - all[0]);
  function drawTargets(now) {
    const classes = now?.classes ?? store.learned?.classes ?? [];
    const key = classes.join("\n");
    if (target.dataset.key !== key) {
      target.dataset.key = key;
      target.replaceChildren(h("option", { value: "" }, "for the likeliest class"), ...classes.map((name, i) => h("option", { value: i }, `for ${name}`)));
      if (label !== null && label >= classes.length) label = null;
      target.value = label ?? "";
    }
    setHidden(target, !why);
  }
  function drawBars(now) {
    const classes = now?.classes ?? (store.state?.trained ? store.learned?.classes : null) ?? [];
    const best = now ? now.shares.indexOf(Math.max(...now.shares)) : -1;
    setText(verdict, now ? `${classes[best]}, ${percent(now.shares[best], 0)}` : "");
    const key = classes.join("\n");
    if (bars.dataset.key !== key) {
      bars.dataset.key = key;
      bars.replaceChildren(...classes.map((name, i) => h("div.te-bar", { role: "listitem" }, swatch(i), h("span.te-bar-name", {}, name), h("div.te-track", {}, h("i")), h("span.num", {}, ""))));
    }
    [...bars.children].forEach((row, i) => {
      const share = now ? now.shares[i] : 0;
      const fill = row.children[2].firstChild;
      fill.style.transform = `scaleX(${share})`;
      fill.style.background = row.firstChild.style.background;
      row.dataset.best = String(i === best);
      setText(row.lastChild, now ? percent(share, 0) : "");
    });
  }
  function drawNearest(now) {
    const ids = now?.nearest.map((one) => one.id) ?? [];
    if (nearest.dataset.key !== ids.join()) {
      nearest.dataset.key = ids.join();
      nearest.replaceChildren(...ids.map((id) => h("figure", {}, h("button.te-thumb", { type: "button", onclick: () => ((store.chosen = id), tell()) }, h("img", { src: imageAddress(id), alt: "" })), h("figcaption", {}, h("span"), h("small.num")))));
    }
    now?.nearest.forEach((one, i) => {
      const figure = nearest.children[i];
      figure.firstChild.setAttribute("aria-label", `An example of ${now.classes[one.label]}: look at it`);
      setText(figure.lastChild.firstChild, now.classes[one.label]);
      setText(figure.lastChild.lastChild, one.similarity.toFixed(2).replace("-", "−"));
    });
  }
  function drawEvidence(now, instead) {
    const found = why ? now?.evidence : null;
    setHidden(overlay, !found);
    const on = found ? now.classes[found.label] : "";
    setText(legend, why ? (found ? `Orange speaks for ${on}, blue against it (${found.method}).` : now && !instead && now.evidence === undefined && store.learned ? "This base has no places to show while the camera runs; press an example." : "") : "");
    if (!found) return;
    const side = stage.clientWidth;
    overlay.classList.toggle("te-mirrored", mirror.checked && !instead);
    drawValues(crisp(overlay, side, side, 1), side, found.values);
  }
  // Signed values as a veil over the picture: strong where there is evidence, clear where there is none.
  function drawValues(context, side, values) {
    const scale = signedScale();
    const [rows, columns] = [values.length, values[0].length];
    const small = document.createElement("canvas");
    [small.width, small.height] = [columns, rows];
    const image = small.getContext("2d").createImageData(columns, rows);
    values.flat().forEach((value, i) => {
      const share = value / 127;
      const [r, g, b] = scale(share < 0 ? -1 : 1);
      image.data.set([r, g, b, Math.round(190 * Math.abs(share))], 4 * i);
    });
    small.getContext("2d").putImageData(image, 0, 0);
    context.imageSmoothingQuality = "high";
    context.drawImage(small, 0, 0, side, side);
  }

  // ---- saving ----
  function savePng() {
    const now = shown();
    const source = lookedAt() ? still : camera.video;
    const [wide, high] = lookedAt() ? [still.naturalWidth, still.naturalHeight] : [camera.video.videoWidth, camera.video.videoHeight];
    const cut = Math.min(wide, high);
    const look = theme();
    const rows = now?.classes.length ?? 0;
    savePicture(360, 360 + 28 * rows + 24, (context) => {
      if (cut) context.drawImage(source, (wide - cut) / 2, (high - cut) / 2, cut, cut, 12, 12, 336, 336);
      if (why && now?.evidence) {
        context.save();
        context.translate(12, 12);
        drawValues(context, 336, now.evidence.values);
        context.restore();
      }
      context.textBaseline = "middle";
      context.font = `13px ${look.font}`;
      now?.shares.forEach((share, i) => {
        const y = 372 + 28 * i;
        context.fillStyle = look.line;
        context.fillRect(120, y - 6, 176, 12);
        context.fillStyle = colourOf(look, i);
        context.fillRect(120, y - 6, 176 * share, 12);
        context.fillStyle = look.ink;
        context.fillText(now.classes[i], 12, y, 100);
        context.fillText(percent(share, 0), 304, y);
      });
    }, "convolab-what-it-sees.png");
  }
  function saveCsv() {
    const now = shown();
    const rows = [["class", "share"], ...(now?.classes ?? []).map((name, i) => [`"${name.replaceAll('"', '""')}"`, now.shares[i]])];
    saveText(rows.map((row) => row.join(",")).join("\n") + "\n", "convolab-what-it-sees.csv");
  }

  connect();
  const stopFollowing = follow(project, draw);
  const stopCameraNews = onCamera(() => (draw(), pump()));
  draw();
  return () => {
    closed = true;
    clearInterval(heartbeat);
    clearTimeout(soon);
    socket?.close();
    stopFollowing();
    stopCameraNews();
    stopCamera();
    dropFile();
  };
}
