// One run: what it reached, what was noted about it, and what can be done with it.
import { h, count, percent, setHidden, setText, short, theme } from "./look.js";
import { button, complaint, day, duration, field, get, post, select, stateMark, textInput, working } from "./experiments_parts.js";

const PAUSE = 700; // ms after the last key before a note is kept

// `row(id)`: a line of the table; `tell(message)` to the room; `drop(ids)`: they are chosen no more.
export function runPanel({ row, tell, drop }) {
  let shown = ""; // the run
  let about = null;
  let timer = 0;
  const which = select([], "", (id) => show([...ids], id), { "aria-label": "Run" });
  let ids = [];
  const place = complaint();
  const facts = h("dl.cx-facts");
  const reason = h("p.cl-muted");
  const name = textInput("", { maxlength: 100, onchange: rename });
  const labels = textInput("", { placeholder: "good, wide, try again", onchange: () => note({ labels: labels.value.split(",") }) });
  const text = h("textarea.cx-input.cx-notes", { rows: 3, placeholder: "What was tried, and what came of it", oninput: typed, onblur: () => keep() });
  const kept = h("span.cl-muted", { role: "status" });
  const colours = h("div.cx-colours", { role: "radiogroup", "aria-label": "Colour of its curve" });
  const open = h("a.cl-button", { "data-tip": "Its network, settings and training in the room Build" }, "Open in Build");
  const look = h("a.cl-button", { "data-tip": "Draw something, and see every unit of it" }, "Look inside");
  const vary = button("Try variants", "Make several runs that differ from this one in one thing", () => tell({ view: "variants", base: shown, experiment: "" }));
  const sweep = button("Search from here", "Begin a sweep with this run's network and settings", () => tell({ view: "sweeps", base: shown, sweep: "" }));
  const remove = button("Delete …", "Delete this run with its weights", () => setHidden(sure, false));
  const sure = h("div.note", { hidden: true }, h("p", {}, "Delete this run with its curves, weights and notes? This cannot be undone."), h("div.cl-actions", {}, button("Delete", "It is gone after this", erase, ".cx-danger"), button("Keep it", "Nothing happens", () => setHidden(sure, true))));
  const deeds = h("div.cl-actions.cx-wrap", {}, vary, sweep, open, look, h("span.cl-spring"), remove);
  const notes = h("div.cx-form", {}, field("Name", "What it is called, everywhere in the lab", name), field("Labels", "Words to find it by, with commas between", labels), h("label.cx-field.cx-wide", { "data-tip": "For yourself, and for the page you hand in" }, h("span", {}, "Note ", kept), text), h("div.cx-field.cx-wide", {}, h("span", {}, "Colour of its curve"), colours));
  const root = h("div.cx-part", {}, h("div.cx-tools", {}, which.root), facts, reason, place.root, deeds, sure, notes);

  function show(chosen, wanted = shown) {
    ids = chosen;
    const id = chosen.includes(wanted) ? wanted : chosen.at(-1);
    which.fill(chosen.map((one) => [one, row(one)?.name ?? one]), id);
    setHidden(which.root.parentElement, chosen.length < 2);
    if (id !== shown) {
      keep();
      shown = id;
      about = null;
      place.say("");
      setHidden(sure, true);
      setText(kept, "");
      ask(id);
      const found = row(id);
      if (found) fill(found);
    }
    draw();
  }
  function fill(found) {
    name.value = found.name;
    labels.value = found.labels.join(", ");
    text.value = found.note;
  }
  async function ask(id) {
    if (!id) return;
    try {
      const found = await get("run", { run: id });
      if (id === shown) about = found;
    } catch (error) {
      if (id === shown) place.say(error.message);
    }
    draw();
  }
  function draw() {
    const found = row(shown);
    for (const node of [open, look]) setHidden(node, !about);
    for (const node of [vary, sweep, remove, notes]) setHidden(node, !found?.here);
    if (!found) return;
    if (about) {
      open.href = about.build;
      look.href = about.look;
    }
    const figure = (title, value, unit = "") => (value === "" ? null : h("div", {}, h("dt", {}, title), h("dd", {}, h("b", {}, value), unit ? h("small", {}, unit) : null)));
    const share = (value) => (value == null ? "" : percent(value, 2));
    facts.replaceChildren(
      ...[
        figure("Test accuracy", share(found.test_accuracy), "of the test images"),
        figure("Training accuracy", share(found.train_accuracy), "newest batches"),
        figure("Test loss", found.test_loss == null ? "" : found.test_loss.toPrecision(4)),
        figure("Examples", count(found.examples)),
        figure("Time", duration(found.seconds), "of training"),
        figure("Parameters", found.parameters == null ? "" : count(found.parameters)),
        figure("Multiply-adds", found.multiply_adds == null ? "" : short(found.multiply_adds), "for one image"),
        h("div", {}, h("dt", {}, "State"), h("dd", {}, stateMark(found.state, found.fraction), h("small", {}, day(found.created)))),
      ].filter(Boolean),
    );
    const part = found.tags["experiment.name"] ? ` Part of “${found.tags["experiment.name"]}”.` : "";
    setText(reason, `${found.reason ?? ""}${part}`.trim());
    setHidden(reason, !reason.textContent);
    drawColours(found);
  }
  function drawColours(found) {
    const key = `${shown} ${found.colour} ${theme().dark}`;
    if (key === colours.dataset.key) return;
    colours.dataset.key = key;
    const words = ["Any that is free", "Blue", "Vermilion", "Green", "Pink", "Orange", "Sky blue", "Black or white", "Yellow"];
    colours.replaceChildren(
      ...words.map((word, i) => {
        const swatch = h("button.cx-colour", { type: "button", role: "radio", "aria-label": word, "data-tip": word, "aria-checked": String(found.colour === i), onclick: () => note({ colour: i }) }, i ? "" : "auto");
        if (i) swatch.style.background = theme().data[i - 1];
        return swatch;
      }),
    );
  }

  // ---- changing ----
  function typed() {
    setText(kept, "");
    clearTimeout(timer);
    timer = setTimeout(keep, PAUSE);
  }
  function keep() {
    clearTimeout(timer);
    const found = row(shown);
    if (found && text.value.trim() !== found.note) note({ text: text.value });
  }
  async function note(values) {
    const id = shown;
    try {
      const answer = await post("note", { run: id, ...values });
      const found = row(id);
      if (found) Object.assign(found, { note: answer.note, labels: answer.labels, colour: answer.colour });
      if (id === shown) setText(kept, "Saved");
      place.say("");
    } catch (error) {
      place.say(error.message);
    }
    draw();
  }
  async function rename() {
    if (name.value.trim() === row(shown)?.name) return;
    try {
      await post("rename", { run: shown, name: name.value });
      place.say("");
    } catch (error) {
      place.say(error.message);
    }
  }
  async function erase() {
    const id = shown;
    const done = await working(remove, "Deleting …", place, () => post("delete", { runs: [id] }));
    setHidden(sure, true);
    if (done) drop([id]);
  }
  return { root, show };
}
