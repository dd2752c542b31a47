// All runs: the table, and beside it what the chosen ones show: their curves over each other, how they differ, how good
// they are, and whether one is really better.
import curvesWidget from "./curves.js";
import { choice, h, setHidden, setText, theme } from "./look.js";
import { differencesPanel } from "./experiments_differences.js";
import { runPanel } from "./experiments_run.js";
import { comparisonPanel, statisticsPanel } from "./experiments_measured.js";
import { followRuns } from "./experiments_store.js";
import { newest, runsTable } from "./experiments_table.js";

export default { render };

const COLOURS = 8;
const FIRST = 3; // runs that are shown before anything was chosen

function render({ model, el }) {
  let arrived = false;
  let wanted = null; // what is to be chosen, among them runs that were just made: as soon as the table knows them all
  let chosen = [...(model.get("shown").runs ?? [])];
  const slots = new Map(); // run -> 1 … 8, its own while it is chosen

  const table = runsTable({
    onChoose: (ids) => ((wanted = null), (chosen = ids), follow(), tell()),
    onPoint: (id) => curves.set("lit", id),
    colourOf: (id) => theme().data[(slots.get(id) ?? 1) - 1],
  });
  const problem = h("div.note.bad", { role: "alert", hidden: true });
  const empty = h("div.cx-empty", { hidden: true }, h("h2", {}, "All your runs appear here"), h("p", {}, "Each training in the room Build becomes a line of this table: with its figures, notes and labels. Choose some, and their curves lie over each other."), h("a.cx-main", { href: "/build" }, "Train a network in Build"));

  // The curves are the Build room's, with a model of their own: what they are told stays in this tab.
  const curves = localModel({ overlay: true, runs: [], empty: "Choose runs in the table: their curves appear here, one over the other.", lit: "" }, (message) => {
    if (message.remove) set(chosen.filter((id) => id !== message.remove));
  });
  const curvesPlace = h("div.panel");
  const stopCurves = curvesWidget.render({ model: curves, el: curvesPlace });

  const context = { row: table.row, tell: (message) => model.send(message), drop: (ids) => set(chosen.filter((id) => !ids.includes(id))), choose: set };
  const panels = { run: runPanel(context), differences: differencesPanel(context), statistics: statisticsPanel(context), comparison: comparisonPanel(context) };
  let tab = chosen.length > 1 ? "differences" : "run";
  let picked = false; // whether the reader has chosen the tab
  const tabs = choice("What is shown of the chosen runs", [["run", "Run"], ["differences", "Differences"], ["statistics", "Statistics"], ["comparison", "Which is better?"]], tab, (value) => {
    tab = value;
    picked = true;
    showTab();
  });
  const panel = h("div.panel.cx-details", {}, h("div.cl-panel-head", {}, tabs), ...Object.values(panels).map((one) => one.root));
  const details = h("div.cx-side", {}, curvesPlace, panel);
  el.append(problem, empty, h("div.cx-two", {}, table.root, details));

  function choose(ids) {
    table.choose(ids);
    chosen = table.chosen();
    wanted = ids.every(table.row) ? null : ids;
  }
  function set(ids) {
    choose(ids);
    follow();
    tell();
  }
  const tell = () => model.send({ runs: chosen });

  // Everything beside the table follows what is chosen.
  function follow() {
    for (const id of [...slots.keys()]) if (!chosen.includes(id)) slots.delete(id);
    for (const id of chosen) {
      const own = table.row(id)?.colour;
      if (own) slots.set(id, own);
      else if (!slots.has(id)) slots.set(id, free());
    }
    curves.set("runs", chosen.map((id) => ({ key: id, name: table.row(id)?.name ?? "…", note: "", colour: slots.get(id), cost: table.row(id)?.multiply_adds })));
    table.redraw();
    if (!picked) {
      tab = chosen.length > 1 ? "differences" : "run";
      for (const button of tabs.children) button.setAttribute("aria-checked", String(button.dataset.value === tab));
    }
    setHidden(panel, !chosen.length);
    showTab();
  }
  function free() {
    const used = [...slots.values()];
    const counts = Array.from({ length: COLOURS }, (_, i) => used.filter((slot) => slot === i + 1).length);
    return 1 + counts.indexOf(Math.min(...counts));
  }
  function showTab() {
    for (const [name, one] of Object.entries(panels)) {
      setHidden(one.root, name !== tab);
      if (name === tab) one.show(chosen);
    }
  }

  function take(news) {
    table.take(news);
    setText(problem, news.problem);
    setHidden(problem, !news.problem);
    if (!arrived) {
      arrived = true;
      if (chosen.length) choose(chosen);
      else choose(newest(table.all(), FIRST));
    } else if (wanted?.every(table.row)) {
      choose(wanted);
      tell();
    } else chosen = table.chosen();
    const none = !table.all().length;
    setHidden(empty, !none);
    setHidden(table.root.parentElement, none);
    follow();
    el.dataset.ready = "true";
  }
  model.on("change:shown", (shown) => {
    if (shown.runs.join() === chosen.join() || !shown.runs.length) return;
    choose(shown.runs);
    follow();
  });

  const stopFeed = followRuns(el, take);
  return () => {
    stopFeed();
    stopCurves();
    table.stop();
  };
}

// A model for a widget within a widget.
function localModel(values, onMessage) {
  const callbacks = new Map();
  return {
    get: (name) => values[name],
    set(name, value) {
      if (JSON.stringify(values[name]) === JSON.stringify(value)) return;
      values[name] = value;
      for (const callback of callbacks.get(`change:${name}`) ?? []) callback(value);
    },
    save_changes() {},
    send: onMessage,
    on(event, callback) {
      callbacks.set(event, [...(callbacks.get(event) ?? []), callback]);
    },
  };
}
