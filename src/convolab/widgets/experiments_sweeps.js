// Sweeps: a search for good settings and architectures, trial by trial; a table that lives, what decides, and all trials
// as lines through parallel axes.
import { poke, subscribe } from "./feed.js";
import { choice, count, h, percent, setHidden, setText, short } from "./look.js";
import { accuracy, button, complaint, day, duration, field, get, post, select, stateMark, table, tableMenu, textInput, working } from "./experiments_parts.js";
import { parallelPlot, plotPanel } from "./experiments_plots.js";
import { followRuns, startChoices } from "./experiments_store.js";

export default { render };

function render({ model, el }) {
  let shown = model.get("shown");
  let offers = null;
  let found = null;
  let version = "";
  let typed = false; // whether the reader has changed the space
  let picked = ""; // what the reader starts from, where it is not what the room says

  // ---- the form ----
  const start = select([], "", (value) => ((picked = value), drawStart()), { "aria-label": "Network and settings to start from" });
  const dataset = select([], "", () => {}, { "aria-label": "Data set" });
  const spaceKind = select([], "", () => ((typed = false), fillSpace()), { "aria-label": "What to search" });
  const space = h("textarea.cx-input.cx-code", { rows: 6, spellcheck: "false", "aria-label": "Search space, one thing a line", oninput: () => (typed = true) });
  const trials = textInput("20", { inputmode: "numeric" });
  const length = textInput("10,000", { inputmode: "decimal" });
  let lengthIn = "examples";
  const unit = choice("Length of a trial in", [["examples", "Examples"], ["seconds", "Seconds"]], lengthIn, (value) => {
    lengthIn = value;
    length.value = value === "examples" ? "10,000" : "20";
  });
  const prune = h("input", { type: "checkbox", checked: true });
  const name = textInput("", { placeholder: "a name will be made" });
  const place = complaint();
  const begin = h("button.cx-main", { type: "button", onclick: onBegin }, "Begin the sweep");
  const datasetField = field("Data set", "What the network learns", dataset.root);
  const form = h(
    "div.panel.cx-column",
    {},
    h("h2", {}, "New sweep"),
    h("div.cx-form", {}, field("Start from", "What counts for everything that is not searched", start.root), datasetField, field("What to search", "A space to begin with; change it below as you like", spaceKind.root)),
    h("label.cx-field.cx-wide", { "data-tip": "One thing a line: learning_rate=0.001..1:log, batch_size=32,64, blocks=1..4; :log makes equal ratios equally likely" }, h("span", {}, "Search space, one thing a line"), space),
    h("div.cx-form", {}, field("Trials", "How many networks are trained; 20 is a beginning", trials), field("Length of each trial", "Short trials find what learns quickly", length), h("div.cx-field", {}, h("span", {}, "measured in"), unit), field("Name", "What to call it", name)),
    h("label.cx-check", { "data-tip": "A trial that is worse than half of the others at the same place is ended, so that the time goes to better ones" }, prune, "End hopeless trials early"),
    begin,
    place.root,
  );
  const earlier = h("div.cx-earlier");
  const earlierPanel = h("div.panel.cx-column", { hidden: true }, h("h2", {}, "Sweeps until now"), earlier);

  // ---- what came of it ----
  const title = h("h2.cx-title");
  const words = h("p.cx-verdict", { role: "status" });
  const bar = h("div.cl-bar", {}, h("div.cl-bar-fill"));
  const standing = h("p.cl-muted");
  const trouble = complaint();
  const stop = button("Stop", "Put the sweep aside with checkpoints; it goes on whenever you like", () => act("stop"));
  const go = button("Continue", "Go on where it was left, also after a crash", () => act("continue"));
  const more = textInput("10", { size: 4, inputmode: "numeric", "aria-label": "More trials" });
  const extend = button("more trials", "Ask for so many trials more", () => act("continue", more.value));
  const compare = button("Best in the table", "The curves of the five best trials over each other", showBest);
  const forget = button("Forget", "Take the sweep off this list; its runs stay", () => act("forget"));
  const lines = h("div.cx-scroll.cx-trials");
  const menu = tableMenu("the trials", () => ({ title: found.name, rows: [head(), ...ordered().map(plainLine)] }));
  const importance = h("div.cx-bars");
  const importanceMenu = tableMenu("what decides", () => ({ title: `What decides: ${found.name}`, rows: [["setting", "share"], ...shares().map(([label, share]) => [label, percent(share)])] }));
  const importancePanel = h("div.cx-part", {}, h("div.cl-panel-head", {}, h("h3", { "data-tip": "How much each thing decides whether a trial is among the better quarter (PED-ANOVA, 2023); from four finished trials on" }, "What decides"), h("span.cl-spring"), importanceMenu), importance);
  const readout = h("p.cl-readout.cl-muted");
  const parallel = plotPanel("all trials as lines", (width) => (found?.trials ? parallelPlot(width, { ...found, onPick: pick, onHover: (said) => setText(readout, said || HINT) }) : null), "convolab-sweep.svg");
  const result = h("div.panel.cx-result", { hidden: true }, h("div.cl-panel-head", {}, title, h("span.cl-spring"), menu), words, bar, standing, trouble.root, h("div.cl-actions.cx-wrap", {}, stop, go, h("span.cx-more", {}, more, extend), compare, h("span.cl-spring"), forget), parallel.root, readout, importancePanel, h("h3", {}, "Trials, the best first"), lines);
  const nothing = h("div.panel.cx-empty", {}, h("h2", {}, "Trials appear here"), h("p", {}, "Press “Begin the sweep”: networks are trained for a short while each, every one with values chosen in the light of those before. The table fills while it goes on; you may stop, and continue tomorrow."));
  el.append(h("div.cx-form-and-result", {}, h("div.cx-left", {}, form, earlierPanel), h("div.cx-right", {}, nothing, result)));

  // ---- the form ----
  function follow() {
    if (!offers) return;
    const presets = offers.presets.map((one) => [one.name, one.title]);
    start.fill([...startChoices(shown.base), ...presets], picked || shown.base || start.root.value);
    drawStart();
  }
  function drawStart() {
    setHidden(datasetField, !offers?.presets.some((one) => one.name === start.root.value));
  }
  function fillSpace() {
    const chosen = offers?.spaces.find((one) => one.name === spaceKind.root.value);
    if (chosen && !typed) space.value = chosen.lines.join("\n");
  }
  async function onBegin() {
    const request = { start: start.root.value, dataset: dataset.root.value, space: space.value, trials: trials.value, length: length.value, length_in: lengthIn, prune: prune.checked, name: name.value };
    const made = await working(begin, "Beginning …", place, () => post("sweep", request));
    if (!made) return;
    name.value = "";
    model.send({ sweep: made.sweep });
    shown = { ...shown, sweep: made.sweep };
    reset();
    list();
  }
  async function list() {
    try {
      offers = await get("offers");
    } catch (error) {
      return place.say(error.message);
    }
    dataset.fill(offers.datasets.filter((one) => one.present).map((one) => [one.name, one.title]));
    spaceKind.fill(offers.spaces.map((one) => [one.name, one.title]));
    fillSpace();
    follow();
    setHidden(earlierPanel, !offers.sweeps.length);
    earlier.replaceChildren(
      ...offers.sweeps.map((one) => h("button.cx-open", { type: "button", "aria-current": one.id === shown.sweep ? "true" : null, onclick: () => model.send({ sweep: one.id }) }, h("b", {}, one.name), h("small", {}, `${one.dataset} · ${day(one.created)}`))),
    );
    if (!shown.sweep && offers.sweeps.length) model.send({ sweep: offers.sweeps[0].id });
  }

  // ---- the sweep that is shown ----
  function reset() {
    version = "";
    found = null;
    trouble.say("");
    setHidden(result, true);
    setHidden(nothing, Boolean(shown.sweep));
    poke();
  }
  async function act(action, extra = "") {
    try {
      await post("steer-sweep", { id: shown.sweep, action, more: extra });
      trouble.say("");
      poke();
      if (action === "forget") {
        model.send({ sweep: "" });
        shown = { ...shown, sweep: "" };
        reset();
        list();
      }
    } catch (error) {
      trouble.say(error.message);
    }
  }
  const ordered = () => [...found.trials].sort((a, b) => (b.accuracy ?? -1) - (a.accuracy ?? -1) || a.number - b.number);
  const runsOf = (some) => some.map((one) => one.run_id).filter(Boolean);
  function showBest() {
    model.send({ view: "runs", runs: runsOf(ordered().filter((one) => one.accuracy != null)).slice(0, 5) });
  }
  const pick = (trial) => trial.run_id && model.send({ view: "runs", runs: [trial.run_id] });
  const head = () => ["Trial", "State", "Test accuracy", ...found.space.map((one) => one.label), "Examples", "Time"];
  const value = (one) => (typeof one === "number" ? short(one) : one === undefined ? "–" : String(one));
  const plainLine = (one) => [one.number, one.state, accuracy(one.accuracy), ...found.space.map((axis) => value(one.values[axis.name])), count(one.examples), duration(one.seconds)];
  const label = (key) => found.space.find((one) => one.name === key)?.label ?? key;
  const shares = () => Object.entries(found.importance).map(([key, share]) => [label(key), share]).sort((a, b) => b[1] - a[1]);
  function draw() {
    setHidden(nothing, true);
    setHidden(result, false);
    result.dataset.pin = JSON.stringify({ sweep: found.id });
    if (found.error) return trouble.say(found.error);
    setText(title, found.name);
    setText(words, found.words);
    if (found.problem) trouble.say(found.problem);
    const ended = found.trials.filter((one) => ["finished", "pruned", "failed"].includes(one.state)).length;
    const share = (ended + found.trials.reduce((sum, one) => sum + (one.state === "running" ? (one.fraction ?? 0) : 0), 0)) / found.planned;
    bar.firstChild.style.transform = `scaleX(${Math.min(1, share)})`;
    setHidden(bar, !found.driven);
    const whole = ended >= found.planned;
    setText(standing, found.driven ? (found.ours ? "Going on." : "Going on in another process.") : whole ? "Finished; more trials may be asked for." : "Put aside. Continue whenever you like.");
    setHidden(stop, !found.ours);
    setHidden(go, found.driven || whole);
    setHidden(forget, found.driven);
    setHidden(extend.parentElement, found.driven && !found.ours);
    setHidden(compare, !found.trials.some((one) => one.accuracy != null));
    lines.replaceChildren(
      found.trials.length
        ? table(head(), ordered().map((one) => ({ attributes: { "data-best": String(one.number === found.best), "data-trial": one.number }, cells: [linkTo(one), stateMark(one.state, one.fraction, one.reason), ...plainLine(one).slice(2)] })), [2, ...found.space.map((axis, i) => (axis.kind === "choice" && axis.choices.some((one) => typeof one !== "number") ? -1 : 3 + i)), 3 + found.space.length, 4 + found.space.length])
        : h("p.cl-muted", {}, "The first trial is being made."),
    );
    const known = shares();
    importance.replaceChildren(...(known.length ? known.map(([words_, part]) => importanceBar(words_, part)) : [h("p.cl-muted", {}, "Known from four finished trials on.")]));
    setHidden(importanceMenu, !known.length);
    setText(readout, HINT);
    setHidden(readout, !found.trials.some((one) => one.accuracy != null));
    parallel.redraw();
  }
  const linkTo = (one) => (one.run_id ? h("button.cx-link", { type: "button", "data-tip": "Show this run in the table", onclick: () => pick(one) }, `${one.number}`) : String(one.number));
  function importanceBar(words_, part) {
    const fill = h("i");
    fill.style.transform = `scaleX(${part})`;
    return h("div.cl-obar", {}, h("span", { title: words_ }, words_), h("div", {}, fill), h("span", {}, percent(part, 0)));
  }

  model.on("change:shown", (now) => {
    const before = shown;
    shown = now;
    if (now.base !== before.base) {
      picked = "";
      follow();
    }
    if (now.sweep !== before.sweep) {
      reset();
      list();
    }
  });
  const stopRuns = followRuns(el, follow);
  const stopFeed = subscribe({
    el,
    query: () => (shown.sweep ? { w: `${shown.sweep}~${version}` } : {}),
    update: ({ sweep }) => {
      if (!sweep || sweep.id !== shown.sweep || sweep.version === version) return;
      version = sweep.version;
      found = sweep;
      draw();
    },
  });
  reset();
  list();
  return () => {
    stopRuns();
    stopFeed();
    parallel.stop();
  };
}

const HINT = "Each line is a trial, darker the better; the best one is in the accent colour, those ended early are dashed. Point at a line to read it, press it to see its run.";
