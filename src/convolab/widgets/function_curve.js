// The curve of an activation function with the point at which a unit stands on it.
import { crisp, h, onLookChange, signedScale, css, theme } from "./look.js";
import { fixed } from "./unit_numbers.js";

// erf(x) by Abramowitz and Stegun 7.1.26 (error below 1.5e-7): far finer than a line on the screen.
function erf(x) {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return Math.sign(x) * (1 - series * Math.exp(-x * x));
}
// The layers' functions by their names, for drawing and for animations; a card's numbers come from the network itself.
export const FUNCTIONS = {
  ReLU: (x) => Math.max(0, x),
  Tanh: Math.tanh,
  ScaledTanh: (x) => 1.7159 * Math.tanh((2 * x) / 3),
  GELU: (x) => (x / 2) * (1 + erf(x / Math.SQRT2)),
};

const [WIDTH, HEIGHT] = [184, 104];

// Gives back { el, update(step), close() }, or null for a function whose curve is not known.
export function functionCurve(name) {
  const f = FUNCTIONS[name];
  if (!f) return null;
  const el = h("canvas.cl-curve", { role: "img" });
  let step = null;

  function draw() {
    if (!step) return;
    const { ink, muted, line, font, paper } = theme();
    const context = crisp(el, WIDTH, HEIGHT);
    const reach = Math.max(3, Math.abs(step.input) * 1.15);
    const ys = Array.from({ length: 121 }, (_, i) => f(-reach + (i / 60) * reach));
    let [low, high] = [Math.min(0, ...ys), Math.max(0, ...ys)];
    const air = (high - low) * 0.12 || 1;
    [low, high] = [low - air, high + air];
    const x = (value) => 6 + ((value + reach) / (2 * reach)) * (WIDTH - 12);
    const y = (value) => 4 + ((high - value) / (high - low)) * (HEIGHT - 8);

    context.strokeStyle = line;
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(4, Math.round(y(0)) + 0.5);
    context.lineTo(WIDTH - 4, Math.round(y(0)) + 0.5);
    context.moveTo(Math.round(x(0)) + 0.5, 2);
    context.lineTo(Math.round(x(0)) + 0.5, HEIGHT - 2);
    context.stroke();

    context.strokeStyle = ink;
    context.lineWidth = 1.75;
    context.lineJoin = "round";
    context.beginPath();
    ys.forEach((value, i) => context.lineTo(x(-reach + (i / 60) * reach), y(value)));
    context.stroke();

    const [px, py] = [x(step.input), y(step.output)];
    context.strokeStyle = muted;
    context.lineWidth = 1;
    context.setLineDash([3, 3]);
    context.beginPath();
    context.moveTo(px, y(0));
    context.lineTo(px, py);
    context.lineTo(x(0), py);
    context.stroke();
    context.setLineDash([]);
    const size = Math.max(Math.abs(low), Math.abs(high));
    context.fillStyle = css(signedScale()(step.output / size));
    context.strokeStyle = ink;
    context.lineWidth = 1.5;
    context.beginPath();
    context.arc(px, py, 4.5, 0, 7);
    context.fill();
    context.stroke();

    // Labels stand where the curve is not: the input below or above the axis, the output beside the other.
    context.font = `11px ${font}`;
    context.lineWidth = 3;
    context.strokeStyle = paper;
    context.fillStyle = ink;
    const label = (text, at, top, align) => {
      context.textAlign = align;
      context.textBaseline = "middle";
      context.strokeText(text, at, top);
      context.fillText(text, at, top);
    };
    const inner = Math.max(22, Math.min(WIDTH - 22, px));
    const below = step.output >= 0 ? y(0) + 10 : y(0) - 10;
    label(fixed(step.input, 2), inner, Math.max(8, Math.min(HEIGHT - 8, below)), "center");
    if (Math.abs(step.output) > size * 0.12) label(fixed(step.output, 2), x(0) + (px >= x(0) ? -5 : 5), py, px >= x(0) ? "right" : "left");
    el.setAttribute("aria-label", `Curve of ${step.title}; the point is at ${fixed(step.input, 3)} and gives ${fixed(step.output, 3)}.`);
  }

  const close = onLookChange(el, draw);
  return {
    el,
    close,
    update(next) {
      step = next;
      draw();
    },
  };
}
