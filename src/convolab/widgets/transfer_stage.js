// The picture as it paints, as large as the window allows, with its controls above and a scrubber under it.
import { cornerMenu, h, popover, saveAddress, setHidden, setText } from "./look.js";
import { address, ask, choose, iterateAddress, job, listen, show, shownStep } from "./transfer_job.js";

export default { render };

const MAIN = { draft: ["Paint", "paint"], running: ["Pause", "pause"], paused: ["Resume", "resume"], interrupted: ["Resume", "resume"], stopped: ["Resume", "resume"], queued: ["Waiting", ""], finished: ["Paint", "paint"], failed: ["Paint", "paint"], gone: ["Paint", "paint"] };
const FILM_MS = 60;
const PATIENCE = 30_000; // ms until what was pressed must have been answered

function render({ model, el }) {
  let patience = 0;
  let busy = ""; // what was asked for and is not answered yet
  let playing = 0;
  let loading = false;
  let shown = ""; // address of the picture that is on the stage
  let comparing = false;

  const main = h("button.ct-main", { type: "button", onclick: () => act(MAIN[job.state]?.[1]) });
  main.dataset.key = "train"; // the key that starts and pauses work in every room
  const stop = h("button.cl-button", { type: "button", title: "End with the picture as it is", onclick: () => act("stop") }, "Stop");
  const anew = h("button.cl-button", { type: "button", title: "Leave this picture; the next press of Paint begins a new one", onclick: () => act("anew") }, "Start anew");
  const half = (kind, help) => h("button.cl-button", { type: "button", title: help, onclick: () => act("rebuild", { half: kind }) }, kind === "content" ? "Content" : "Style");
  const halves = h("span.ct-halves", {}, h("span.cl-muted", {}, "Rebuild only"), half("content", "The photo from noise, from its activations in the content layer alone"), half("style", "The texture of the style from noise, from its Gram matrices alone"));
  const compare = h("button.cl-button", { type: "button", "aria-pressed": "false", title: "Show the photo in its place, to compare", onclick: () => setComparing(!comparing) }, "Photo");
  const menu = cornerMenu("the picture", [
    ["This picture, with its settings (PNG)", () => save(`save/${shownStep()}.png`)],
    ["All pictures as a film (GIF)", () => save("film.gif"), { pin: false }],
    ["The same in full colour (WebP)", () => save("film.webp"), { pin: false }],
    ["The same without loss (APNG)", () => save("film.apng"), { pin: false }],
    ["Losses at every step (CSV)", () => save("losses.csv")],
  ]);
  const earlier = popover("Earlier", "What was painted before", () => model.send({ do: "list" }));
  earlier.root.classList.add("ct-earlier");
  el.dataset.pin = '{"show": true}'; // the photo and the style pictures stand beside it on the page
  const bar = h("div.ct-bar", {}, main, stop, anew, halves, h("span.cl-spring"), compare, earlier.root, menu);
  const problem = h("div.note.bad", { role: "alert", hidden: true });
  const fetching = h("div.note", { hidden: true, role: "status" });
  const differs = h("div.note.ct-differs", { hidden: true }, h("span", {}, "What is chosen has changed since this picture was begun; it goes on as it was."), h("button.cl-button", { type: "button", onclick: () => act("paint") }, "Paint the changed one"));
  const picture = h("img.ct-picture", { alt: "The picture", draggable: "false" });
  const inset = h("div.ct-inset", { "aria-hidden": "true" });
  const caption = h("p.ct-caption");
  const stage = h("div.ct-stage", {}, picture, inset, caption);
  const bar2 = h("div.cl-bar", { role: "progressbar", "aria-label": "How far the picture is", "aria-valuemin": 0, "aria-valuemax": 100 }, h("div.cl-bar-fill"));
  const progress = h("span");
  const left = h("span");
  const sentence = h("p.cl-sentence", { role: "status" });
  const play = h("button.cl-button", { type: "button", title: "Play how it was painted", "aria-label": "Play", onclick: () => (playing ? halt() : film()) }, "▶");
  const scrubber = h("input.ct-scrubber", { type: "range", min: 0, max: 0, value: 0, "aria-label": "Pictures on the way", oninput: () => scrub(+scrubber.value) });
  const at = h("span.ct-at");
  const newest = h("button.cl-button", { type: "button", title: "Follow the newest picture", onclick: () => (halt(), choose(null)) }, "Newest");
  const under = h("div.ct-under", {}, h("div.ct-film", {}, play, scrubber, at, newest), bar2, h("div.cl-progress", {}, progress, left), sentence);
  el.append(bar, problem, fetching, differs, stage, under);

  // ---- acting ----
  function act(action, more = {}) {
    if (!action) return;
    complain(null);
    busy = { paint: "Starting …", pause: "Pausing …", resume: "Starting …", rebuild: "Starting …" }[action] ?? "";
    model.send({ do: action, ...more });
    clearTimeout(patience);
    patience = setTimeout(() => busy && fetching.hidden && ((busy = ""), complain({ error: "The lab does not answer; try again." }), draw()), PATIENCE);
    draw();
  }
  function save(path) {
    saveAddress(address(`jobs/${job.id}/${path}`));
  }
  function complain(message) {
    setHidden(problem, !message);
    if (!message) return;
    problem.replaceChildren(h("span", {}, message.error));
  }
  model.on("msg:custom", (message) => {
    if (message.error || message.done) busy = "";
    if (message.error) complain(message);
    if (message.fetching !== undefined) {
      setHidden(fetching, !message.fetching);
      if (message.fetching) {
        const fill = h("div.cl-bar-fill");
        fill.style.transform = `scaleX(${message.fraction ?? 0})`;
        fetching.replaceChildren(h("span", {}, message.fetching), h("div.cl-bar", {}, fill));
      }
    }
    if (message.earlier) fillEarlier(message.earlier);
    if (message.look) ask();
    draw();
  });

  function fillEarlier(list) {
    const rows = list.map((item) => {
      const image = item.step === null ? h("span.ct-small") : h("img.ct-small", { src: iterateAddress(item.step, item.job, "list"), alt: "", loading: "lazy" });
      const open = h("button.ct-open", { type: "button", "aria-current": item.job === job.id ? "true" : null, onclick: () => model.send({ do: "open", job: item.job }) }, image, h("span", {}, h("b", {}, item.name), h("small", {}, item.note)));
      const gone = h("button.cl-remove", { type: "button", "aria-label": `Delete ${item.name}`, title: "Delete it with all its pictures", onclick: () => model.send({ do: "delete", job: item.job }) }, "×");
      return h("div.ct-earlier-row", {}, open, item.deletable ? gone : null);
    });
    earlier.fill(rows.length ? rows : [h("p.cl-muted", {}, "Nothing has been painted yet.")]);
  }

  // ---- looking ----
  function setComparing(on) {
    comparing = on && !!job.id;
    compare.setAttribute("aria-pressed", String(comparing));
    draw();
  }
  function scrub(place) {
    halt();
    setComparing(false);
    choose(job.steps[place] ?? null);
  }
  function film() {
    if (job.steps.length < 2) return;
    let i = 0;
    setComparing(false);
    setText(play, "❚❚");
    play.setAttribute("aria-label", "Stop playing");
    playing = setInterval(() => {
      if (loading) return;
      if (i >= job.steps.length) return halt();
      choose(job.steps[i]);
      i += Math.max(1, Math.ceil(job.steps.length / 150));
    }, FILM_MS);
  }
  function halt() {
    clearInterval(playing);
    playing = 0;
    setText(play, "▶");
    play.setAttribute("aria-label", "Play");
  }
  // The picture that should be on the stage; one is loaded at a time, then the one wanted by then.
  function wantedPicture() {
    const step = shownStep();
    if (comparing) return address(`jobs/${job.id}/content`);
    if (job.id && step !== null) return iterateAddress(step, job.id, version(step));
    const photo = model.get("photo");
    return photo ? address(`pictures/${photo.key}/picture`) : "";
  }
  // An old step never changes unless the transfer went back; the newest may be written again at the end.
  const version = (step) => (step === job.steps.at(-1) ? job.stamp : String(job.cursor.split(".")[0]));
  function load() {
    const wanted = wantedPicture();
    if (!wanted || wanted === shown || loading) return;
    loading = true;
    const step = job.id && !comparing ? shownStep() : null;
    const image = new Image();
    const end = () => {
      loading = false;
      load();
    };
    image.onload = () => {
      shown = wanted;
      picture.src = image.src;
      picture.dataset.step = step ?? "";
      picture.alt = step === null ? `The photo: ${job.facts?.content ?? model.get("photo")?.title ?? ""}` : `${job.facts?.name ?? "The picture"} after ${step} steps`;
      end();
    };
    image.onerror = () => {
      // Thinned out just now: the next news tell which pictures there are.
      shown = wanted;
      end();
    };
    image.src = wanted;
  }

  function draw() {
    const { state } = job;
    const [label] = MAIN[state] ?? MAIN.draft;
    setText(main, busy || (job.id && state === "draft" ? "Looking …" : label));
    main.disabled = !!busy || state === "queued" || (!!job.id && state === "draft");
    main.title = { Paint: "Paint the photo in this style (Space)", Pause: "Wait; all is saved (Space)", Resume: "Go on (Space)" }[label] ?? "";
    stop.disabled = !job.can.includes("stop");
    anew.disabled = !job.id;
    const step = shownStep();
    const some = job.steps.length > 0;
    setHidden(under, !job.id);
    setHidden(menu, !some);
    setHidden(compare, !some);
    setHidden(differs, !(model.get("differs") && job.id && state !== "draft"));
    setHidden(inset, !!job.id);
    el.dataset.state = job.id ? state : "empty";
    scrubber.max = Math.max(0, job.steps.length - 1);
    scrubber.value = some ? job.steps.indexOf(step) : 0;
    scrubber.disabled = play.disabled = job.steps.length < 2;
    newest.disabled = job.step === null;
    setText(at, step === null ? "" : `step ${step.toLocaleString("en")}`);
    scrubber.setAttribute("aria-valuetext", step === null ? "none" : `step ${step}`);
    bar2.firstChild.style.transform = `scaleX(${job.fraction ?? 0})`;
    bar2.setAttribute("aria-valuenow", Math.round(100 * (job.fraction ?? 0)));
    setText(progress, job.progress);
    setText(left, job.left);
    setText(sentence, job.sentence);
    sentence.dataset.tone = job.tone;
    setHidden(sentence, !job.sentence);
    const row = step === null ? null : job.rows.findLast((found) => found[0] <= step);
    const said = comparing ? "the photo" : row ? `W ${row[5].toFixed(2)} · style ${row[3]?.toPrecision(3) ?? "–"} · content ${row[4]?.toPrecision(3) ?? "–"}` : "";
    setText(caption, said);
    setHidden(caption, !said);
    load();
  }
  function drawInset() {
    const styles = model.get("styles") ?? [];
    inset.replaceChildren(...styles.map((style) => h("img", { src: address(`pictures/${style.key}/thumb.jpg`), alt: `Style: ${style.title}` })), h("p", {}, model.get("hint") ?? ""));
  }
  const stopListening = listen(() => {
    if (busy && job.state !== "draft") busy = "";
    draw();
  });
  model.on("change:job", (id) => {
    halt();
    comparing = false;
    busy = "";
    show(id);
  });
  model.on("change:photo", () => draw());
  model.on("change:styles", drawInset);
  model.on("change:hint", drawInset);
  model.on("change:differs", () => draw());
  show(model.get("job") ?? "");
  drawInset();
  draw();
  return () => {
    halt();
    clearTimeout(patience);
    stopListening();
    show("");
  };
}
