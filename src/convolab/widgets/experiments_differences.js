// How the chosen runs differ: settings, those that differ first; networks layer by layer; and what makes it unfair.
import { choice, h, count, setHidden, setText, short } from "./look.js";
import { complaint, get, post, select, tableMenu, working } from "./experiments_parts.js";

export function differencesPanel({ row, choose }) {
  let asked = "";
  let pair = "";
  let found = null;
  let networks = null;
  let all = false;
  const place = complaint();
  const empty = h("p.cl-empty", {}, "Choose two runs or more in the table: their settings and networks stand side by side here, what differs first.");
  const reasons = h("span");
  const again = h("button.cl-button", { type: "button", "data-tip": "New runs with the seed and the length of the first chosen one: the same initial weights where layers are the same, the same order of the examples", onclick: trainAgain }, "Train them again under the same conditions");
  const unfair = h("div.note", { hidden: true }, reasons, again);
  const more = choice("Which settings", [["differing", "What differs"], ["all", "All settings"]], "differing", (value) => {
    all = value === "all";
    draw();
  });
  const menu = tableMenu("the settings side by side", () => ({ title: "Settings", rows: [["Setting", ...found.names], ...lines().map((line) => [line.label, ...line.values])] }));
  const settings = h("div.cx-scroll");
  const first = select([], "", () => askLayers(), { "aria-label": "First network" });
  const second = select([], "", () => askLayers(), { "aria-label": "Second network" });
  const layersMenu = tableMenu("the networks side by side", () => ({ title: "Networks layer by layer", rows: [["", ...networks.names, "change"], ...flat(networks.layers).map(({ one, depth }) => [`${"  ".repeat(depth)}${one.kind}`, words(one.first), words(one.second), changes(one)])] }));
  const layersHead = h("div.cl-panel-head", {}, h("h3", {}, "Networks, layer by layer"), h("span.cl-spring"), layersMenu);
  const layers = h("div.cx-scroll");
  const layersPart = h("div.cx-part", {}, layersHead, h("div.cx-tools.cx-pair", {}, first.root, h("span", {}, "→"), second.root), layers);
  const body = h("div.cx-part", {}, unfair, h("div.cl-panel-head", {}, h("h3", {}, "Settings"), more, h("span.cl-spring"), menu), settings, layersPart);
  const root = h("div.cx-part", {}, place.root, empty, body);

  function show(chosen) {
    const here = chosen.filter((id) => row(id)?.here);
    setHidden(empty, here.length > 1);
    setHidden(body, here.length < 2 || !found);
    if (here.length < 2) {
      asked = "";
      return;
    }
    const key = here.join();
    if (key === asked) return;
    asked = key;
    get("differences", { runs: key })
      .then((answer) => {
        if (asked !== key) return;
        found = answer;
        place.say("");
        setHidden(body, false);
        const names = answer.runs.map((id, i) => [id, answer.names[i]]);
        first.fill(names, answer.runs.includes(first.root.value) ? first.root.value : answer.runs[0]);
        second.fill(names, answer.runs.includes(second.root.value) && second.root.value !== first.root.value ? second.root.value : answer.runs.find((id) => id !== first.root.value));
        draw();
        askLayers();
      })
      .catch((error) => place.say(error.message));
  }
  async function askLayers() {
    const key = `${first.root.value},${second.root.value}`;
    if (key === pair) return;
    pair = key;
    try {
      const answer = await get("layers", { first: first.root.value, second: second.root.value });
      if (pair !== key) return;
      networks = answer;
      drawLayers();
    } catch (error) {
      place.say(error.message);
    }
  }
  async function trainAgain() {
    const made = await working(again, "Making …", place, () => post("fair", { runs: found.runs }));
    if (made) choose(made.runs);
  }
  const lines = () => found.settings.filter((line) => all || line.differs);
  function draw() {
    body.dataset.pin = JSON.stringify({ runs: found.runs });
    setText(reasons, found.unfair.join(" "));
    setHidden(unfair, !found.unfair.length);
    setHidden(again, found.settings.some((line) => line.name === "dataset" && line.differs));
    const rows = lines().map((line) =>
      h("tr", line.differs ? { "data-differs": "true" } : {}, h("th", { scope: "row" }, line.label), ...line.values.map((value) => h("td", {}, value))),
    );
    const none = h("p.cl-muted", {}, "All settings are the same.");
    settings.replaceChildren(rows.length ? h("table.cx-table.cx-side-by-side", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Setting"), ...found.names.map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, ...rows)) : none);
  }
  function drawLayers() {
    layersPart.dataset.pin = JSON.stringify({ runs: networks.runs });
    const rows = flat(networks.layers).map(({ one, depth }) => {
      const sign = { same: "", changed: "changed", added: "added", removed: "removed" }[one.kind];
      return h("tr", { "data-kind": one.kind, style: depth ? `--cx-depth: ${depth}` : null }, side(one.first), side(one.second), h("td", {}, h("b", {}, sign), one.fields.length ? ` ${changes(one)}` : ""));
    });
    const total = (i) => h("td", {}, `${count(networks.totals[i].parameters)} parameters, ${short(networks.totals[i].multiply_adds)} multiply-adds`);
    if (networks.same) return layers.replaceChildren(h("p.cl-muted", {}, "The same layers with the same settings."));
    layers.replaceChildren(
      h("table.cx-table.cx-layers", {}, h("thead", {}, h("tr", {}, ...[...networks.names, "Difference"].map((text) => h("th", { scope: "col" }, text)))), h("tbody", {}, ...rows), h("tfoot", {}, h("tr", {}, total(0), total(1), h("td")))),
    );
  }
  return { root, show };
}

const flat = (layers, depth = 0) => layers.flatMap((one) => [{ one, depth }, ...flat(one.inside, depth + 1)]);
const words = (layer) => (layer ? `${layer.number} ${layer.title} ${layer.summary} → ${layer.shape}` : "");
const changes = (one) => one.fields.map(([name, a, b]) => `${name} ${a} → ${b}`).join(", ");
function side(layer) {
  if (!layer) return h("td.cx-nothing", {}, "–");
  const weights = layer.parameters ? `, ${count(layer.parameters)} parameters` : "";
  return h("td", {}, h("b", {}, `${layer.number} ${layer.title}`), ` ${layer.summary}`, h("small", {}, `→ ${layer.shape}${weights}`));
}
