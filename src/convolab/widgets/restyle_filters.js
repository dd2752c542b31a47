// The filter laboratory: the assignment's three questions about filters, each answered with pictures and figures.
import { subscribe } from "./feed.js";
import { h, setHidden, setText } from "./look.js";
import { chainEditor } from "./restyle_chain.js";
import { parseMix, patiently, post, shelf, slider, titleOf, onShelf } from "./restyle_parts.js";
import { photoStrip } from "./restyle_photos.js";
import { cellTitle, distancesTable, figuresTable, linesPlot, strip } from "./restyle_study.js";
import { styleStrip } from "./restyle_styles.js";

export default { render };

const QUESTIONS = {
  repeat: ["Again and again", "What happens when a picture passes through the same filter several times? Do its borders show what the network saw beyond them?"],
  order: ["In which order", "Is a picture that passed through A and then B like one that passed through B alone?"],
  chain: ["Any chain", "Any filters in any order, each as often as you like."],
};
const PADDINGS = [["reflect", "Reflect"], ["replicate", "Replicate"], ["zeros", "Zeros"]];
const LARGEST = 768;

function render({ model, el }) {
  let shown = model.get("shown");
  let study = null; // the newest news of the study that is shown
  let asked = ""; // what it was asked for
  let tables = []; // plots to be ended

  const room = el.closest("[data-room]") ?? document.body;
  const tabs = h("div.cl-choice", { role: "radiogroup", "aria-label": "Question" });
  for (const [name, [title]] of Object.entries(QUESTIONS)) tabs.append(h("button", { type: "button", role: "radio", "data-value": name, onclick: () => change({ question: name }) }, title));
  tabs.addEventListener("keydown", (event) => {
    const names = Object.keys(QUESTIONS);
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = names[(names.indexOf(shown.question) + step + names.length) % names.length];
    change({ question: next });
    tabs.querySelector(`[data-value=${next}]`).focus();
  });
  const words = h("p.cs-question");
  const photos = photoStrip({ label: "Photo", room, onPick: (photo) => change({ photo }) });
  const one = chainEditor({ labels: ["A"], label: "The filter", onChange: ([style]) => change({ style }) });
  const two = chainEditor({ labels: ["A", "B"], label: "The two filters", onChange: ([style, then]) => change({ style, then }) });
  const chain = chainEditor({ label: "The chain of filters", onChange: (names) => change({ chain: names }) });
  const editors = { repeat: one, order: two, chain };
  const styles = styleStrip({ label: "Styles to filter with", verb: "Use the filter", onPick: (name) => editors[shown.question].press(name) });
  const times = slider({ label: "Times", tip: "How often the filter is applied", min: 2, max: 12, step: 1, value: shown.times, format: (v) => `${v} times`, onChange: (v) => change({ times: v }) });
  const size = slider({ label: "Size", tip: "Pixels on the long side", min: 128, max: LARGEST, step: 32, value: Math.min(LARGEST, shown.size), format: (v) => `${v} pixels`, onChange: (v) => change({ size: v }) });
  const padding = h("label.cs-field", { "data-tip": "What the network sees beyond the edge" }, h("span", {}, "Padding"), select());
  const run = h("button.ct-main", { type: "button", onclick: begin }, "Filter");
  const problem = h("div.note.bad", { role: "alert", hidden: true });
  const progress = h("p.cl-muted", { role: "status" });
  const answer = h("p.cs-answer");
  const notes = h("div.cs-notes");
  const results = h("div.cs-results");
  el.append(
    h("div.cs-lab", {},
      h("div.cs-tools", {}, tabs, h("span.cl-spring"), run),
      words,
      h("div.cs-lab-set", {}, h("section", { "aria-label": "Photo" }, h("h2", {}, "Photo"), photos.root, photos.problem), h("section.cs-lab-filters", { "aria-label": "Filters" }, h("h2", {}, "Filters"), one.root, two.root, chain.root), h("section.cs-lab-how", { "aria-label": "How" }, times.root, size.root, padding)),
      styles.root, problem, progress, answer, notes, results),
  );

  function select() {
    const root = h("select.cx-input", { onchange: () => change({ padding: root.value }) }, ...PADDINGS.map(([name, title]) => h("option", { value: name }, title)));
    return root;
  }
  function change(values) {
    shown = { ...shown, ...values };
    model.send(values);
    draw();
  }
  function wanted() {
    const { question, photo, padding: pad, strength, keep } = shown;
    const common = { question, photo, padding: pad, strength, keep, size: Math.min(LARGEST, shown.size) };
    const style = parseMix(shown.style)[0]?.name ?? "";
    if (question === "repeat") return { ...common, style, times: shown.times };
    if (question === "order") return { ...common, style, then: shown.then };
    return { ...common, chain: shown.chain };
  }
  async function begin() {
    say("");
    run.disabled = true;
    const order = wanted();
    try {
      const found = await post("study", order);
      asked = JSON.stringify(order);
      take(found);
    } catch (error) {
      say(error.message);
    }
    run.disabled = false;
    draw();
  }
  const say = (sentence) => (setText(problem, sentence ?? ""), setHidden(problem, !sentence));

  // ---- what came of it ----
  function take(news) {
    if (news.gone) {
      study = null;
      if (asked) begin();
      return;
    }
    study = news;
    if (news.error) say(news.error);
    drawResults();
  }
  const of = (pad) => study.cells.filter((cell) => cell.key === "photo" || cell.padding === pad);
  let drawnFor = "";
  function drawResults() {
    if (!study) return;
    const now = JSON.stringify([study.cursor, study.study]);
    if (now === drawnFor) return;
    drawnFor = now;
    for (const plot of tables) plot.stop();
    tables = [];
    const painted = study.cells.length;
    setText(progress, study.finished ? "" : painted < study.total ? `Filtering: ${painted - 1} of ${study.total - 1} pictures …` : "Measuring …");
    const open = results.querySelector("details[open]") !== null;
    const scroll = results.querySelector(".cs-cells")?.scrollLeft ?? 0;
    results.replaceChildren(...{ repeat: repeated, order: ordered, chain: chained }[study.question]());
    if (open) results.querySelector("details")?.setAttribute("open", "");
    if (scroll) results.querySelector(".cs-cells").scrollLeft = scroll;
    for (const plot of tables) plot.redraw();
    setText(answer, study.finished ? inWords() : "");
    drawNotes();
  }
  function plot(...values) {
    const made = linesPlot(...values);
    tables.push(made);
    return made.root;
  }
  const styleSeries = (cells) => [...new Set(cells.flatMap((cell) => Object.keys(cell.style ?? {})))].map((name) => [titleOf(name), cells.filter((cell) => cell.style?.[name]).map((cell) => [cell.filters.length, cell.style[name].relative])]);
  function repeated() {
    const cells = of(study.padding);
    const pads = [study.padding, ...PADDINGS.map(([name]) => name).filter((name) => name !== study.padding)];
    const borders = pads.map((pad) => [pad, of(pad).filter((cell) => cell.border != null).map((cell) => [cell.filters.length, cell.border])]).filter(([, found]) => found.length > 1);
    const series = pads.flatMap((pad) => styleSeries(of(pad)).map(([, found]) => [pad, found]));
    const more = pads.slice(1).filter((pad) => of(pad).length > 1).map((pad) => strip({ study, cells: of(pad).filter((cell) => cell.filters.length), name: `the same with padding ${pad}` }));
    return [
      strip({ study, cells, name: `${titleOf(study.chains[0][0])}, again and again` }),
      h("div.cs-plots", {},
        borders.length ? plot("the border", borders, { y: "border artefact", xLabel: "times", level: { value: 1, words: "as the interior" } }) : null,
        plot("change of each filter", [["mean change", cells.filter((cell) => cell.change != null).map((cell) => [cell.filters.length, cell.change])]], { y: "of 255", xLabel: "times" }),
        series.length ? plot("StyleDiff to the painting", series, { y: "normalised", xLabel: "times" }) : null),
      ...more,
      figuresTable(study, study.cells, `The same filter ${study.chains[0].length} times`),
    ].filter(Boolean);
  }
  function ordered() {
    const pad = study.padding;
    const ends = study.chains.map((names, i) => study.cells.find((cell) => cell.key === `${pad}-${i}-${names.length}`)).filter(Boolean);
    const [photo] = study.cells;
    return [strip({ study, cells: [photo, ...ends].filter(Boolean), name: "two filters in either order", differences: false }), study.distances.length ? distancesTable(study) : null, figuresTable(study, study.cells, "Two filters in either order")].filter(Boolean);
  }
  function chained() {
    const cells = study.cells;
    const series = styleSeries(cells);
    return [strip({ study, cells, name: "the chain of filters" }), h("div.cs-plots", {}, series.length ? plot("StyleDiff along the chain", series, { y: "normalised" }) : null), figuresTable(study, cells, "A chain of filters")].filter(Boolean);
  }

  // What the figures say, as a sentence or two.
  function inWords() {
    if (study.error) return "";
    if (study.question === "repeat") {
      const last = (pad) => of(pad).findLast((cell) => cell.filters.length)?.border;
      const stands = PADDINGS.map(([pad]) => [pad, last(pad)]).filter(([, value]) => value != null);
      const shows = stands.filter(([, value]) => value > 1).map(([pad, value]) => `${pad} (${value.toFixed(1)} times the interior)`);
      const hides = stands.filter(([, value]) => value <= 1).map(([pad, value]) => `${pad} (${value.toFixed(2)})`);
      const changes = of(study.padding).filter((cell) => cell.change != null).map((cell) => cell.change);
      const [first, end] = [changes[0], changes.at(-1)];
      const moves = end < 0.67 * first ? `Each time changes less: ${first.toFixed(1)} of 255 the first time, ${end.toFixed(1)} the last.` : end > 1.5 * first ? `Each time changes more: ${first.toFixed(1)} of 255 the first time, ${end.toFixed(1)} the last.` : `It does not settle: ${first.toFixed(1)} of 255 change the first time, ${end.toFixed(1)} the last.`;
      return [moves, shows.length ? `After ${study.chains[0].length} times the border stands out with ${shows.join(" and ")}.` : "", hides.length ? `It does not with ${hides.join(" and ")}.` : ""].filter(Boolean).join(" ");
    }
    if (study.question === "order" && study.distances.length) {
      const [ab, ba, orders, alone] = study.distances.map((row) => row.pixels);
      const share = (ab + ba) / 2 / (alone || 1);
      const verdict = share < 0.5 ? "the last filter decides the look, and the first one leaves a trace" : share < 0.9 ? "the last filter decides most of the look, and the first one can still be seen" : "the first filter matters as much as the last";
      return `A then B differs from B alone by ${ab.toFixed(1)} of 255, B then A from A alone by ${ba.toFixed(1)}; A alone and B alone differ by ${alone.toFixed(1)}, the two orders by ${orders.toFixed(1)}. So ${verdict}.`;
    }
    const last = study.cells.at(-1);
    return study.question === "chain" && last.filters.length ? `${last.filters.map(titleOf).join(" → ")}: the last filter changed ${last.change.toFixed(1)} of 255.` : "";
  }
  function drawNotes() {
    const found = [];
    const small = [];
    for (const note of study.notes) {
      const [kind, name, pixels] = note.split(":");
      if (kind === "vgg") found.push(h("div.note", {}, h("span", {}, "StyleDiff is measured with VGG-16, which is not here yet (59 MB, fetched once)."), h("button.cl-button", { type: "button", onclick: fetchNetwork }, "Fetch it and measure")));
      if (kind === "small painting") small.push([titleOf(name), pixels]);
      if (kind === "no painting") found.push(h("p.cl-muted", {}, `${titleOf(name)} carries no picture of its painting, so StyleDiff to it is not measured.`));
    }
    if (small.length) found.push(h("p.cl-muted", {}, `StyleDiff to ${small.map(([title]) => title).join(" and ")} is measured at ${small[0][1]} pixels: that is the size of the picture of the painting that a style carries.`));
    notes.replaceChildren(...found);
  }
  async function fetchNetwork(event) {
    event.target.disabled = true;
    try {
      await patiently("fetch-network", {}, (sentence) => setText(progress, sentence));
      setText(progress, "");
      await begin();
    } catch (error) {
      say(error.message);
      event.target.disabled = false;
    }
  }

  function draw() {
    const { question } = shown;
    for (const button of tabs.children) {
      const on = button.dataset.value === question;
      button.setAttribute("aria-checked", String(on));
      button.tabIndex = on ? 0 : -1;
    }
    setText(words, QUESTIONS[question][1]);
    const style = parseMix(shown.style)[0]?.name ?? "";
    if (shelf.loaded && style) {
      one.show([style]);
      two.show([style, shown.then]);
      chain.show(shown.chain);
    }
    for (const [name, editor] of Object.entries(editors)) setHidden(editor.root, name !== question);
    setHidden(times.root, question !== "repeat");
    times.show(shown.times);
    size.show(Math.min(LARGEST, shown.size));
    padding.querySelector("select").value = shown.padding;
    photos.show(shown.photo);
    const differs = asked !== "" && JSON.stringify(wanted()) !== asked;
    setText(run, study && !differs ? "Filter" : differs ? "Filter again" : "Filter");
    const same = study && study.question === question;
    for (const part of [answer, notes, results]) setHidden(part, !same);
    el.dataset.state = study && same ? (study.finished ? "finished" : "working") : "empty";
    el.dataset.differs = differs;
  }
  const stopFeed = subscribe({
    el,
    query: () => (study && !study.finished ? { x: `${study.study}~${study.cursor}` } : {}),
    update: (news) => {
      if (!news.study || !study || news.study.study !== study.study) return;
      take(news.study);
      draw();
    },
  });
  // The first question is answered as soon as the room is there.
  let opened = false;
  function open() {
    draw();
    if (opened || shown.view !== "filters" || !shelf.loaded || !shelf.styles.length) return;
    opened = true;
    begin();
  }
  model.on("change:shown", (value) => {
    shown = value;
    open();
  });
  const stopShelf = onShelf(open);
  open();
  return () => {
    stopFeed();
    stopShelf();
    for (const plot of tables) plot.stop();
    for (const editor of Object.values(editors)) editor.stop();
    styles.stop();
    photos.stop();
  };
}
