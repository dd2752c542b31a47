// The table of runs: thousands of them, of which only the rows in sight are drawn; sorted, searched, chosen by mouse
// or keys. Where chosen runs differ in settings, those settings become its first columns.
import { h, setHidden, setText, short, count } from "./look.js";
import { accuracy, day, duration, select, stateMark, STATES, tableMenu, textInput } from "./experiments_parts.js";

const ROW = 34; // CSS pixels
const SPARE = 8; // rows drawn beyond those in sight
export const MOST = 20; // runs that can be chosen

// key, title, width, explanation, value to sort by, text; numbers are aligned right.
const COLUMNS = [
  { key: "test_accuracy", title: "Test accuracy", width: 104, tip: "Share of the whole test set that is right, newest evaluation", number: true, text: (r) => accuracy(r.test_accuracy) },
  { key: "test_loss", title: "Test loss", width: 80, tip: "Mean cross-entropy on the test set, in nats: smaller is better", number: true, text: (r) => (r.test_loss == null ? "" : r.test_loss.toPrecision(3)) },
  { key: "examples", title: "Examples", width: 88, tip: "Training examples seen", number: true, text: (r) => count(r.examples) },
  { key: "seconds", title: "Time", width: 80, tip: "Time of training alone, without evaluation", number: true, text: (r) => duration(r.seconds) },
  { key: "dataset", title: "Data set", width: 104, tip: "What was learned from", text: (r) => r.dataset },
  { key: "network", title: "Network", width: 128, tip: "The preset it began as, or custom", text: (r) => r.network },
  { key: "parameters", title: "Parameters", width: 92, tip: "Numbers that are learned", number: true, text: (r) => (r.parameters == null ? "" : count(r.parameters)) },
  { key: "multiply_adds", title: "Multiply-adds", width: 104, tip: "Multiplications with a weight for one image, forwards", number: true, text: (r) => (r.multiply_adds == null ? "" : short(r.multiply_adds)) },
  { key: "speed", title: "Examples/s", width: 88, tip: "Training speed", number: true, text: (r) => (r.speed == null ? "" : count(r.speed)) },
  { key: "state", title: "State", width: 104, tip: "How it stands", text: (r) => STATES[r.state] ?? r.state },
  { key: "created", title: "Begun", width: 136, tip: "When it was made, in your time zone", text: (r) => day(r.created) },
];
const NAME = { key: "name", title: "Run", tip: "Name, labels; a dot marks a note", text: (r) => r.name };

// `onChoose(ids)` when the choice changes by hand; `onPoint(id)` when the pointer is on a run ("" on none).
export function runsTable({ onChoose, onPoint, colourOf }) {
  const rows = new Map();
  let facts = []; // of the training settings
  let listed = []; // rows as they are shown
  let chosen = [];
  let sort = { key: "created", down: true };
  let active = -1; // the row that the keys are on
  let columns = [NAME, ...COLUMNS];
  let anchor = -1; // where a range begins

  const search = textInput("", { type: "search", placeholder: "Search runs", "aria-label": "Search runs", "data-tip": "Words in the name, network, data set, labels, note or state; several must all be there", oninput: () => arrange(true) });
  const dataset = select([["", "All data sets"]], "", () => arrange(true), { "aria-label": "Data set", "data-tip": "Only runs on this data set" });
  const state = select([["", "All states"], ...["finished", "running", "queued", "paused", "stopped", "failed", "interrupted"].map((name) => [name, STATES[name]])], "", () => arrange(true), { "aria-label": "State", "data-tip": "Only runs that stand so" });
  const onlyChosen = h("input", { type: "checkbox", onchange: () => arrange(true) });
  const said = h("span.cl-muted", { role: "status" });
  const clear = h("button.cl-button", { type: "button", "data-tip": "Choose none", onclick: () => set([]) }, "Clear choice");
  const menu = tableMenu("the table of runs", () => ({ title: "Runs", rows: [columns.map((c) => c.title), ...listed.map((row) => columns.map((c) => c.text(row)))] }));
  const tools = h("div.cx-tools", {}, search, dataset.root, state.root, h("label.cx-check", { "data-tip": "Hide all but the chosen runs" }, onlyChosen, "Chosen only"), h("span.cl-spring"), said, clear, menu);

  const head = h("div.cx-row.cx-head", { role: "row" });
  const window_ = h("div.cx-window", { role: "rowgroup" });
  const space = h("div.cx-space", { role: "presentation" }, window_);
  const grid = h("div.cx-grid", { role: "grid", tabindex: 0, "aria-multiselectable": "true", "aria-label": "Runs. Arrow keys move, Space chooses, Home and End go to the ends." }, head, space);
  const root = h("div.cx-runs-table", {}, tools, grid);
  let top = 0;
  let pressed = false; // while the pointer is down, rows stay the same elements, else the press would get lost
  window_.addEventListener("pointerdown", () => (pressed = true));
  for (const name of ["pointerup", "pointercancel"]) addEventListener(name, released);
  function released() {
    if (!pressed) return;
    pressed = false;
    setTimeout(() => draw(), 0);
  }
  grid.addEventListener("scroll", () => {
    if (Math.abs(grid.scrollTop - top) > ROW * (SPARE - 3)) draw();
  });
  new ResizeObserver(() => draw()).observe(grid);
  grid.addEventListener("keydown", keyed);
  window_.addEventListener("pointerleave", () => onPoint(""));

  function take(news) {
    if (news.reset) rows.clear();
    if (news.settings) facts = news.settings;
    for (const row of news.rows) rows.set(row.id, row);
    for (const id of news.gone) rows.delete(id);
    dataset.fill([["", "All data sets"], ...[...new Set([...rows.values()].map((row) => row.dataset))].sort().map((name) => [name, name])]);
    if (chosen.some((id) => !rows.has(id))) set(chosen.filter((id) => rows.has(id)), false);
    arrange();
  }

  // ---- what is listed, and in which order ----
  function arrange(toTop = false) {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const at = listed[active]?.id;
    setColumns();
    listed = [...rows.values()].filter((row) => {
      if (dataset.root.value && row.dataset !== dataset.root.value) return false;
      if (state.root.value && row.state !== state.root.value) return false;
      if (onlyChosen.checked && !chosen.includes(row.id)) return false;
      return words.every((word) => haystack(row).includes(word));
    });
    const column = columns.find((one) => one.key === sort.key) ?? COLUMNS.at(-1);
    const value = column.value ?? ((row) => row[column.key]);
    listed.sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x == null || y == null) return (x == null) - (y == null); // what is not known stands last, either way
      const order = typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y), "en", { numeric: true });
      return (sort.down ? -order : order) || (a.created < b.created ? 1 : -1);
    });
    active = at ? listed.findIndex((row) => row.id === at) : -1;
    if (toTop) grid.scrollTop = 0;
    const all = rows.size === listed.length ? `${count(rows.size)} ${rows.size === 1 ? "run" : "runs"}` : `${count(listed.length)} of ${count(rows.size)} runs`;
    setText(said, chosen.length ? `${all}, ${chosen.length} chosen` : all);
    setHidden(clear, !chosen.length);
    draw();
  }
  const haystack = (row) => `${row.name} ${row.network} ${row.dataset} ${row.labels.join(" ")} ${row.note} ${STATES[row.state]} ${row.tags["experiment.name"] ?? ""} ${row.id}`.toLowerCase();

  // Settings in which the chosen runs differ come first, after the name.
  function setColumns() {
    const some = chosen.map((id) => rows.get(id)).filter((row) => row?.here);
    const differing = some.length < 2 ? [] : facts.filter((fact) => new Set(some.map((row) => JSON.stringify(setting(row, fact)))).size > 1);
    const plain = ["dataset", "network", "parameters"].filter((key) => some.length > 1 && new Set(some.map((row) => row[key])).size > 1);
    const first = [
      ...differing.map((fact) => ({ key: `settings.${fact.name}`, title: fact.label, width: Math.max(88, 9 + 7.5 * fact.label.length), tip: `${fact.help} The chosen runs differ in it.`, number: fact.number, differs: true, value: (row) => (row.here ? setting(row, fact) : null), text: (row) => (row.here ? shown(setting(row, fact)) : "") })),
      ...COLUMNS.filter((column) => plain.includes(column.key)).map((column) => ({ ...column, differs: true })),
    ];
    columns = [NAME, ...first, ...COLUMNS.filter((column) => !plain.includes(column.key))];
    root.style.setProperty("--cx-columns", `40px minmax(var(--cx-name, 220px), 1fr) ${columns.slice(1).map((column) => `${column.width}px`).join(" ")}`);
    const width = columns.slice(1).reduce((sum, column) => sum + column.width, 0);
    root.style.setProperty("--cx-width", `calc(40px + var(--cx-name, 220px) + ${width}px)`);
    const key = JSON.stringify([columns.map((column) => [column.key, column.differs]), sort]);
    if (key === head.dataset.key) return;
    head.dataset.key = key;
    const focused = document.activeElement?.dataset?.column;
    head.replaceChildren(h("div", { role: "columnheader" }, h("span.hidden-visually", {}, "Chosen")), ...columns.map(header));
    if (focused) head.querySelector(`[data-column="${CSS.escape(focused)}"]`)?.focus();
  }
  const setting = (row, fact) => row.settings[fact.name] ?? (fact.name in row.settings ? null : fact.default);
  const shown = (value) => (value == null ? "–" : value === true ? "yes" : value === false ? "no" : typeof value !== "number" ? String(value) : Number.isInteger(value) ? count(value) : String(+value.toPrecision(6)));
  function header(column) {
    const own = column.key === sort.key;
    const mark = own ? (sort.down ? " ↓" : " ↑") : "";
    const press = () => {
      sort = { key: column.key, down: own ? !sort.down : column !== NAME && (column.number || column.key === "created") };
      arrange(true);
    };
    const sorted = own ? (sort.down ? "descending" : "ascending") : "none";
    const button = h("button", { type: "button", "data-tip": `${column.tip}. Press to sort.`.replace("..", "."), onclick: press }, column.title + mark);
    button.dataset.column = column.key;
    return h(`div${column.number ? ".num" : ""}${column.differs ? ".cx-differs" : ""}`, { role: "columnheader", "aria-sort": sorted }, button);
  }

  // ---- drawing ----
  function draw() {
    if (pressed) return;
    top = grid.scrollTop;
    const height = grid.clientHeight || 400;
    const from = Math.max(0, Math.floor(top / ROW) - SPARE);
    const to = Math.min(listed.length, Math.ceil((top + height) / ROW) + SPARE);
    space.style.height = `${listed.length * ROW}px`;
    window_.style.transform = `translateY(${from * ROW}px)`;
    grid.setAttribute("aria-rowcount", String(listed.length + 1));
    window_.replaceChildren(...listed.slice(from, to).map((row, i) => line(row, from + i)));
    if (active >= 0) grid.setAttribute("aria-activedescendant", `cx-run-${active}`);
    else grid.removeAttribute("aria-activedescendant");
  }
  function line(row, index) {
    const on = chosen.includes(row.id);
    const box = h("input", { type: "checkbox", tabindex: -1, "aria-label": `Choose ${row.name}` });
    box.checked = on;
    if (on) box.style.accentColor = colourOf(row.id);
    const labels = row.labels.map((label) => h("span.cx-label", {}, label));
    const note = row.note ? h("span.cx-note", { title: row.note, "aria-label": `Note: ${row.note}` }) : null;
    const name = h("div.cx-name", { role: "gridcell", title: row.name }, h("span", {}, row.name), note, ...labels, row.here ? null : h("span.cx-label", { title: "Only the record of runs knows it: it was made on another machine" }, "elsewhere"));
    const cells = columns.slice(1).map((column) => {
      const content = column.key === "state" ? stateMark(row.state, row.fraction, row.reason) : column.text(row);
      return h(`div${column.number ? ".num" : ""}`, { role: "gridcell", title: column.number ? null : column.text(row) }, content);
    });
    const element = h("div.cx-row", { role: "row", id: `cx-run-${index}`, "aria-rowindex": index + 2, "aria-selected": String(on) }, h("div.cx-tick", { role: "gridcell" }, box), name, ...cells);
    element.dataset.run = row.id;
    if (index === active) element.dataset.active = "true";
    element.addEventListener("click", (event) => {
      event.preventDefault(); // the box shows what is chosen, not what was pressed
      grid.focus({ preventScroll: true });
      active = index;
      event.shiftKey && anchor >= 0 ? range(anchor, index) : toggle(row.id);
      anchor = index;
    });
    element.addEventListener("pointerenter", () => onPoint(on ? row.id : ""));
    return element;
  }

  // ---- choosing ----
  const toggle = (id) => set(chosen.includes(id) ? chosen.filter((one) => one !== id) : [...chosen, id]);
  const range = (a, b) => set([...new Set([...chosen, ...listed.slice(Math.min(a, b), Math.max(a, b) + 1).map((row) => row.id)])]);
  function set(ids, tell = true) {
    chosen = ids.slice(0, MOST);
    if (tell) onChoose(chosen);
    arrange();
    if (ids.length > MOST) setText(said, `At most ${MOST} runs can be looked at together.`);
  }
  function keyed(event) {
    if (event.target !== grid) return;
    const page = Math.max(1, Math.floor(grid.clientHeight / ROW) - 2);
    const to = { ArrowDown: active + 1, ArrowUp: active - 1, PageDown: active + page, PageUp: active - page, Home: 0, End: listed.length - 1 }[event.key];
    if (to !== undefined && listed.length) {
      active = Math.max(0, Math.min(listed.length - 1, to));
      const y = active * ROW;
      if (y < grid.scrollTop) grid.scrollTop = y;
      else if (y + 2 * ROW > grid.scrollTop + grid.clientHeight) grid.scrollTop = y + 2 * ROW - grid.clientHeight + 4;
      draw();
    } else if (event.key === " " && listed[active]) toggle(listed[active].id);
    else if (event.key === "Escape" && chosen.length) set([]);
    else return;
    event.preventDefault();
  }

  return {
    root,
    take,
    row: (id) => rows.get(id),
    all: () => [...rows.values()],
    chosen: () => chosen,
    choose: (ids) => set(ids.filter((id) => !rows.size || rows.has(id)), false),
    redraw: draw,
    stop: () => ["pointerup", "pointercancel"].forEach((name) => removeEventListener(name, released)),
  };
}

// The newest runs with a result: what is shown before anything was chosen.
export function newest(rows, wanted) {
  const ended = rows.filter((row) => row.here && row.test_accuracy != null).sort((a, b) => (a.created < b.created ? 1 : -1));
  return ended.slice(0, wanted).map((row) => row.id);
}
