// One network of the room: what it is, what it says, and its view; with what went wrong in its place.
import { h, percent, setHidden, setText } from "./look.js";
import { nodeLink } from "./node_link.js";
import { predictionBars } from "./node_link_bars.js";

// `transport`: see node_link_socket.js; `onChange` as in nodeLink; `onLayout(layout)`.
export function lookPane({ slot, transport, options, onChange, onLayout, onPoint }) {
  let layout = null;
  let source = null;
  let opening = 0;
  const title = h("b");
  const note = h("span.cl-muted");
  const units = h("span.cl-muted");
  const problem = h("div.note.bad.cl-look-problem", { role: "alert", hidden: true });
  const busy = h("p.cl-muted.cl-look-busy", { role: "status", hidden: true }, "Opening the network …");
  const bars = h("div");
  const host = h("div");
  const el = h("section.cl-look-pane", { "aria-label": "Network" }, problem, bars, busy, host);
  const strip = predictionBars(bars, h("header.cl-look-head", {}, title, note, units));
  const view = nodeLink({
    host,
    options,
    onChange,
    onPoint,
    ask: (level, index) => transport.ask({ do: "unit", slot, level, index }).then((answer) => answer.unit),
  });

  // Shows a network; gives a promise of whether that worked.
  async function open(next) {
    source = next;
    const mine = ++opening;
    complain(null);
    const slowly = setTimeout(() => setHidden(busy, false), 100);
    try {
      const answer = await transport.ask({ do: "open", slot, source: next });
      if (mine !== opening) return false;
      take(answer.layout);
      return true;
    } catch (error) {
      if (mine !== opening) return false;
      layout = null;
      view.setLayout(null);
      setHidden(bars, true);
      setText(title, "");
      setText(note, "");
      setText(units, "");
      complain(error, () => open(next).then((fine) => fine && onLayout(layout)));
      onLayout(null);
      return false;
    } finally {
      clearTimeout(slowly);
      if (mine === opening) setHidden(busy, true);
    }
  }
  function take(found) {
    layout = found;
    about(found);
    setHidden(bars, false);
    strip.setClasses(found.classes);
    view.setLayout(found);
    onLayout(found);
  }
  function about(facts) {
    setText(title, facts.title);
    setText(note, facts.note);
    note.dataset.trained = facts.trained;
    if (facts.units) setText(units, `${facts.units.toLocaleString("en")} units`);
    el.setAttribute("aria-label", `${facts.title}, ${facts.note}`);
  }

  // A sentence in its place; with a data set to fetch if that mends it.
  function complain(error, again) {
    setHidden(problem, !error);
    problem.replaceChildren();
    if (!error) return;
    problem.append(h("span", {}, error.message));
    if (error.fetch) problem.append(fetchOffer(transport, error.fetch, again));
  }

  return {
    el,
    slot,
    view,
    strip,
    open,
    close() {
      opening += 1;
      transport.ask({ do: "open", slot, source: "" }).catch(() => {});
      destroy();
    },
    renew(facts) {
      layout = { ...layout, ...facts, levels: layout?.levels, units: layout?.units };
      about(layout);
    },
    show(frame) {
      const found = frame.slots[slot];
      if (!found || !layout || found.units !== layout.units) return;
      strip.show(found);
      view.show(found);
    },
    get layout() {
      return layout;
    },
    get source() {
      return source;
    },
    destroy,
  };
  function destroy() {
    strip.destroy();
    view.destroy();
    el.remove();
  }
}

// A button that fetches a data set, says how far it is, and calls `done` when it is here.
export function fetchOffer(transport, dataset, done) {
  const said = h("span.cl-muted.cl-small", { role: "status" });
  const button = h("button.cl-button", { type: "button", onclick: begin }, "Fetch it now");
  const root = h("span.cl-look-fetch", {}, button, said);
  async function begin() {
    button.disabled = true;
    try {
      for (let first = true; ; first = false) {
        const now = await transport.ask({ do: "fetch", dataset, begin: first });
        if (now.finished) break;
        setText(said, now.sentence + (now.fraction == null ? "" : ` (${percent(now.fraction, 0)})`));
        await new Promise((wake) => setTimeout(wake, 400));
      }
      root.remove();
      done?.();
    } catch (error) {
      setText(said, error.message);
      button.disabled = false;
    }
  }
  return root;
}
