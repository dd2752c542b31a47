// Your own input: draw it, or bring a picture; beside it what the network is given, and what it says.
import { address, shown, subscribe } from "./feed.js";
import { cornerMenu, crisp, h, percent, saveBlob, saveText, setHidden, setText } from "./look.js";
import { makePad } from "./pad.js";

export default { render };

function render({ model, el }) {
  let colourful = !!model.get("colour"); // pictures of the chosen data set have three channels
  let asking = false;
  let askAgain = false;
  let weights = null;
  let answer = null;

  const pad = makePad({ onChange: ask, onProblem: complain, kept: "convolab-drawing", colour: colourful });
  const drawn = () => pad.content().kind !== "empty";
  const input = h("canvas.cl-own-input", { role: "img", "aria-label": "What the network is given" });
  const steps = h("p.cl-steps");
  const verdict = h("p.cl-verdict", { role: "status", "aria-live": "polite" });
  const bars = h("div.cl-own-bars");
  const menu = cornerMenu("your input", [
    ["Your picture (PNG)", () => pad.canvas.toBlob((blob) => saveBlob(blob, "convolab-drawing.png"))],
    ["What the network is given (PNG)", () => answer?.input && fetch(answer.input).then((r) => r.blob()).then((blob) => saveBlob(blob, "convolab-input.png"))],
    ["Prediction (CSV)", saveCsv],
  ]);
  const hint = h("p.cl-muted.cl-small", {}, "Mouse, finger or pen; by keyboard: arrows move, Space draws, E erases, Delete clears.");
  el.classList.add("cl-panel", "cl-own");
  el.append(
    h("div.cl-panel-head", {}, h("h2.cl-panel-title", {}, "Your own input"), h("span.cl-spring"), menu),
    h(
      "div.cl-own-body",
      {},
      h("div.cl-own-pad", {}, pad.el, ...pad.toolbox, hint),
      h("div.cl-own-result", {}, h("div.cl-own-given", {}, input, steps), verdict, bars),
    ),
  );

  // ---- asking the network ----
  async function ask() {
    if (!drawn()) return showNothing();
    if (asking) return void (askAgain = true);
    asking = true;
    try {
      const blob = pad.content().blob ?? (await new Promise((done) => pad.canvas.toBlob(done)));
      const source = shown();
      const response = await fetch(address(`own?source=${encodeURIComponent(source)}`), { method: "POST", body: blob });
      const found = await response.json();
      if (source === shown() && drawn()) found.error ? complain(found.error) : present(found);
    } catch {
      complain("The lab does not answer; your picture is kept.");
    }
    asking = false;
    if (askAgain) {
      askAgain = false;
      setTimeout(ask, 30);
    }
  }
  function complain(text) {
    setText(verdict, text);
    verdict.dataset.tone = "error";
    bars.replaceChildren();
    answer = null;
  }
  function showNothing() {
    answer = null;
    verdict.dataset.tone = "";
    setText(verdict, colourful ? "Draw something, or bring a picture, and see what the network takes it for." : "Draw something and see what the network takes it for.");
    bars.replaceChildren();
    setText(steps, "");
    setHidden(input, true);
  }

  function present(found) {
    const same = answer && answer.classes.length === found.classes.length && bars.children.length;
    const changedInput = !answer || answer.input !== found.input;
    answer = found;
    verdict.dataset.tone = "";
    const [best, share] = found.shares.reduce((top, value, i) => (value > top[1] ? [i, value] : top), [0, -1]);
    setText(verdict, `${found.untrained ? "The untrained network says" : "The network says"} “${found.classes[best]}”, ${percent(share).replace(" %", "\u00a0%")}.`);
    setHidden(input, false);
    setText(steps, found.done);
    if (changedInput) {
      const picture = new Image();
      picture.onload = () => {
        const context = crisp(input, 112, 112);
        context.imageSmoothingEnabled = false;
        context.drawImage(picture, 0, 0, 112, 112);
      };
      picture.src = found.input;
    }
    // All of a few classes in their order; of many the likeliest.
    const order = found.classes.map((_, i) => i);
    if (order.length > 12) order.sort((a, b) => found.shares[b] - found.shares[a]).splice(10);
    if (!same || order.length !== bars.children.length)
      bars.replaceChildren(...order.map(() => h("div.cl-obar", {}, h("span"), h("div", {}, h("i")), h("span"))));
    order.forEach((k, i) => {
      const [name, track, value] = bars.children[i].children;
      setText(name, found.classes[k]);
      track.firstChild.style.transform = `scaleX(${Math.max(0.004, found.shares[k]).toFixed(3)})`;
      setText(value, percent(found.shares[k]));
      bars.children[i].dataset.best = k === best;
    });
  }

  function saveCsv() {
    if (!answer) return;
    const quote = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
    saveText("class,share\n" + answer.classes.map((name, i) => `${quote(name)},${answer.shares[i]}`).join("\n") + "\n", "convolab-own-input.csv");
  }

  model.on("change:colour", (value) => {
    if (!!value === colourful) return;
    colourful = !!value;
    pad.setColour(colourful);
    ask();
  });

  const stopFeed = subscribe({
    el,
    query: () => ({}),
    update: (news) => {
      if (news.weights === undefined || news.weights === weights) return;
      weights = news.weights;
      if (drawn()) ask();
    },
    reset: () => (weights = null),
  });
  const stopListening = pad.listen(el);
  ask();
  pad.recall();
  return () => {
    stopFeed();
    stopListening();
  };
}
