// The challenge: 60 % of CIFAR-10 within one, five or ten minutes of training; a live curve towards it, and the table of
// scores, each with the speed of the machine that made it.
import { poke, subscribe } from "./feed.js";
import { choice, count, h, percent, saveAddress, setHidden, setText, short } from "./look.js";
import { accuracy, button, complaint, day, duration, field, fileAddress, get, patiently, post, select, table, tableMenu, textInput, working } from "./experiments_parts.js";
import { challengePlot, plotPanel } from "./experiments_plots.js";
import { followRuns, startChoices } from "./experiments_store.js";

export default { render };

function render({ model, el }) {
  let shown = model.get("shown");
  let offers = null;
  let found = null;
  let version = "";
  let picked = ""; // the network that the reader has chosen

  // ---- the form ----
  const minutes = textInput("1", { inputmode: "decimal", size: 5, "aria-label": "Minutes of training" });
  const presets = choice("Minutes of training", [["1", "1 min"], ["5", "5 min"], ["10", "10 min"]], "1", (value) => {
    minutes.value = value;
    drawScores();
  });
  minutes.addEventListener("input", () => {
    for (const one of presets.children) one.setAttribute("aria-checked", String(one.dataset.value === minutes.value.trim()));
    drawScores();
  });
  const dataset = select([], "cifar10", () => (follow(), drawScores()), { "aria-label": "Data set" });
  const base = select([], "starter", (value) => (picked = value), { "aria-label": "Network and settings" });
  const name = textInput("", { placeholder: "your name, or your idea", maxlength: 100 });
  const place = complaint();
  const go = h("button.cx-main", { type: "button", onclick: begin }, "Take the challenge");
  const build = h("a", { href: "/build?data=cifar10" }, "Build a network of your own");
  const form = h(
    "div.panel.cx-column",
    {},
    h("h2", {}, "The challenge"),
    h("p", {}, "Can you get 60 % of the CIFAR-10 test images right within one, five or ten minutes of training?"),
    h("div.cx-tools", {}, presets, minutes, h("span.cl-muted", {}, "minutes")),
    field("Data set", "CIFAR-10 is the challenge; others have their own tables", dataset.root),
    field("Network and settings", "The lab's starter; a preset with the starter's settings; or a run of yours, with its network and settings", base.root),
    h("p.cl-muted", {}, build, ", train it for a moment, and choose it here."),
    field("Name of the score", "Stands in the table", name),
    go,
    place.root,
    h("p.cl-muted", {}, "The clock runs on training time alone: loading the images and evaluating do not count."),
  );

  // ---- the run ----
  const title = h("h2.cx-title");
  const clock = h("div.cx-clock", { role: "timer" });
  const standing = h("p.cl-muted", { role: "status" });
  const stop = button("Stop", "End it; there is no score then", () => steer());
  const curves = button("All its curves", "Show this run in the table", () => found?.run && model.send({ view: "runs", runs: [found.run.id] }));
  const plot = plotPanel("towards the target", drawPlot, "convolab-challenge.svg");
  const trouble = complaint();
  const live = h("div.panel.cx-result", {}, h("div.cl-panel-head", {}, title, h("span.cl-spring"), clock), standing, plot.root, trouble.root, h("div.cl-actions.cx-wrap", {}, curves, stop));

  // ---- the scores ----
  const file = h("input", { type: "file", accept: ".json,application/json", hidden: true, "aria-label": "Score file", onchange: take });
  const bring = button("Import a score …", "A file from another machine; repeat it to check it", () => file.click());
  const scoresPlace = complaint();
  const scoresMenu = tableMenu("the high scores", () => ({ title: "High scores", rows: [HEAD.slice(0, -1), ...mine().map((one, i) => plainLine(one, i))] }));
  const note = h("p.cl-muted", {}, "GFLOP/s: the measured speed of that machine's own convolutions, in 10⁹ operations a second. Seconds times GFLOP/s is what a score had at its disposal, so that scores of different machines can be compared fairly.");
  const scores = h("div.cx-scroll");
  const scoresPanel = h("div.panel.cx-result", {}, h("div.cl-panel-head", {}, h("h2.cx-title", {}, "High scores"), h("span.cl-spring"), bring, scoresMenu, file), scoresPlace.root, scores, note);
  el.append(h("div.cx-form-and-result", {}, h("div.cx-left", {}, form), h("div.cx-right", {}, live, scoresPanel)));

  function follow() {
    if (!offers) return;
    const own = startChoices(shown.base, (row) => row.dataset === dataset.root.value);
    const chosen = picked || (own.some(([id]) => id === shown.base) ? shown.base : "starter");
    base.fill([["starter", "The lab's starter, made for the time"], ...offers.presets.map((one) => [one.name, `${one.title}, the starter's settings`]), ...own], chosen);
  }
  async function list() {
    try {
      offers = await get("offers");
    } catch (error) {
      return place.say(error.message);
    }
    dataset.fill(offers.datasets.map((one) => [one.name, one.present ? one.title : `${one.title} (fetched first)`]), dataset.root.value || "cifar10");
    follow();
    drawScores();
  }
  async function begin() {
    const request = { minutes: minutes.value, dataset: dataset.root.value, base: base.root.value, name: name.value };
    const made = await working(go, "Starting …", place, (words) => patiently(() => post("challenge", request), words));
    if (made) watch(made.run);
  }
  function watch(id) {
    model.send({ challenge: id });
    shown = { ...shown, challenge: id };
    version = "";
    poke();
  }
  async function steer() {
    // The run is stopped as any other, by the list of jobs' own way.
    try {
      await post("stop", { run: found.run.id });
      trouble.say("");
    } catch (error) {
      trouble.say(error.message);
    }
    poke();
  }

  // ---- drawing ----
  const same = (one) => one.dataset === dataset.root.value && Math.abs(one.minutes - Number(minutes.value.replace(",", "."))) < 1e-6;
  const mine = () => found.scores.filter((one) => one.dataset === dataset.root.value);
  function drawPlot(width) {
    const run = found?.run;
    const others = (found?.scores ?? []).filter((one) => (run?.budget ? one.dataset === run.dataset && one.budget === run.budget && one.run_id !== run.id : same(one)));
    const budget = run?.budget ?? (run ? null : 60 * (Number(minutes.value.replace(",", ".")) || 1));
    return challengePlot(width, { curve: run?.curve ?? [], target: run?.target ?? 0.6, budget, others, state: run ? "" : "Press “Take the challenge”: the curve grows here." });
  }
  function draw() {
    const run = found.run;
    live.dataset.pin = JSON.stringify({ runs: run ? [run.id] : [] });
    setText(title, run ? `${run.repeats ? "Repeating a score" : run.name}` : "Ready when you are");
    setHidden(stop, !run || !["running", "queued", "paused"].includes(run.state));
    setHidden(curves, !run);
    setText(clock, run ? (run.budget ? `${run.seconds.toFixed(run.seconds < 100 ? 1 : 0)} of ${short(run.budget)} s` : `${count(run.examples)} of ${count(run.planned ?? 0)} examples`) : "");
    setText(standing, run ? said(run) : "");
    trouble.say(run?.problem);
    plot.redraw();
    drawScores();
  }
  function said(run) {
    const reached = run.curve.find(([, a]) => a >= run.target);
    const now = run.test_accuracy == null ? "" : `${percent(run.test_accuracy, 2)} of the test images right. `;
    const goal = reached ? `${percent(run.target, 0)} was first measured after ${duration(reached[0])}. ` : "";
    const score = found.scores.find((one) => one.run_id === run.id || one.checks.some((check) => check.run_id === run.id));
    if (run.state === "queued") return run.position > 1 ? `Waiting, at place ${run.position} in the queue.` : "About to start.";
    if (run.state === "running") return `${run.network}: ${now}${goal}`;
    if (run.state === "finished" && run.repeats) return score ? score.words : `${now}The score is being checked.`;
    if (run.state === "finished" && !score) return `${now}${goal}${found.settling ? "The time is over; the machine's speed is being measured." : ""}`;
    return score ? score.words : `${now}${goal}${run.reason}`;
  }
  function drawScores() {
    if (!found) return;
    scoresPlace.say(found.problem);
    const listed = mine();
    scoresPanel.dataset.pin = JSON.stringify({ scores: listed.map((one) => one.id) });
    if (!listed.length) {
      scores.replaceChildren(h("p.cl-empty", {}, "No scores yet on this data set. Take the challenge, or import a score that somebody gave you."));
      return;
    }
    const places = new Map();
    for (const one of listed) places.set(one.minutes, [...(places.get(one.minutes) ?? []), one]);
    const groups = [...places.entries()].sort(([a], [b]) => a - b);
    scores.replaceChildren(...groups.map(([time, some]) => h("div.cx-part", {}, h("h3", {}, `${short(time)} ${time === 1 ? "minute" : "minutes"} of training`), table(HEAD, some.map((one, i) => ({ attributes: { "data-best": String(i === 0), title: one.words }, cells: [...plainLine(one, i), deeds(one)] })), [0, 2, 3, 4, 6, 7]))));
  }
  function deeds(one) {
    const again = button("Repeat", "Train the same network here on as many examples, and check the score", async () => {
      const made = await working(again, "Starting …", scoresPlace, (words) => patiently(() => post("repeat-score", { score: one.id }), words));
      if (made) watch(made.run);
    });
    const save = button("Export", "A file with everything needed to repeat it, for another machine", () => saveAddress(fileAddress("score.json", { score: one.id })));
    const remove = button("Delete", "Take this score out of the table; its run stays", async () => {
      await working(remove, "…", scoresPlace, () => post("remove-score", { score: one.id }));
      version = "";
      poke();
    });
    return h("div.cl-actions", {}, again, save, remove);
  }
  async function take() {
    const chosen = file.files[0];
    file.value = "";
    if (!chosen) return;
    const text = await chosen.text();
    const made = await working(bring, "Importing …", scoresPlace, () => post("import-score", { text }));
    if (!made) return;
    version = "";
    poke();
  }

  model.on("change:shown", (now) => {
    const before = shown;
    shown = now;
    if (now.base !== before.base) {
      picked = "";
      follow();
    }
    if (now.challenge !== before.challenge) {
      version = "";
      poke();
    }
  });
  const stopRuns = followRuns(el, follow);
  const stopFeed = subscribe({
    el,
    query: () => ({ k: `shown-${shown.challenge}~${version}` }),
    update: ({ challenge }) => {
      if (!challenge || challenge.version === version) return;
      version = challenge.version;
      found = challenge;
      draw();
    },
  });
  list();
  return () => {
    stopRuns();
    stopFeed();
    plot.stop();
  };
}

const HEAD = ["Place", "Name", "Test accuracy", "60 % after", "Examples", "Machine", "GFLOP/s", "10¹² operations", "Checked", "When", ""];
function plainLine(one, i) {
  const checked = one.confirmed === null ? (one.imported ? "imported, not repeated" : "") : one.confirmed ? "confirmed" : "not confirmed";
  const machine = [one.machine.processor, one.machine.device && one.machine.device !== "cpu" ? one.machine.device : "", one.machine.cores ? `${one.machine.cores} cores` : ""].filter(Boolean).join(", ");
  const goal = one.target === 0.6 ? "" : ` (${percent(one.target, 0)})`;
  const reached = (one.reached_seconds == null ? "not reached" : duration(one.reached_seconds)) + goal;
  return [i + 1, one.title, accuracy(one.accuracy), reached, count(one.examples), machine, one.machine.gflops ? count(one.machine.gflops) : "", one.work ? short(one.work) : "", checked, day(one.when)];
}
