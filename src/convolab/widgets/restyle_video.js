// Videos: brought, a second of them looked at, painted as a whole with progress and time left, taken along.
import { poke, subscribe } from "./feed.js";
import { h, saveAddress, setHidden, setText } from "./look.js";
import { controls } from "./restyle_controls.js";
import { address, bring, get, mixText, mixTitle, onShelf, parseMix, post, shelf, sized } from "./restyle_parts.js";
import { styleStrip } from "./restyle_styles.js";

export default { render };

function render({ model, el }) {
  let shown = model.get("shown");
  let videos = [];
  let render_ = null; // what the newest news say about painting
  let cursor = "";

  const file = h("input", { type: "file", accept: "video/*,.mkv,.avi", hidden: true, "aria-label": "Video from a file", onchange: () => (take(file.files[0]), (file.value = "")) });
  const choose = h("button.cl-button", { type: "button", "data-tip": "MP4, MOV, MKV, WebM, AVI; it can also be dropped here", onclick: () => file.click() }, "File …");
  const list = h("div.cs-videos", { role: "group", "aria-label": "Videos that were brought" });
  const busy = h("p.cl-muted", { role: "status" });
  const problem = h("div.note.bad", { role: "alert", hidden: true });
  const facts = h("p.cs-figures");
  const before = h("video.cs-film", { controls: true, playsinline: true, preload: "metadata", "aria-label": "The video as it came" });
  const after = h("video.cs-film", { controls: true, playsinline: true, preload: "auto", "aria-label": "The painted video", loop: true });
  before.muted = after.muted = true;
  const cameWords = h("figcaption.cl-muted", {}, "As it came");
  before.addEventListener("error", () => before.src && setText(cameWords, "As it came; the browser cannot play this kind of video, but it can be painted"));
  before.addEventListener("loadedmetadata", () => setText(cameWords, "As it came"));
  const none = h("div.cs-drop", {}, h("b", {}, "A video"), h("span", {}, "Drop it here or choose a file. A second of it is painted for a look, then the whole, with its sound."));
  const none2 = h("div.cs-drop", {}, h("span", {}, "Press Preview to see one second of it painted."));
  const preview = h("button.cl-button", { type: "button", "data-tip": "Paint one second, to see whether it is what you want", onclick: () => paint(true) }, "Preview one second");
  const whole = h("button.ct-main", { type: "button", onclick: () => paint(false) }, "Render");
  const stop = h("button.cl-button", { type: "button", hidden: true, "data-tip": "What is painted is kept; Render goes on after it", onclick: halt }, "Stop");
  const download = h("button.cl-button", { type: "button", hidden: true, onclick: () => saveAddress(painted()) }, "Download");
  const bar = h("div.cl-bar", { role: "progressbar", "aria-label": "How far the video is", "aria-valuemin": 0, "aria-valuemax": 100 }, h("div.cl-bar-fill"));
  const progress = h("span");
  const left = h("span");
  const said = h("p.cl-sentence", { role: "status" });
  const styles = styleStrip({ label: "Styles", verb: "Paint in the style", onPick: (name) => change({ style: sized(name, sizeNow()) }, true), onAdd: add });
  const side = controls({ shown: () => shown, live: () => ({ on: false }), change });
  const stage = h("div.cs-films", {}, h("figure", {}, none, before, cameWords), h("figure", {}, none2, after, h("figcaption.cl-muted", {}, "Painted")));
  el.append(
    h("div.cs-main", {}, h("div.cs-tools", {}, choose, file, list, h("span.cl-spring"), preview, whole, stop, download), busy, problem, stage, h("div.cs-under", {}, facts), bar, h("div.cl-progress", {}, progress, left), said, styles.root),
    h("aside.cs-side", { "aria-label": "How it is painted" }, side.root),
  );

  const say = (words) => (setText(problem, words ?? ""), setHidden(problem, !words));
  const sizeNow = () => shelf.styles.find((style) => style.name === parseMix(shown.style)[0]?.name)?.size ?? "standard";
  function add(name) {
    const mix = parseMix(shown.style);
    change({ style: mixText([...mix.map((one) => (mix.length === 1 ? { ...one, share: 0.5 } : one)), { name, share: 0.5 }].slice(0, 8)) }, true);
  }
  function change(values, done) {
    shown = { ...shown, ...values };
    if (done) model.send(values);
    draw();
  }
  async function take(one) {
    if (!one) return;
    say("");
    setText(busy, `Bringing ${one.name} …`);
    try {
      const found = await bring(address(`bring/video?name=${encodeURIComponent(one.name)}`), one);
      change({ video: found.video }, true);
      await list_();
    } catch (error) {
      say(error.message);
    }
    setText(busy, "");
    draw();
  }
  async function list_() {
    try {
      videos = (await get("videos")).videos;
    } catch (error) {
      say(error.message);
    }
    draw();
    poke();
  }
  async function paint(onlySecond) {
    say("");
    preview.disabled = whole.disabled = true;
    try {
      const { style, strength, size, padding, keep, video } = shown;
      if (!video) throw new Error("Choose a video first: drop it, or press File.");
      await post("video", { video, style, strength, size, padding, keep, preview: onlySecond });
      poke();
    } catch (error) {
      say(error.message);
    }
    preview.disabled = whole.disabled = false;
  }
  async function halt() {
    stop.disabled = true;
    try {
      await post("stop-video", { video: shown.video });
      poke();
    } catch (error) {
      say(error.message);
    }
    stop.disabled = false;
  }
  const painted = () => address(`videos/${shown.video}/${render_.preview ? "preview" : "painted"}-${render_.key}.mp4`);
  function source(player, wanted) {
    if (player.dataset.source === wanted) return;
    player.dataset.source = wanted;
    if (wanted) player.src = wanted;
    else (player.removeAttribute("src"), player.load());
  }

  let listedFor = "";
  function draw() {
    const video = videos.find((one) => one.video === shown.video);
    const key = JSON.stringify([videos, shown.video]);
    if (key !== listedFor) {
      listedFor = key;
      list.replaceChildren(...videos.map((one) => h("span.cs-video-chip", {}, h("button.ct-chip", { type: "button", "aria-pressed": String(one.video === shown.video), onclick: () => (change({ video: one.video }, true), poke()) }, one.title), h("button.cl-remove", { type: "button", "aria-label": `Delete ${one.title}`, title: "Delete it with all that was painted of it", onclick: () => remove(one) }, "×"))));
    }
    setHidden(before, !video);
    setHidden(none, !!video);
    source(before, video ? address(`videos/${video.video}/source`) : "");
    if (video) before.poster = address(`videos/${video.video}/still.jpg`);
    setText(facts, video ? `${video.width}×${video.height} pixels · ${video.frames == null ? "" : `${video.frames.toLocaleString("en")} frames · `}${video.rate.toFixed(1)} frames/s${video.seconds == null ? "" : ` · ${video.seconds.toFixed(1)} s`} · ${video.sound ? "with sound" : "no sound"} · painted with ${mixTitle(shown.style)}` : "");
    const running = render_?.state === "running";
    const done = render_?.state === "finished";
    setHidden(after, !done);
    setHidden(none2, done);
    source(after, done ? painted() : "");
    setText(none2.firstChild, running ? "Painting …" : "Press Preview to see one second of it painted.");
    setHidden(stop, !running);
    setHidden(download, !done || render_.preview);
    setHidden(preview, running);
    setHidden(whole, running);
    for (const part of [bar, progress, left]) setHidden(part, !running);
    bar.firstChild.style.transform = `scaleX(${render_?.fraction ?? 0})`;
    bar.setAttribute("aria-valuenow", Math.round(100 * (render_?.fraction ?? 0)));
    setText(progress, running ? `${render_.preview ? "Preview: " : ""}frame ${render_.frame.toLocaleString("en")}${render_.frames ? ` of ${render_.frames.toLocaleString("en")}` : ""}` : "");
    setText(left, running ? render_.left : "");
    const words = render_?.error || (render_?.state === "stopped" ? "Stopped; Render goes on where it was." : done && !render_.preview ? `Rendered: ${render_.said || "as before."}` : "");
    setText(said, words);
    setHidden(said, !words);
    said.dataset.tone = render_?.error ? "error" : "";
    el.dataset.state = running ? "painting" : (render_?.state ?? "empty");
    styles.show(parseMix(shown.style).map((one) => one.name));
    side.draw();
  }
  async function remove(one) {
    try {
      await post("remove-video", { video: one.video });
      if (one.video === shown.video) change({ video: "" }, true);
    } catch (error) {
      say(error.message);
    }
    await list_();
  }
  const stopFeed = subscribe({
    el,
    query: () => (shown.video ? { y: `${shown.video}~${cursor}` } : {}),
    update: ({ video: news }) => {
      if (!news || news.video !== shown.video) return;
      cursor = news.cursor;
      render_ = news.render;
      draw();
    },
  });
  let followed = shown.video;
  model.on("change:shown", (value) => {
    shown = value;
    if (shown.video !== followed) [followed, cursor, render_] = [shown.video, "", null];
    draw();
  });
  const place = el;
  place.addEventListener("dragover", (event) => {
    if (![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    place.classList.add("over");
  });
  place.addEventListener("dragleave", () => place.classList.remove("over"));
  place.addEventListener("drop", (event) => {
    place.classList.remove("over");
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    event.stopPropagation();
    take(event.dataTransfer.files[0]);
  });
  const stopShelf = onShelf(draw);
  list_();
  draw();
  return () => {
    stopFeed();
    stopShelf();
    styles.stop();
  };
}
