// Floating cards for units: the arithmetic of each in pictures and numbers, followed from unit to unit.
import { cornerMenu, h, saveText, setHidden, setText } from "./look.js";
import { floating } from "./floating.js";
import { convolutionSteps } from "./convolution_steps.js";
import { address, capital, placeName } from "./unit_names.js";
import { structureOf, unitBody } from "./unit_body.js";
import { unitCsv } from "./unit_numbers.js";

const WIDTH = 424;
const PADDING = 16;
const PAUSE = 60; // ms between two updates of the cards, while the drawing changes

// `host`: the layer over the view in which cards float; `ask(level, index)` gives a unit's JSON; `select(level, index)`
// marks a unit in the view (level null: none); `levels`: the network's levels, or a function that gives them;
// `values(level)`: all values of a level, if the view has them at hand (spares the animation many questions).
// Gives back { open(level, index), refresh(), close(card), closeAll(), cards }.
export function unitCards({ host, ask, select = () => {}, levels = [], values = null }) {
  const cards = [];
  const films = new Set();
  const levelsNow = () => (typeof levels === "function" ? levels() : levels);
  const levelOf = (key) => levelsNow().find((level) => level.key === key);
  const levelTitle = (key) => levelOf(key)?.title ?? key;
  const same = (a, b) => a.level === b.level && a.index.join() === b.index.join();

  // Shows a unit: in the card that shows it already, else in the one that is not pinned, else in a new one.
  function open(level, index, { pinned = false } = {}) {
    const unit = { level, index: [...index] };
    let card = cards.find((each) => same(each.unit, unit)) ?? cards.find((each) => !each.pinned);
    if (!card) {
      card = makeCard();
      cards.push(card);
    }
    const byKeys = document.activeElement?.matches?.(":focus-visible") && !card.el.contains(document.activeElement);
    card.show(unit);
    if (pinned) card.pin(true);
    card.front();
    if (byKeys) card.focus();
    return card;
  }

  function makeCard() {
    let unit = { level: "", index: [] };
    let body = null;
    let structure = "";
    let latest = null;
    let asking = false;
    let askAgain = false;
    let pinned = false;
    const past = [];

    const frame = floating({ host, name: "Unit", width: WIDTH, className: "cl-card", onClose: gone });
    const title = h("h2.cl-card-title");
    const place = h("span.cl-card-place");
    const code = h("code.cl-card-code", { title: "Its name on the command line, counted from 0" });
    const back = h("button.cl-button.cl-quiet", { type: "button", "aria-label": "Back to the unit before", title: "Back to the unit before (Backspace)", "data-role": "back", hidden: true, onclick: goBack }, "‹");
    const pinButton = h("button.cl-button.cl-quiet.cl-pin", { type: "button", "aria-pressed": "false", "data-role": "pin", title: "Pinned cards stay when another unit is chosen (P)", onclick: () => pin(!pinned) }, "Pin");
    const fileName = (ending) => `${address(unit.level, unit.index).replaceAll(":", "-")}.${ending}`;
    const menu = cornerMenu("the unit", [
      ["Picture (PNG)", () => body?.save(levelTitle(unit.level), fileName("png"))],
      ["All numbers (CSV)", () => latest && saveText(unitCsv(latest), fileName("csv"))],
      ["All numbers (JSON)", () => latest && saveText(JSON.stringify(latest, null, 1), fileName("json"), "application/json")],
    ]);
    const problem = h("p.cl-card-problem", { role: "alert", hidden: true });
    frame.title.append(title, h("div.cl-card-sub", {}, place, code));
    frame.buttons.prepend(back, pinButton, menu);
    frame.body.append(problem);

    function show(next, { returning = false } = {}) {
      if (same(unit, next)) return ask_();
      if (unit.level && !returning) past.push(unit);
      unit = next;
      setHidden(back, !past.length);
      if (!body) dress();
      select(unit.level, unit.index);
      ask_();
    }
    // The head changes together with the numbers below it.
    function dress() {
      frame.el.dataset.unit = address(unit.level, unit.index);
      setText(title, levelTitle(unit.level));
      setText(place, capital(placeName(unit.index)));
      setText(code, address(unit.level, unit.index));
      frame.rename(`${levelTitle(unit.level)}, ${placeName(unit.index)}`);
    }
    function goBack() {
      const before = past.pop();
      if (!before) return;
      const held = document.activeElement === back;
      show(before, { returning: true });
      if (held && back.hidden) frame.focus();
    }
    async function ask_() {
      if (asking) return void (askAgain = true);
      asking = true;
      const wanted = unit;
      frame.el.setAttribute("aria-busy", "true");
      try {
        const answer = await ask(wanted.level, wanted.index);
        if (answer?.error) throw new Error(answer.error);
        if (wanted === unit) present(answer);
      } catch (error) {
        if (wanted === unit) complain(error?.message || "The lab does not answer.");
      }
      frame.el.setAttribute("aria-busy", "false");
      if (wanted !== unit) askAgain = true;
      setTimeout(
        () => {
          asking = false;
          if (!askAgain) return;
          askAgain = false;
          if (cards.includes(card)) ask_();
        },
        wanted !== unit ? 0 : PAUSE,
      );
    }
    function present(answer) {
      latest = answer;
      dress();
      setHidden(problem, true);
      const next = structureOf(answer);
      if (body && next === structure) return body.update(answer);
      const width = Math.min(WIDTH, frame.el.clientWidth || WIDTH) - 2 * PADDING;
      const inside = frame.body.contains(document.activeElement);
      body?.close();
      body?.el.remove();
      structure = next;
      body = unitBody(answer, { width, go: (level, index) => show({ level, index }), watch: () => watch(answer), levelTitle });
      frame.el.classList.remove("cl-broad");
      frame.body.append(body.el);
      frame.body.scrollTop = 0;
      frame.settle();
      if (inside && !frame.body.contains(document.activeElement)) frame.body.focus({ preventScroll: true });
    }
    function complain(text) {
      latest = null;
      dress();
      setText(problem, text);
      setHidden(problem, false);
      body?.close();
      body?.el.remove();
      [body, structure] = [null, ""];
    }
    function pin(now) {
      pinned = now;
      frame.el.dataset.pinned = now;
      pinButton.setAttribute("aria-pressed", String(now));
      setText(pinButton, now ? "Pinned" : "Pin");
    }
    function gone() {
      body?.close();
      cards.splice(cards.indexOf(card), 1);
      const last = cards.at(-1);
      select(last?.unit.level ?? null, last?.unit.index ?? null);
    }

    frame.body.addEventListener("cl-numbers", (event) => {
      frame.el.classList.toggle("cl-broad", event.detail);
      frame.settle();
    });
    frame.el.addEventListener("keydown", (event) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "Backspace") goBack();
      else if (event.key === "p") pin(!pinned);
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
    frame.el.addEventListener("pointerdown", () => select(unit.level, unit.index));

    const card = {
      el: frame.el,
      get unit() {
        return unit;
      },
      get pinned() {
        return pinned;
      },
      show,
      pin,
      ask: ask_,
      front: frame.front,
      focus: frame.focus,
      close: frame.close,
    };
    pin(false);
    return card;
  }

  function watch(unit) {
    const film = convolutionSteps({ host, ask, unit, level: levelOf(unit.level), below: levelOf, values, levelTitle, onClose: () => films.delete(film) });
    films.add(film);
    return film;
  }

  return {
    cards,
    open,
    watch,
    refresh() {
      for (const card of cards) card.ask();
      for (const film of films) film.refresh();
    },
    close: (card) => card.close(),
    closeAll() {
      for (const each of [...cards, ...films]) each.close();
    },
  };
}
