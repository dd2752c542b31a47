// The node-link view: every unit of a network as a cell coloured by its activation, flat or in space, on one canvas.
// It knows nothing of the lab: what it shows comes from `setLayout` and `show`, what it asks goes through `ask`.
import { crisp, h, onLookChange, setHidden, setText, short, theme } from "./look.js";
import { drawEdges, drawMark } from "./node_link_edges.js";
import { flatStage } from "./node_link_flat.js";
import { unitIndex, unitNumber } from "./node_link_frame.js";
import { handle } from "./node_link_hands.js";
import { levelLabels } from "./node_link_labels.js";
import { drawPicture } from "./node_link_picture.js";
import { makeAtlas } from "./node_link_paint.js";
import { spaceStage } from "./node_link_space.js";
import { workings } from "./node_link_words.js";
import { capital, placeName } from "./unit_names.js";

const ASK_EVERY = 70; // ms between two questions for a unit's edges while the picture changes
const SETTLE = 160; // ms of rest after which the view in space is painted finely
const SAY_AFTER = 500; // ms of rest after which a screen reader is told

// `host` is filled; `ask(level, index)` gives a promise of a unit's JSON. `options`: { space: "flat" | "3d",
// scale: "level" | "map" | "all", hidden: [keys] }. `onChange(what)` hears of { unit } and { hidden }.
export function nodeLink({ host, ask, options = {}, onChange = () => {}, onPoint = () => {}, cards: withCards = true }) {
  const state = { space: "flat", scale: "level", hidden: new Set(), ...options };
  state.hidden = new Set(options.hidden ?? []);
  let layout = null;
  let frame = null;
  let stage = null;
  let atlas = null;
  let hovered = null; // { level, number }
  let marked = null;
  let unit = null; // JSON of the unit whose edges are shown
  let strongest = 0;
  let cards = null;
  let asking = false;
  let askAgain = false;
  let askTimer = 0;
  let settleTimer = 0;
  let sayTimer = 0;
  let drawn = false; // whether an animation frame is under way

  const base = h("canvas.cl-nl-base", { "aria-hidden": "true" });
  const over = h("canvas.cl-nl-over", {
    tabindex: 0,
    role: "application",
    "aria-roledescription": "network view",
    "aria-label":
      "The network, input at the bottom. Arrow keys go from unit to unit and from level to level, Page Up and Page Down from level to level, Enter opens a unit, Shift with arrows moves or turns the view, plus and minus enlarge, 0 shows all.",
  });
  const labels = levelLabels((key) => setHiddenLevel(key, true));
  const layer = h("div.cl-nl-cards");
  const tip = h("div.cl-nl-tip", { hidden: true, "aria-hidden": "true" });
  const spoken = h("div.hidden-visually", { role: "status", "aria-live": "polite" });
  const line = h("div.cl-nl-line");
  const view = h("div.cl-nl-view", {}, base, over, labels.root, tip, layer);
  host.classList.add("cl-nl");
  host.append(view, line, spoken);

  // ---- what is shown ----
  const find = (key) => {
    const place = layout.levels.findIndex((level) => level.key === key);
    return place < 0 ? null : { place, level: layout.levels[place] };
  };
  const box = () => [view.clientWidth, view.clientHeight];

  function setLayout(next) {
    const same = layout && next && sameLevels(layout, next);
    layout = next;
    if (!layout) {
      frame = stage = atlas = unit = marked = hovered = null;
      cards?.closeAll?.();
      labels.fill([]);
      return repaint();
    }
    if (same) return;
    frame = null;
    hovered = unit = null;
    if (marked && !(marked.level < layout.levels.length && marked.number < layout.levels[marked.level].units)) marked = null;
    cards?.closeAll?.();
    makeStage();
  }
  function makeStage() {
    stage = (state.space === "3d" ? spaceStage : flatStage)(layout.levels, layout.classes);
    view.dataset.space = state.space;
    labels.fill(layout.levels);
    arrange();
  }
  function arrange() {
    if (!stage) return;
    const [width, height] = box();
    if (!width || !height) return;
    const blocks = stage.arrange(width, height, state.hidden);
    atlas = makeAtlas(layout.levels, blocks);
    if (frame) colour();
    repaint();
  }
  function colour() {
    atlas.colour(frame.values, state.scale);
    atlas.upload();
  }

  // A frame's slot: { values, raw, shares, order, how }.
  function show(slot) {
    if (!layout || !atlas || slot.values.length !== layout.units) {
      frame = layout && slot.values.length === layout.units ? slot : frame;
      return;
    }
    frame = slot;
    colour();
    paint();
    drawOver();
    askSoon();
    cards?.refresh();
    sayValue();
  }

  // ---- painting ----
  function paint(fine = false) {
    const [width, height] = box();
    if (!width || !height) return;
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    const context = crisp(base, width, height, ratio);
    if (!stage || !frame) return;
    stage.draw(context, atlas, { values: frame.values, ratio: fine ? Math.max(2, ratio) : 1 });
    if (state.space === "3d") {
      drawNames(context);
      if (!fine) {
        clearTimeout(settleTimer);
        settleTimer = setTimeout(() => paint(true), SETTLE);
      }
    }
    if (atlas) labels.limits(atlas.limits);
  }
  // The names of the classes beside the outputs, in space.
  function drawNames(context) {
    const place = layout.levels.length - 1;
    const names = layout.levels[place].units === layout.classes.length ? stage.names(place) : null;
    if (!names || layout.classes.some((name) => String(name).length > 2)) return;
    const look = theme();
    context.fillStyle = look.ink;
    context.textAlign = "center";
    context.textBaseline = "middle";
    const apart = names[0] && names[1] ? Math.hypot(names[1][0] - names[0][0], names[1][1] - names[0][1]) : 99;
    names.forEach((at, i) => {
      if (!at || (apart < 11 && frame.order[0] !== i)) return;
      context.font = `${frame.order[0] === i ? "700 15px" : "12px"} ${look.font}`;
      context.fillText(layout.classes[i], at[0], at[1]);
    });
  }
  function drawOver(context = null) {
    const [width, height] = box();
    const brush = context ?? crisp(over, width, height, Math.min(window.devicePixelRatio || 1, 2));
    if (!stage || !frame) return;
    const look = theme();
    const shown = hovered ?? marked;
    strongest = unit && shown && same(shown, unitPlace()) ? drawEdges(brush, stage, unit, find) : 0;
    if (marked) drawMark(brush, stage, marked, look.ink, 2);
    if (hovered && !same(hovered, marked)) drawMark(brush, stage, hovered, look.accent, 2);
  }
  const unitPlace = () => {
    const found = unit && find(unit.level);
    return found && { level: found.place, number: unitNumber(found.level, unit.index) };
  };
  const same = (a, b) => !!a && !!b && a.level === b.level && a.number === b.number;

  function repaint() {
    if (drawn) return;
    drawn = true;
    requestAnimationFrame(() => {
      drawn = false;
      paint();
      drawOver();
      if (stage) labels.place(stage, box()[1]);
      placeTip();
    });
  }

  // ---- units ----
  function askSoon() {
    const shown = hovered ?? marked;
    if (!shown || !frame) {
      unit = null;
      return drawOver();
    }
    if (asking) return void (askAgain = true);
    clearTimeout(askTimer);
    asking = true;
    askAgain = false;
    const level = layout.levels[shown.level];
    const wanted = layout;
    Promise.resolve(ask(level.key, unitIndex(level, shown.number)))
      .then((answer) => {
        if (wanted !== layout && !sameLevels(wanted, layout ?? { levels: [] })) return;
        unit = answer;
        if (same(hovered ?? marked, unitPlace())) {
          drawOver();
          describe();
        }
      })
      .catch((error) => {
        unit = null;
        setText(line, error.message);
      })
      .finally(() => {
        askTimer = setTimeout(() => {
          asking = false;
          if (askAgain) askSoon();
        }, same(hovered ?? marked, shown) ? ASK_EVERY : 0);
      });
  }
  function hover(at, point) {
    if (point) tip.at = point;
    if (same(at, hovered) || (!at && !hovered)) return placeTip();
    hovered = at;
    drawOver();
    describe();
    askSoon();
    placeTip();
  }
  // Marks a unit; null takes the mark away.
  function mark(at, { tell = true, say = false } = {}) {
    if (!same(at, marked)) {
      marked = at;
      if (at && !say) hovered = null;
      drawOver();
      askSoon();
      if (tell) onChange({ unit: at ? marker(at) : "" });
    }
    if (at) stage?.reveal(at.level, at.number);
    describe();
    if (say) sayValue(0);
  }
  const marker = ({ level, number }) => [layout.levels[level].key, ...unitIndex(layout.levels[level], number)].join(":");
  const valueOf = ({ level, number }) => frame?.values[layout.levels[level].first + number];
  function sentence(at) {
    const level = layout.levels[at.level];
    const last = at.level === layout.levels.length - 1;
    const named = last && level.units === layout.classes.length ? ` (“${layout.classes[at.number]}”)` : "";
    return `${level.title}, ${placeName(unitIndex(level, at.number))}${named}`;
  }
  function describe() {
    const shown = hovered ?? marked;
    onPoint(shown);
    if (!shown || !frame) return setText(line, "");
    let text = `${capital(sentence(shown))}: ${short(valueOf(shown))}`;
    if (unit && same(shown, unitPlace())) text += `. ${workings(unit, strongest)}`;
    setText(line, text);
  }
  function sayValue(delay = SAY_AFTER) {
    clearTimeout(sayTimer);
    if (!marked || document.activeElement !== over) return;
    sayTimer = setTimeout(() => marked && setText(spoken, `${sentence(marked)}: ${short(valueOf(marked))}`), delay);
  }
  function placeTip() {
    setHidden(tip, !hovered || !frame || !tip.at);
    if (tip.hidden) return;
    setText(tip, short(valueOf(hovered)));
    tip.style.transform = `translate(${Math.round(tip.at[0] + 14)}px, ${Math.round(tip.at[1] - 30)}px)`;
  }
  function open(at) {
    if (!at || !frame) return;
    mark(at);
    const level = layout.levels[at.level];
    cards?.open(level.key, unitIndex(level, at.number));
  }
  // Cards call this, too; when the last of them is closed (level null), the mark stays where it is.
  function select(key, index) {
    const found = key == null ? null : find(key);
    if (found) mark({ level: found.place, number: unitNumber(found.level, index) });
  }

  // ---- options ----
  function setHiddenLevel(key, hide) {
    const shown = layout.levels.filter((level) => !state.hidden.has(level.key));
    if (hide && shown.length <= 1) return;
    hide ? state.hidden.add(key) : state.hidden.delete(key);
    onChange({ hidden: [...state.hidden] });
    arrange();
  }
  function setOptions(next) {
    const before = { ...state, hidden: [...state.hidden].join() };
    Object.assign(state, next);
    state.hidden = new Set(next.hidden ?? state.hidden);
    if (!layout) return;
    if (state.space !== before.space) makeStage();
    else if ([...state.hidden].join() !== before.hidden) arrange();
    else if (state.scale !== before.scale && frame && atlas) {
      colour();
      repaint();
    }
  }

  if (withCards) {
    import("./unit_card.js")
      .then(({ unitCards }) => {
        cards = unitCards({ host: layer, ask, select, levels: () => layout?.levels ?? [], theme, values: (key) => {
          const found = frame && layout && find(key);
          return found ? frame.values.subarray(found.level.first, found.level.first + found.level.units) : null;
        } });
      })
      .catch(() => {}); // a view without cards is still a view
  }
  const letGo = handle(over, {
    stage: () => stage,
    levels: () => layout?.levels ?? [],
    hidden: () => state.hidden,
    marked: () => marked,
    first: () => ({ level: layout.levels.length - 1, number: frame?.order[0] ?? 0 }),
    hover,
    mark,
    open,
    repaint,
    hideLevel: () => marked && setHiddenLevel(layout.levels[marked.level].key, true),
  });
  const sizes = new ResizeObserver(() => {
    stage?.fit();
    arrange();
  });
  sizes.observe(view);
  const stopLook = onLookChange(view, () => {
    atlas?.forgetColours();
    if (frame && atlas) colour();
    repaint();
  });

  return {
    setLayout,
    show,
    setOptions,
    setHiddenLevel,
    select,
    open: (key, index) => {
      const found = find(key);
      if (found) open({ level: found.place, number: unitNumber(found.level, index) });
    },
    get layout() {
      return layout;
    },
    get frame() {
      return frame;
    },
    get marked() {
      return marked && layout ? marker(marked) : "";
    },
    get cards() {
      return cards;
    },
    limits: () => atlas?.limits ?? [],
    // The value that has the full colour: of all, or of the level that is pointed at.
    limit() {
      if (!atlas) return null;
      if (state.scale === "all") return { value: atlas.limits[0], of: "the same for all levels" };
      const at = hovered ?? marked;
      return at && { value: atlas.limits[at.level], of: layout.levels[at.level].title };
    },
    strongest: () => strongest,
    centre: (key, index) => {
      const found = find(key);
      return found && stage.centre(found.place, unitNumber(found.level, index));
    },
    fit() {
      stage?.fit();
      repaint();
    },
    zoom(factor) {
      const [width, height] = box();
      stage?.zoom(factor, width / 2, height / 2);
      repaint();
    },
    // Everything again on another canvas, for a picture to be saved.
    drawOn(context) {
      stage.draw(context, atlas, { values: frame.values, ratio: 2 });
      if (state.space === "3d") drawNames(context);
      drawOver(context);
      drawPicture(context, layout.levels, stage, atlas.limits);
    },
    size: box,
    focus: () => over.focus(),
    destroy() {
      letGo();
      sizes.disconnect();
      stopLook();
      labels.destroy();
      clearTimeout(settleTimer);
      clearTimeout(askTimer);
      clearTimeout(sayTimer);
      cards?.closeAll?.();
    },
  };
}

function sameLevels(a, b) {
  return a.levels.length === b.levels.length && a.levels.every((level, i) => level.key === b.levels[i].key && level.shape.join() === b.levels[i].shape.join());
}
