// Variants and repeats: from one run, several that differ in one thing, or only in their seed; made with one press, and
// at the end a table and plots of what it did to accuracy and time.
import { poke, subscribe } from "./feed.js";
import { choice, count, h, setHidden, setText, short } from "./look.js";
import { accuracy, button, complaint, day, duration, field, get, post, select, stateMark, table, tableMenu, textInput, working } from "./experiments_parts.js";
import { plotPanel, spreadPlot, variedPlot } from "./experiments_plots.js";
import { followRuns, run, startChoices } from "./experiments_store.js";

export default { render };

function render({ model, el }) {
  let shown = model.get("shown");
  let offered = null; // what can be varied of the base
  let asked = "";
  let kind = "variants";
  let key = "";
  let chosen = new Set(); // values, as text
  let own = []; // values that were typed
  let found = null; // the experiment that is shown
  let version = "";

  // ---- the form ----
  const base = select([], "", (id) => ((shown = { ...shown, base: id }), model.send({ base: id }), ask()), { "aria-label": "Run to start from" });
  const kinds = choice("What to make", [["variants", "Try variants"], ["repeats", "Repeat it"]], kind, (value) => {
    kind = value;
    drawForm();
  });
  const place = complaint();
  const things = h("div.cx-things", { role: "radiogroup", "aria-label": "What to vary" });
  const chips = h("div.cx-chips", { role: "group", "aria-label": "Values to try" });
  const another = textInput("", { placeholder: "another value", size: 12, "aria-label": "Another value to try", onkeydown: (event) => event.key === "Enter" && addValue() });
  const examples = textInput("30,000", { inputmode: "numeric" });
  const seeds = textInput("1", { inputmode: "numeric" });
  const repeats = textInput("5", { inputmode: "numeric" });
  const length = textInput("", { inputmode: "numeric", placeholder: "as it was" });
  const sameOrder = h("input", { type: "checkbox" });
  const examplesField = field("Examples for each run", "How many training examples each run sees; the assignment suggests 20,000 or 30,000", examples);
  const makeVariants = h("div.cx-form", {}, h("div.cx-field.cx-wide", {}, h("span", {}, "What to vary"), things), h("div.cx-field.cx-wide", {}, h("span", {}, "Values, each with a run of its own"), chips, h("div.cx-tools", {}, another, button("Add", "Try this value, too", addValue))), examplesField, field("Seeds for each value", "More than one shows how far chance moves the result", seeds));
  const makeRepeats = h("div.cx-form", {}, field("Seeds in all", "How many runs that differ in their seed; a finished run counts as the first", repeats), field("Examples for each run", "Empty: as many as the run had", length), h("label.cx-check.cx-wide", { "data-tip": "Only the initial weights differ, so the spread is that of the weights alone" }, sameOrder, "Same order of the examples"));
  const fair = h("p.cl-muted", {}, "All runs share the order of the examples and, as far as their first layers are alike, the initial weights, so that the comparison is fair.");
  const start = h("button.cx-main", { type: "button", onclick: begin }, "Make the runs");
  const form = h("div.panel.cx-column", {}, h("h2", {}, "Start from"), base.root, kinds, makeVariants, makeRepeats, start, place.root, fair);
  const earlier = h("div.cx-earlier");
  const earlierPanel = h("div.panel.cx-column", { hidden: true }, h("h2", {}, "Made until now"), earlier);
  const noRuns = h("div.cx-empty", { hidden: true }, h("h2", {}, "Variants start from a run"), h("p", {}, "Train a network once; then one press makes several that differ in one thing: the filters of a layer, the learning rate, the number of layers."), h("a.cx-main", { href: "/build" }, "Train a network in Build"));

  // ---- what came of it ----
  const title = h("h2.cx-title");
  const words = h("p.cx-verdict", { role: "status" });
  const trouble = complaint();
  const bar = h("div.cl-bar", {}, h("div.cl-bar-fill"));
  const progress = h("p.cl-muted");
  const stop = button("Stop all", "Stop the runs that have not ended; what they learned is kept", () => act("stop"));
  const go = button("Go on", "Train those that were interrupted or paused", () => act("continue"));
  const compare = button("Curves over each other", "Show these runs in the table, with their curves", () => found && model.send({ view: "runs", runs: found.outcomes.filter((one) => one.state !== "deleted").map((one) => one.run_id) }));
  const forget = button("Forget", "Take it off this list; its runs stay", () => act("forget"));
  const menu = tableMenu("the results", () => ({ title: found.name, rows: [HEAD, ...found.outcomes.map(plainLine)] }));
  const lines = h("div.cx-scroll");
  const plotAccuracy = plotPanel("test accuracy against what was varied", (width) => variedOf(width, "accuracy"), "convolab-variants-accuracy.svg");
  const plotTime = plotPanel("training time against what was varied", (width) => variedOf(width, "seconds"), "convolab-variants-time.svg");
  const plotSpread = plotPanel("spread over the seeds", (width) => (found?.spread ? spreadPlot(width, found.spread, found.outcomes.filter((one) => one.state === "finished").map((one) => one.label)) : null), "convolab-spread.svg");
  const result = h("div.panel.cx-result", { hidden: true }, h("div.cl-panel-head", {}, title, h("span.cl-spring"), menu), words, bar, progress, trouble.root, h("div.cl-actions.cx-wrap", {}, compare, stop, go, h("span.cl-spring"), forget), h("div.cx-plots", {}, plotAccuracy.root, plotTime.root, plotSpread.root), lines);
  const nothing = h("div.panel.cx-empty", {}, h("h2", {}, "Results appear here"), h("p", {}, "Choose what to vary and press the button: the runs train one after the other, and this place shows accuracy and time against what was varied, with the point from which more brings nothing."));
  const two = h("div.cx-form-and-result", {}, h("div.cx-left", {}, form, earlierPanel), h("div.cx-right", {}, nothing, result));
  el.append(noRuns, two);

  // ---- the form: what is offered, what is chosen ----
  function follow() {
    const choices = startChoices(shown.base);
    setHidden(noRuns, choices.length > 0);
    setHidden(two, !choices.length);
    base.fill(choices, shown.base || base.root.value || choices[0]?.[0]);
    ask();
  }
  async function ask() {
    const id = base.root.value;
    if (!id || id === asked) return;
    asked = id;
    place.say("");
    try {
      const answer = await get("proposals", { run: id });
      if (asked !== id) return;
      offered = answer;
      examples.value = count(answer.examples);
      if (!answer.proposals.some((one) => one.key === key)) key = answer.proposals[0]?.key ?? "";
      choose(key);
      if (answer.endless && !length.value) length.value = count(answer.examples);
    } catch (error) {
      offered = null;
      place.say(error.message);
    }
    drawForm();
  }
  const proposal = () => offered?.proposals.find((one) => one.key === key);
  function choose(wanted) {
    key = wanted;
    own = [];
    chosen = new Set(proposal()?.values ?? []);
    drawForm();
  }
  function addValue() {
    const value = another.value.trim();
    if (!value) return;
    if (!values().includes(value)) own.push(value);
    chosen.add(value);
    another.value = "";
    drawForm();
  }
  const values = () => {
    const all = [...(proposal()?.values ?? []), ...own];
    return all.every((value) => Number.isFinite(Number(value))) ? all.sort((a, b) => a - b) : all;
  };
  const wanted = () => values().filter((value) => chosen.has(value));
  function drawForm() {
    setHidden(makeVariants, kind !== "variants");
    setHidden(makeRepeats, kind !== "repeats");
    setHidden(fair, kind !== "variants");
    const now = proposal();
    const things_ = (offered?.proposals ?? []).map((one) => {
      const box = h("input", { type: "radio", name: "cx-thing", value: one.key, onchange: () => choose(one.key) });
      box.checked = one.key === key;
      return h("label.cx-thing", { "data-tip": one.help }, box, h("span", {}, one.title), h("small", {}, one.current ? `now ${one.current}` : ""));
    });
    const focused = document.activeElement?.name === "cx-thing" ? key : "";
    const scrolled = things.scrollTop;
    things.replaceChildren(...things_);
    things.scrollTop = scrolled;
    if (focused) things.querySelector(`[value="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
    chips.replaceChildren(
      ...values().map((value) => {
        const press = () => (chosen.has(value) ? chosen.delete(value) : chosen.add(value), drawForm(), [...chips.children].find((chip) => chip.dataset.value === value)?.focus());
        const chip = h("button.cx-chip", { type: "button", "aria-pressed": String(chosen.has(value)), onclick: press }, value, value === now?.current ? h("small", {}, " now") : null);
        chip.dataset.value = value;
        return chip;
      }),
    );
    setHidden(examplesField, Boolean(now?.length));
    const each = Math.max(1, Number(seeds.value) || 1);
    const total = kind === "variants" ? wanted().length * each : Number(repeats.value) || 0;
    setText(start, kind === "variants" ? `Make ${total} ${total === 1 ? "run" : "runs"}` : `Repeat with ${total} seeds`);
  }
  seeds.addEventListener("input", drawForm);
  repeats.addEventListener("input", drawForm);
  async function begin() {
    const request = kind === "variants" ? { run: base.root.value, key, values: wanted(), examples: examples.value, seeds: seeds.value } : { kind, run: base.root.value, seeds: repeats.value, examples: length.value, weights_only: sameOrder.checked };
    const made = await working(start, "Making …", place, () => post("variants", request));
    drawForm();
    if (!made) return;
    model.send({ experiment: made.experiment, base: base.root.value });
    shown = { ...shown, experiment: made.experiment };
    reset();
    list();
  }

  // ---- what was made ----
  async function list() {
    try {
      const { experiments } = await get("offers");
      setHidden(earlierPanel, !experiments.length);
      earlier.replaceChildren(
        ...experiments.map((one) => h("button.cx-open", { type: "button", "aria-current": one.id === shown.experiment ? "true" : null, onclick: () => model.send({ experiment: one.id }) }, h("b", {}, one.name), h("small", {}, `${one.runs} runs · ${day(one.created)}`))),
      );
      if (!shown.experiment && experiments.length) model.send({ experiment: experiments[0].id });
    } catch {
      // the list comes with the next look
    }
  }
  function reset() {
    version = "";
    found = null;
    trouble.say("");
    setHidden(result, true);
    setHidden(nothing, Boolean(shown.experiment));
    poke();
  }
  async function act(action) {
    try {
      await post("experiment", { id: shown.experiment, action });
      trouble.say("");
      poke();
      if (action === "forget") {
        model.send({ experiment: "" });
        shown = { ...shown, experiment: "" };
        reset();
        list();
      }
    } catch (error) {
      trouble.say(error.message);
    }
  }
  function variedOf(width, what) {
    if (!found?.points.length) return null;
    const points = found.points.map((point) => ({ label: point.text, value: what === "accuracy" ? point.accuracy : point.accuracies.length ? point.seconds : null, values: what === "accuracy" ? point.accuracies : [] }));
    const at = found.plateau?.value == null ? -1 : found.points.findIndex((point) => point.value === found.plateau.value);
    const falls = found.plateau?.falls_at == null ? -1 : found.points.findIndex((point) => point.value === found.plateau.falls_at);
    const unit = found.unit && !found.title.toLowerCase().includes(found.unit) ? `, ${found.unit}` : "";
    if (what === "accuracy") return variedPlot(width, { points, title: found.title + unit, yLabel: "test accuracy", format: (v) => accuracy(v), share: true, mark: at, fallsAt: falls });
    return variedPlot(width, { points, title: found.title + unit, yLabel: "seconds of training", format: (v) => duration(v) });
  }
  function draw() {
    setHidden(nothing, true);
    setHidden(result, false);
    result.dataset.pin = JSON.stringify({ experiment: found.id });
    if (found.error) return trouble.say(found.error);
    const best = Math.max(...found.outcomes.map((one) => (one.state === "finished" ? (one.test_accuracy ?? 0) : 0)));
    setText(title, found.name);
    setText(words, found.words || (found.done < found.outcomes.length ? "The runs are on their way." : "No run has come to its end."));
    const total = found.outcomes.length;
    const moving = found.outcomes.some((one) => ["running", "queued"].includes(one.state));
    const share = found.outcomes.reduce((sum, one) => sum + (["finished", "stopped", "failed", "deleted"].includes(one.state) ? 1 : (one.fraction ?? 0)), 0) / Math.max(1, total);
    bar.firstChild.style.transform = `scaleX(${share})`;
    setHidden(bar, !moving);
    setText(progress, `${found.done} of ${total} runs have ended. ${found.examples ? `${count(found.examples)} examples each, on ${found.dataset}.` : `On ${found.dataset}.`}`);
    setHidden(stop, !moving && !found.outcomes.some((one) => one.state === "paused"));
    setHidden(go, !found.outcomes.some((one) => ["paused", "interrupted"].includes(one.state)));
    lines.replaceChildren(
      table(HEAD, found.outcomes.map((one) => ({ attributes: { "data-best": String(one.state === "finished" && one.test_accuracy === best && best > 0) }, cells: [one.label, stateMark(one.state, one.fraction, one.reason), ...plainLine(one).slice(2)] })), [2, 3, 4, 5, 6, 7]),
    );
    for (const plot of [plotAccuracy, plotTime, plotSpread]) plot.redraw();
  }

  model.on("change:shown", (now) => {
    const before = shown;
    shown = now;
    if (now.base && now.base !== before.base) {
      follow();
      base.root.value = now.base;
      ask();
    }
    if (now.experiment !== before.experiment) {
      reset();
      list();
    }
  });
  const stopRuns = followRuns(el, follow);
  const stopFeed = subscribe({
    el,
    query: () => (shown.experiment ? { v: `${shown.experiment}~${version}` } : {}),
    update: ({ experiment }) => {
      if (!experiment || experiment.id !== shown.experiment || experiment.version === version) return;
      version = experiment.version;
      found = experiment;
      draw();
    },
  });
  list();
  drawForm();
  if (shown.base && run(shown.base)) ask();
  return () => {
    stopRuns();
    stopFeed();
    for (const plot of [plotAccuracy, plotTime, plotSpread]) plot.stop();
  };
}

const HEAD = ["Variant", "State", "Test accuracy", "Test loss", "Examples", "Time", "Examples/s", "Parameters"];
const plainLine = (one) => [one.label, one.state, accuracy(one.test_accuracy), one.test_loss == null ? "" : one.test_loss.toPrecision(3), count(one.examples), duration(one.seconds), one.examples_per_second == null ? "" : count(one.examples_per_second), short(one.parameters)];
