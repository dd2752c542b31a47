// How far the shown run is, its newest figures, and its state as a sentence. Text is written by the server.
import { poke, show, subscribe } from "./feed.js";
import { h, setHidden, setText } from "./look.js";

export default { render };

function render({ model, el }) {
  const sentence = h("p.cl-sentence", { role: "status", "aria-live": "polite" });
  const bar = h("div.cl-bar-fill");
  const track = h("div.cl-bar", { role: "progressbar", "aria-label": "Training progress", "aria-valuemin": 0, "aria-valuemax": 100 }, bar);
  const done = h("span");
  const left = h("span");
  const progress = h("div.cl-progress", {}, done, left);
  const list = h("dl.cl-figures");
  const slots = new Map();
  el.classList.add("cl-status");
  el.append(list, track, progress, sentence);

  function figure(name) {
    const value = h("b");
    const note = h("small");
    const box = h("div", {}, h("dt", {}, name), h("dd", {}, value, note));
    list.append(box);
    return { value, note, box };
  }

  function update(news) {
    const status = news.status;
    if (!status) return;
    el.dataset.state = status.state;
    setText(sentence, status.sentence);
    sentence.dataset.tone = status.tone;
    setHidden(sentence, !status.sentence);
    const running = status.fraction !== null && status.fraction !== undefined;
    setHidden(track, !running);
    if (running) {
      bar.style.transform = `scaleX(${status.fraction})`;
      track.setAttribute("aria-valuenow", Math.round(status.fraction * 100));
      track.setAttribute("aria-valuetext", `${status.done}, ${status.left}`);
    }
    setHidden(progress, !status.done);
    setText(done, status.done);
    setText(left, status.left);
    for (const [name, value, note] of status.figures) {
      if (!slots.has(name)) slots.set(name, figure(name));
      const slot = slots.get(name);
      setText(slot.value, value);
      setText(slot.note, note);
    }
    setHidden(list, status.figures.length === 0);
  }

  let version = "";
  const stop = subscribe({
    query: () => ({ s: version }),
    update: (news) => {
      if (news.status) version = news.status.version;
      update(news);
    },
    reset: () => {
      version = "";
      for (const node of [sentence, track, progress, list]) setHidden(node, true);
      setText(sentence, "");
    },
  });
  model.on("change:source", (source) => show(source));
  show(model.get("source") ?? "");
  model.on("msg:custom", poke);
  return stop;
}
