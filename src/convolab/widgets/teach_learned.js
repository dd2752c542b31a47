// What was learned: training it, how good it is on images it never saw, which it takes for which, the map, the learning
// curve, layers compared, and taking everything along.
import { cornerMenu, count, h, percent, saveText, setHidden, setText } from "./look.js";
import { csv, table, tableMenu } from "./experiments_parts.js";
import { matrixPlot, plotPanel, svg, variedPlot } from "./experiments_plots.js";
import { act, address, follow, imageAddress, offers, store, swatch, tell } from "./teach_store.js";
import { mapPanel } from "./teach_map.js";
import { settingsForm } from "./teach_settings.js";

export default { render };

const CELL_IMAGES = 24;

function render({ model, el }) {
  const project = model.get("project");
  el.classList.add("te-learned");
  let cell = null; // [true, predicted] of the confusion matrix whose images are shown
  let drawn = null; // the `learned` that is drawn

  const train = h("button.cx-main.te-train", { type: "button", "data-key": "train", "data-tip": "Learns the classes from the features of the images; a share is held out to test on (Space)", onclick: () => act("train") }, "Train");
  const sentence = h("p.cl-sentence", { role: "status" });
  const bar = h("div.cl-bar", { hidden: true }, h("div.cl-bar-fill"));
  const problem = h("div.note.bad", { role: "alert", hidden: true });
  const form = settingsForm();
  const figures = h("dl.cl-figures");
  const classes = h("div.cx-scroll");
  const classMenu = tableMenu("accuracy by class", () => ({ title: "Accuracy by class", rows: classRows() }));
  const matrix = plotPanel("confusion matrix", (width) => (store.learned ? clickable(matrixPlot(width, store.learned.confusion, store.learned.classes)) : null), "convolab-teach-confusion.svg");
  const cellTitle = h("p.cl-muted", {}, "Press a cell to see its images.");
  const cellImages = h("div.te-cell");
  const map = mapPanel();
  const curve = plotPanel("accuracy by examples per class", curvePlot, "convolab-teach-curve.svg");
  const curveNote = h("p.cl-muted");
  const curvePress = h("button.cl-button", { type: "button", "data-tip": "Learns anew with 1, 2, 5, 10 … examples per class, three times each", onclick: () => act("curve") }, "Measure the curve");
  const curveMenu = cornerMenu("the curve as numbers", [["The curve (CSV)", () => store.learned.curve && saveText(csv([["examples per class", "mean accuracy", "single draws"], ...store.learned.curve.map((p) => [p.per_class, p.mean, p.values.join(" ")])]), "convolab-teach-curve.csv")]]);
  const layersPlace = h("div.te-layers");
  const layersNote = h("p.cl-muted");
  const layersPress = h("button.cl-button", { type: "button", "data-tip": "The features of every layer in turn, each with a linear head and with nearest neighbours", onclick: () => act("layers") }, "Compare layers");
  const layersMenu = tableMenu("layers compared", () => ({ title: "Layers compared", rows: layerRows() }));
  const runLink = h("p.cl-tools.te-links");
  const save = h("a.cl-button", { download: "", "data-tip": "Examples, features and classifier as one file, which any lab opens" }, "Save everything");
  const code = h("a.cl-button", { download: "", "data-tip": "A Python script that predicts without the lab" }, "Export code");
  const empty = h("p.cl-empty", {}, "After training: how many held-out images are right, which are taken for which, and a map of the features.");
  const section = (title, tip, menu, ...children) => h("section.panel", {}, h("div.cl-panel-head", {}, h("h3", { "data-tip": tip }, title), h("span.cl-spring"), menu), ...children);
  const results = h(
    "div.te-results",
    { hidden: true },
    section("On images it never saw", "The held-out share of each class, never learned from", classMenu, figures, classes, runLink),
    h("section.panel", {}, matrix.root, cellTitle, cellImages),
    h("section.panel", {}, map.root),
    section("How many examples are enough?", "Test accuracy against the number of examples per class", curveMenu, curve.root, curveNote, curvePress),
    section("Lower against higher layers", "Lower layers see edges and colours, higher ones parts of things", layersMenu, layersPlace, layersNote, layersPress),
  );
  el.append(
    h("div.cl-panel-head", {}, h("h2.cl-panel-title", { "data-tip": "A small classifier on the features of a network that was trained before" }, "What it learned"), h("span.cl-spring"), code, save),
    h("div.panel.te-training", {}, h("div.cl-tools", {}, train), sentence, bar, problem, form.root),
    empty, results,
  );

  const classRows = () => [["class", "held-out images", "right"], ...store.learned.per_class.map((one) => [one.name, one.count, one.count ? percent(one.recall, 0) : "none held out"])];
  const layerRows = () => [["layer", "features", "linear", "nearest neighbours"], ...(store.learned.layers ?? []).map((one) => [one.layer, one.features, percent(one.linear), percent(one.knn)])];

  // ---- the confusion matrix: each cell opens its images ----
  function clickable(root) {
    const n = store.learned.classes.length;
    [...root.querySelectorAll("rect")].slice(0, n * n).forEach((rect, i) => {
      const here = [Math.floor(i / n), i % n];
      const open = () => ((cell = here), drawCell());
      rect.setAttribute("tabindex", "0");
      rect.setAttribute("role", "button");
      rect.setAttribute("aria-label", rect.querySelector("title").textContent);
      rect.style.cursor = "pointer";
      rect.addEventListener("click", open);
      rect.addEventListener("keydown", (event) => ["Enter", " "].includes(event.key) && (event.preventDefault(), open()));
    });
    for (const label of root.querySelectorAll("text")) label.style.pointerEvents = "none"; // a press on a number is one on its cell
    return root;
  }
  function drawCell() {
    const learned = store.learned;
    if (!learned || !cell) {
      setText(cellTitle, "Press a cell to see its images.");
      return cellImages.replaceChildren();
    }
    const [label, guess] = cell;
    const found = learned.tested.filter((one) => one.label === label && one.predicted === guess);
    const said = label === guess ? `recognised as ${learned.classes[label]}` : `${learned.classes[label]} taken for ${learned.classes[guess]}`;
    setText(cellTitle, `${count(found.length)} held-out ${found.length === 1 ? "image" : "images"}: ${said}.`);
    cellImages.replaceChildren(...found.slice(0, CELL_IMAGES).map((one) => h("figure", {}, h("button.te-thumb", { type: "button", "aria-label": `${learned.classes[label]}, taken for ${learned.classes[guess]}: look at it`, onclick: () => ((store.chosen = one.id), tell()) }, h("img", { src: imageAddress(one.id), alt: "", loading: "lazy" })), h("figcaption.num", {}, percent(one.share, 0)))));
  }

  // ---- curve and layers ----
  function curvePlot(width) {
    const points = store.learned?.curve;
    if (!points) return null;
    const shown = points.map((point) => ({ label: String(point.per_class), value: point.mean, values: point.values }));
    return variedPlot(width, { points: shown, title: "examples per class", yLabel: "held-out accuracy", format: (v) => percent(v, 0), share: true });
  }
  function drawLayers(found) {
    layersPlace.replaceChildren(
      ...(found ?? []).map((one) => {
        const row = h("div.te-layer", { title: `${one.layer}: ${one.features} features` }, h("span", {}, one.layer), bars(one), h("span.num", {}, percent(one.linear, 0)), h("span.num", {}, percent(one.knn, 0)));
        row.dataset.chosen = String(one.layer === store.learned.layer);
        return row;
      }),
    );
    if (found?.length) layersPlace.prepend(h("div.te-layer.te-layer-head", {}, h("span", {}, "layer"), h("span"), h("span.num", {}, "linear"), h("span.num", {}, "nearest")));
  }
  function bars(one) {
    const root = svg("svg", { viewBox: "0 0 100 14", preserveAspectRatio: "none", role: "img", "aria-label": `linear ${percent(one.linear)}, nearest neighbours ${percent(one.knn)}` });
    root.append(svg("rect", { x: 0, y: 1, width: 100 * one.linear, height: 6, class: "te-linear" }), svg("rect", { x: 0, y: 8, width: 100 * one.knn, height: 5, class: "te-knn" }));
    return root;
  }

  // ---- all of it ----
  function draw() {
    const { state, learned } = store;
    if (!state) return;
    const doing = state.doing && state.doing.kind !== "read" ? state.doing : null;
    const background = !doing && state.background ? state.background : "";
    const stale = state.trained && state.stale;
    train.disabled = Boolean(state.missing) || Boolean(state.doing);
    setText(train, doing?.kind === "train" ? "Training …" : state.trained ? "Train again" : "Train");
    setText(sentence, doing ? doing.sentence : state.missing || (stale ? "Examples or settings have changed since: train again to take them in." : state.trained ? `${learned?.title ?? "Trained"}: ${learned ? `learned from ${count(learned.train)} images in ${learned.seconds.toFixed(1)} s` : ""}` : `Ready: ${count(state.known)} of ${count(state.total)} images have their features.`) + (background ? ` ${background}` : ""));
    sentence.dataset.known = String(state.known === state.total);
    sentence.dataset.tone = stale && !doing ? "warn" : "";
    setHidden(bar, !doing);
    if (doing) bar.firstChild.style.transform = `scaleX(${doing.fraction ?? 0})`;
    setText(problem, state.problem || (store.errorIn === "learned" ? store.error : ""));
    setHidden(problem, !problem.textContent);
    form.draw();
    for (const button of [curvePress, layersPress]) button.disabled = Boolean(state.doing) || stale;
    const saved = address(`saved/${project}`);
    if (save.getAttribute("href") !== saved) save.href = saved;
    code.href = address(`code/${project}`);
    setHidden(code, !learned);
    setHidden(empty, Boolean(learned));
    setHidden(results, !learned);
    map.update();
    if (learned === drawn) return;
    drawn = learned;
    if (!learned) return;
    const [low, high] = learned.interval;
    figures.replaceChildren(
      figure("right", percent(learned.accuracy), `${count(learned.correct)} of ${count(learned.total)} held-out images`),
      figure("95 % interval", `${percent(low, 0)} to ${percent(high, 0)}`, learned.total < 30 ? "wide: few images are held out" : "how far chance may move it (Wilson)"),
    );
    const [head, ...rows] = classRows();
    classes.replaceChildren(table(head, rows.map(([name, ...rest], i) => [h("span.te-class", {}, swatch(i), name), ...rest]), [1, 2]));
    runLink.replaceChildren(...(learned.run ? [h("span.cl-muted", {}, "The head is an ordinary network and its training a run:"), h("a.cl-button", { href: `/experiments?runs=${learned.run}` }, "Compare it"), h("a.cl-button", { href: `/build?run=${learned.run}` }, "See it train"), h("a.cl-button", { href: `/look?run=${learned.run}` }, "Look inside")] : [h("span.cl-muted", {}, "Nearest neighbours are not trained: the examples themselves decide.")]));
    if (cell && Math.max(...cell) >= learned.classes.length) cell = null;
    matrix.redraw();
    drawCell();
    curve.redraw();
    setText(curvePress, learned.curve ? "Measure again" : "Measure the curve");
    setText(curveNote, learned.curve ? `Mean and single draws of the examples, each tested on the ${count(learned.total)} held-out images.` : "Not measured yet; it takes some seconds.");
    drawLayers(learned.layers);
    setText(layersPress, learned.layers ? "Compare again" : "Compare layers");
    setText(layersNote, learned.layers ? `On the ${count(learned.total)} held-out images; the marked layer is the one in use.` : "Not compared yet; it takes some seconds.");
  }
  const figure = (name, value, words) => h("div", {}, h("dt", {}, name), h("dd", {}, h("b", {}, value), h("small", {}, words)));

  offers();
  const stop = follow(project, draw);
  draw();
  return () => {
    stop();
    map.stop();
    matrix.stop();
    curve.stop();
  };
}
