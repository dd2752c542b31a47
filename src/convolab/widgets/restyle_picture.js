// The room's stage: a photo or the camera, painted in one style or several, with the divider between before and after.
import { cornerMenu, h, saveAddress, saveBlob, setHidden, setText } from "./look.js";
import { camera } from "./restyle_camera.js";
import { controls } from "./restyle_controls.js";
import { divider } from "./restyle_divider.js";
import { address, bring, command, fileName, mixText, mixTitle, onShelf, parseMix, patience, pictureAddress, pinned, shelf, sized } from "./restyle_parts.js";
import { photoStrip } from "./restyle_photos.js";
import { styleStrip } from "./restyle_styles.js";

export default { render };

const MOST_STYLES = 8;

function render({ model, el }) {
  let shown = model.get("shown");
  const live = { on: false, network: "small", size: 320 };

  const before = h("img.cs-picture", { alt: "The photo", draggable: "false" });
  const after = h("img.cs-picture", { alt: "The painting", draggable: "false" });
  const beforeCanvas = h("canvas.cs-picture", { role: "img", "aria-label": "The camera", hidden: true });
  const afterCanvas = h("canvas.cs-picture", { role: "img", "aria-label": "The camera, painted", hidden: true });
  const both = (...parts) => h("div.cs-both", {}, ...parts);
  const stage = divider({ before: both(before, beforeCanvas), after: both(after, afterCanvas) });
  const room = el.closest("[data-room]") ?? document.body;
  const photos = photoStrip({ label: "Photo", room, onPick: (photo) => (stopCamera(), change({ photo }, true)) });
  const cameraButton = h("button.cl-button.cs-camera", { type: "button", "aria-pressed": "false", "data-tip": "Paint what the camera sees, live. Pictures stay on this machine and that of the lab.", onclick: () => (live.on ? stopCamera() : startCamera()) }, "Camera");
  const shot = h("button.cl-button", { type: "button", hidden: true, "data-tip": "Take the camera's picture as the photo", onclick: snapshot }, "Snapshot");
  const menu = cornerMenu("the picture", [
    ["The painting (PNG)", () => save("painted")],
    ["The photo at its size (PNG)", () => save("photo")],
  ]);
  const download = h("button.cl-button", { type: "button", "data-tip": "Save the painting as a PNG", onclick: () => save("painted") }, "Download");
  const caption = h("p.cs-caption", { "aria-live": "off" });
  const figures = h("span.cs-figures");
  const busy = h("span.cl-muted", { role: "status" });
  const sayBusy = patience(busy);
  const problem = h("div.note.bad", { role: "alert", hidden: true });
  const styles = styleStrip({ label: "Styles", verb: "Paint in the style", onPick: pickStyle, onAdd: addStyle });
  const side = controls({ shown: () => shown, live: () => live, change: changed });
  const eye = camera({ before: beforeCanvas, after: afterCanvas, settings: liveSettings, onStats: tellStats, onFit: (w, hgt) => stage.fit(w, hgt), onProblem: complain, onStop: stopCamera });

  el.append(
    h("div.cs-main", {}, h("div.cs-tools", {}, photos.root, h("span.cs-buttons", {}, shot, cameraButton, download, menu)), photos.problem, problem, stage.root, h("div.cs-under", {}, caption, busy, h("span.cl-spring"), figures), styles.root),
    h("aside.cs-side", { "aria-label": "How it is painted" }, side.root),
  );

  // ---- what is wanted ----
  function change(values, done) {
    shown = { ...shown, ...values };
    draw();
    if (done) model.send(values);
  }
  function changed(values, done) {
    if (live.on && ("size" in values || "network" in values)) {
      Object.assign(live, values);
      return draw();
    }
    change(values, done);
  }
  function pickStyle(name) {
    const size = parseMix(shown.style)[0];
    const now = shelf.styles.find((style) => style.name === size?.name)?.size ?? "standard";
    change({ style: sized(name, now) }, true);
  }
  function addStyle(name) {
    const mix = parseMix(shown.style);
    if (mix.length >= MOST_STYLES) return complain(`At most ${MOST_STYLES} styles can be mixed; remove one first.`);
    change({ style: mixText([...mix.map((one) => (mix.length === 1 ? { ...one, share: 0.5 } : one)), { name, share: 0.5 }]) }, true);
  }
  function liveSettings() {
    const mix = parseMix(shown.style).map((one) => ({ ...one, name: sized(one.name, live.network) }));
    return { style: mixText(mix), strength: shown.strength, padding: shown.padding, keep: shown.keep, mirror: shown.mirror, size: live.size };
  }
  const query = () => new URLSearchParams({ photo: shown.photo, style: shown.style, size: shown.size, strength: shown.strength, padding: shown.padding, keep: shown.keep ? "yes" : "no" }).toString();

  // ---- painting a photo: one at a time, then what is wanted by then ----
  let [painting, painted, wanted] = [false, "", ""];
  async function paint() {
    if (live.on || !shown.style || !shelf.loaded) return;
    wanted = `${query()}&v=${parseMix(shown.style).map((one) => shelf.styles.find((style) => style.name === one.name)?.stamp ?? "").join(".")}`;
    if (painting || wanted === painted) return;
    painting = true;
    while (wanted !== painted && !live.on) {
      const asked = wanted;
      sayBusy("Painting …");
      el.dataset.state = "painting";
      try {
        await paintOne(asked);
      } catch (error) {
        complain(error.message);
      }
      painted = asked;
    }
    painting = false;
    sayBusy("");
    el.dataset.state = "painted";
  }
  async function paintOne(asked) {
    let answer;
    try {
      answer = await fetch(address(`painted/painting.jpg?${asked}`));
    } catch {
      throw new Error("The lab does not answer; is it still running?");
    }
    if (!answer.ok) throw new Error(await answer.text());
    const url = URL.createObjectURL(await answer.blob());
    const [width, height] = answer.headers.get("X-Size").split("x").map(Number);
    const old = after.src;
    after.src = url;
    await after.decode().catch(() => {});
    if (old.startsWith("blob:")) URL.revokeObjectURL(old);
    stage.fit(width, height);
    complain("");
    const seconds = Number(answer.headers.get("X-Seconds"));
    setText(figures, `${width}×${height} pixels, painted in ${seconds < 1 ? `${Math.round(1000 * seconds)} ms` : `${seconds.toFixed(1)} s`}`);
  }
  let shownPhoto = "";
  function showPhoto() {
    const source = address(`photo/photo.jpg?${new URLSearchParams({ photo: shown.photo, size: shown.size })}`);
    if (source === shownPhoto) return;
    shownPhoto = source;
    before.src = source;
  }

  // ---- the camera ----
  async function startCamera() {
    complain("");
    cameraButton.disabled = true;
    sayBusy("Asking for the camera …");
    try {
      live.on = true;
      await eye.start();
    } catch (error) {
      live.on = false;
      complain(error.message);
    }
    sayBusy("");
    cameraButton.disabled = false;
    draw();
  }
  function stopCamera() {
    if (!live.on) return;
    live.on = false;
    eye.stop();
    painted = "";
    draw();
  }
  async function snapshot() {
    const blob = await eye.snapshot();
    try {
      const found = await bring(pictureAddress("pictures?name=snapshot.jpg"), blob);
      stopCamera();
      change({ photo: found.key }, true);
      photos.refresh();
    } catch (error) {
      complain(error.message);
    }
  }
  function tellStats(now) {
    setText(figures, now ? `${now.rate.toFixed(0)} frames/s · ${Math.round(now.latency)} ms from camera to painting · ${now.width}×${now.height}` : "");
  }

  // ---- saving, saying ----
  function save(what) {
    const name = what === "photo" ? "photo" : fileName(mixTitle(shown.style));
    if (!live.on) return saveAddress(address(`${what}/${name}.png?${query()}`));
    (what === "photo" ? beforeCanvas : afterCanvas).toBlob((blob) => saveBlob(blob, `${name}.png`), "image/png");
  }
  function complain(sentence) {
    setText(problem, sentence ?? "");
    setHidden(problem, !sentence);
  }

  function draw() {
    for (const part of [before, after]) setHidden(part, live.on);
    for (const part of [beforeCanvas, afterCanvas, shot]) setHidden(part, !live.on);
    cameraButton.setAttribute("aria-pressed", String(live.on));
    setText(cameraButton, live.on ? "Stop camera" : "Camera");
    photos.show(live.on ? "" : shown.photo);
    styles.show(parseMix(shown.style).map((one) => one.name));
    setText(caption, shelf.loaded ? mixTitle(shown.style) : "");
    side.draw();
    const how = live.on ? liveSettings() : shown;
    el.dataset.pin = pinned(how, command(how, "photo.png", `${fileName(mixTitle(shown.style))}.png`));
    if (live.on) {
      eye.tell();
      el.dataset.state = "live";
    } else {
      showPhoto();
      paint();
    }
  }
  model.on("change:shown", (value) => {
    shown = value;
    // Another part of the room is looked at: the camera's light goes out.
    if (shown.view !== "picture") stopCamera();
    draw();
  });
  const stopShelf = onShelf(draw);
  draw();
  return () => {
    stopCamera();
    stopShelf();
    styles.stop();
    photos.stop();
    stage.stop();
  };
}
