// Runs measured on whole test sets: all figures of one; or two compared image by image, with the answer in words.
import { h, count, percent, setHidden, setText, short } from "./look.js";
import { complaint, get, patiently, select, table, tableMenu, textInput, working } from "./experiments_parts.js";
import { matrixPlot, plotPanel, reliabilityPlot } from "./experiments_plots.js";

const LISTED = 8; // confused pairs that are shown
const MISTAKES = 12; // mistakes that are shown
const SHEET = 40; // CSS pixels of a test image

// A run and a test set to choose, and a button that measures.
function chooser(names, label, doing, action) {
  const runs = names.map((name) => select([], "", () => sets(), { "aria-label": name }));
  const set = select([], "", () => {}, { "aria-label": "Test set", "data-tip": "Also other data sets of the same shape and number of classes" });
  const place = complaint();
  const press = h("button.cx-main", { type: "button", "data-tip": "Takes some seconds; it is said how far it is", onclick: () => working(press, doing, place, measure) }, label);
  const root = h("div.cx-part", {}, h("div.cx-tools.cx-pair", {}, ...runs.map((one) => one.root), h("span.cl-muted", {}, "on"), set.root, press), place.root);
  let of = "";
  let known = Promise.resolve(); // settles when the test sets of the run are in the list
  function sets() {
    const run = runs[0].root.value;
    if (run && run !== of) known = fetchSets((of = run));
  }
  async function fetchSets(run) {
    try {
      const found = await get("run", { run });
      if (of !== run) return;
      set.fill(found.sets.map((one) => [one.name, one.own ? `${one.title}, its own test set` : one.title]), found.sets[0]?.name);
      place.say("");
    } catch (error) {
      if (of !== run) return;
      of = ""; // asked again with the next press
      set.fill([]);
      place.say(error.message);
    }
  }
  // A press may come before the test sets do.
  async function measure(words) {
    sets();
    await known;
    if (set.root.value) await action(words);
  }
  function offer(choices) {
    runs.forEach((one, i) => {
      const taken = runs[0].root.value;
      const fits = choices.some(([id]) => id === one.root.value) && (i === 0 || one.root.value !== taken);
      one.fill(choices, fits ? one.root.value : choices.map(([id]) => id).find((id) => i === 0 || id !== taken));
    });
    sets();
  }
  return { root, offer, run: (i = 0) => runs[i].root.value, set: () => set.root.value };
}
const named = (ids, row) => ids.filter((id) => row(id)?.here).map((id) => [id, row(id).name]);
const waits = (words, verb) => (share) => words(`${verb} … ${Math.round(100 * share)} %`);

export function statisticsPanel({ row }) {
  let found = null;
  const choose = chooser(["Run"], "Measure", "Measuring …", async (words) => {
    leave();
    found = await patiently(() => get("statistics", { run: choose.run(), dataset: choose.set() }), waits(words, "Measuring"));
    draw();
  });
  const empty = h("p.cl-empty", {}, "Press Measure: accuracy with its confidence interval, log loss, calibration, each class, the mistakes that the network was surest of.");
  const head = h("h3");
  const figures = h("dl.cx-facts");
  const reach = textInput("90", { size: 4, inputmode: "decimal", "aria-label": "Accuracy to reach, in per cent" });
  const reached = h("span", { role: "status" });
  const reachPress = h("button.cl-button", { type: "button", onclick: askReached }, "Look");
  const reliability = plotPanel("how well it knows what it knows", (width) => (found ? reliabilityPlot(width, found.reliability) : null), "convolab-reliability.svg");
  const matrix = plotPanel("confusion matrix", (width) => (found ? matrixPlot(width, found.confusion, found.classes) : null), "convolab-confusion-matrix.svg");
  const classMenu = tableMenu("figures of the classes", () => ({ title: `Classes: ${found.name}`, rows: classRows() }));
  const figuresMenu = tableMenu("all figures", () => ({ title: `Statistics: ${found.name}`, rows: [["figure", "value"], ...figureRows().map(([name, value, unit]) => [name, `${value} ${unit}`.trim()])] }));
  const classes = h("div.cx-scroll");
  const pairs = h("ol.cx-list");
  const mistakes = h("div.cx-mistakes");
  const body = h(
    "div.cx-part",
    { hidden: true },
    h("div.cl-panel-head", {}, head, h("span.cl-spring"), figuresMenu),
    figures,
    h("div.cx-tools", {}, h("span", {}, "When did it reach"), reach, h("span", {}, "%?"), reachPress, reached),
    h("div.cx-plots", {}, matrix.root, reliability.root),
    h("div.cl-panel-head", {}, h("h3", {}, "Most confused"), h("span.cl-spring")),
    pairs,
    h("h3", {}, "Mistakes it was surest of"),
    mistakes,
    h("div.cl-panel-head", {}, h("h3", {}, "Class by class"), h("span.cl-spring"), classMenu),
    classes,
  );
  const root = h("div.cx-part", {}, choose.root, empty, body);
  reach.addEventListener("keydown", (event) => event.key === "Enter" && askReached());

  const classRows = () => [["class", "right (recall)", "precision", "F1", "images"], ...found.per_class.map((one) => [one.name, percent(one.recall), percent(one.precision), percent(one.f1), count(one.count)])];
  function figureRows() {
    const [low, high] = found.interval;
    return [
      ["Accuracy", percent(found.accuracy, 2), `95 % interval ${percent(low, 2)} to ${percent(high, 2)}`, "Share of the test images that are right; the interval says how far chance may move it (Wilson)"],
      ["Top 2", percent(found.top2, 2), "", "The class is among the two likeliest"],
      ["Top 3", percent(found.top3, 2), "", "The class is among the three likeliest"],
      ["Log loss", found.log_loss.toPrecision(4), "nats", "Mean −ln of the probability given to the true class: 0 is perfect"],
      ["Brier score", found.brier.toPrecision(3), "0 to 2", "Mean squared distance of the probabilities to the truth: 0 is perfect"],
      ["Calibration error", percent(found.calibration_error), "", "Mean gap between how sure it is and how often it is right"],
      ["Parameters", count(found.cost.parameters), "", "Numbers that are learned"],
      ["Multiply-adds", short(found.cost.multiply_adds), "for one image", "Multiplications with a weight, forwards"],
      ["Time", `${found.cost.milliseconds.toPrecision(3)} ms`, `alone, ${found.cost.milliseconds_in_batch.toPrecision(2)} ms in a batch`, "For one image, on this machine"],
    ];
  }
  function draw() {
    if (!found) return;
    setHidden(empty, true);
    setHidden(body, false);
    body.dataset.pin = JSON.stringify({ runs: [found.run], dataset: found.dataset });
    setText(head, `${found.name}: ${count(found.correct)} of ${count(found.total)} test images of ${found.title} right`);
    figures.replaceChildren(...figureRows().map(([name, value, unit, tip]) => h("div", { "data-tip": tip }, h("dt", {}, name), h("dd", {}, h("b", {}, value), unit ? h("small", {}, unit) : null))));
    const [first, ...rest] = classRows();
    classes.replaceChildren(table(first, rest, [1, 2, 3, 4]));
    const of = (i) => `“${found.classes[i]}”`;
    pairs.replaceChildren(...found.confused.slice(0, LISTED).map((pair) => h("li", {}, `${of(pair.true)} taken for ${of(pair.predicted)}: ${count(pair.count)} times, ${percent(pair.share)} of its images`)));
    if (!found.confused.length) pairs.replaceChildren(h("li", {}, "None: every test image is right."));
    drawMistakes(found);
    reliability.redraw();
    matrix.redraw();
    setText(reached, "");
  }
  function drawMistakes(of) {
    const some = of.mistakes.slice(0, MISTAKES);
    mistakes.replaceChildren(
      ...some.map((one) => {
        const canvas = h("canvas", { width: 2 * SHEET, height: 2 * SHEET, "aria-hidden": "true" });
        return h("figure", { title: `test image ${one.index}` }, canvas, h("figcaption", {}, h("b", {}, of.classes[one.predicted]), h("small", {}, `${percent(one.probability)} sure; it is ${of.classes[one.label]}`)));
      }),
    );
    if (!some.length) return mistakes.replaceChildren(h("p.cl-muted", {}, "None."));
    const sheet = new Image();
    sheet.onload = () => {
      if (found !== of) return;
      [...mistakes.querySelectorAll("canvas")].forEach((canvas, i) => {
        const context = canvas.getContext("2d");
        context.imageSmoothingEnabled = false;
        context.drawImage(sheet, i * sheet.height, 0, sheet.height, sheet.height, 0, 0, 2 * SHEET, 2 * SHEET);
      });
    };
    sheet.src = `${window.path_prefix ?? ""}/live/pictures.png?dataset=${encodeURIComponent(of.dataset)}&indices=${some.map((one) => one.index).join(".")}`;
  }
  async function askReached() {
    const share = Number(reach.value.replace(",", ".")) / 100;
    if (!(share > 0 && share <= 1)) return setText(reached, "Give a share in per cent, above 0 and at most 100.");
    try {
      const answer = await get("reached", { run: found.run, accuracy: share });
      setText(reached, answer.words);
    } catch (error) {
      setText(reached, error.message);
    }
  }
  // A result leaves with the run that it is about.
  function leave() {
    found = null;
    setHidden(empty, false);
    setHidden(body, true);
  }
  function show(chosen) {
    if (found && !chosen.includes(found.run)) leave();
    choose.offer(named(chosen, row));
  }
  return { root, show };
}

export function comparisonPanel({ row }) {
  let found = null;
  const choose = chooser(["First run", "Second run"], "Compare", "Comparing …", async (words) => {
    leave();
    found = await patiently(() => get("comparison", { first: choose.run(0), second: choose.run(1), dataset: choose.set() }), waits(words, "Measuring"));
    draw();
  });
  const few = h("p.cl-empty", {}, "Choose two runs in the table: here they are compared image by image, and it is said whether one is really better or it was chance.");
  const empty = h("p.cl-empty", {}, "Press Compare: both answer the same test images, and McNemar's test says whether the difference is more than chance.");
  const verdict = h("p.cx-verdict", { role: "status" });
  const sides = h("div.cx-scroll");
  const bar = h("div.cx-split", { role: "img" });
  const note = h("p.cl-muted");
  const menu = tableMenu("the comparison", () => ({ title: "Comparison", rows: [["", ...found.runs.map((one) => one.name)], ...rows()] }));
  const body = h("div.cx-part", { hidden: true }, h("div.cl-panel-head", {}, verdict, h("span.cl-spring"), menu), sides, bar, note);
  const root = h("div.cx-part", {}, few, choose.root, empty, body);
  const rows = () => [
    ["Accuracy", ...found.runs.map((one) => percent(one.accuracy, 2))],
    ["95 % interval", ...found.runs.map((one) => `${percent(one.interval[0], 2)} to ${percent(one.interval[1], 2)}`)],
    ["Only this one is right", count(found.only_first), count(found.only_second)],
  ];
  function draw() {
    setHidden(empty, true);
    setHidden(body, false);
    body.dataset.pin = JSON.stringify({ runs: found.runs.map((one) => one.run), dataset: found.dataset });
    const [first, second] = found.runs.map((one) => `“${one.name}”`);
    setText(verdict, found.words.replace("the first", first).replace("the second", second));
    verdict.dataset.real = String(found.real);
    sides.replaceChildren(table(["", ...found.runs.map((one) => one.name)], rows(), [1, 2]));
    const parts = [["both right", found.both], ["only the first", found.only_first], ["only the second", found.only_second], ["neither", found.neither]];
    bar.setAttribute("aria-label", parts.map(([name, value]) => `${name} ${count(value)}`).join(", "));
    bar.replaceChildren(...parts.map(([name, value], i) => {
      const part = h("span", { title: `${name}: ${count(value)} test images` }, value / found.total > 0.14 ? `${name} ${count(value)}` : "");
      part.style.flex = `${value} 0 0`;
      part.dataset.part = String(i);
      return part;
    }));
    const p = found.p_value;
    const elsewhere = found.runs.filter((one) => one.trained_on).map((one) => `“${one.name}” was trained on ${one.trained_on}, not on this. `).join("");
    setText(note, `${elsewhere}Both right ${count(found.both)}, neither ${count(found.neither)} of ${count(found.total)} test images of ${found.title}. McNemar's exact test: p = ${p < 0.0001 ? p.toExponential(1) : p.toPrecision(2)}; below 0.05 counts as real.`);
  }
  function leave() {
    found = null;
    setHidden(empty, false);
    setHidden(body, true);
  }
  function show(chosen) {
    if (found && !found.runs.every((one) => chosen.includes(one.run))) leave();
    const choices = named(chosen, row);
    setHidden(few, choices.length > 1);
    for (const node of [choose.root, empty, body]) setHidden(node, choices.length < 2 || (node === empty ? found !== null : node === body ? found === null : false));
    if (choices.length > 1) choose.offer(choices);
  }
  return { root, show };
}
