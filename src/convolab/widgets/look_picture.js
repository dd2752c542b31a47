// The view as a picture at twice its size: what is given, the guesses, the units, the legend and a caption.
import { savePicture, short, theme } from "./look.js";
import { imageCanvas } from "./look_images.js";

const EDGE = 24;
const HEAD = 108;
const FOOT = 44;

export function savePng({ panes, frame, view, caption }) {
  const shown = panes.filter((pane) => pane.layout && pane.view.frame);
  if (!shown.length || !frame) return;
  const sizes = shown.map((pane) => pane.view.size());
  const bars = 96;
  const width = sizes.reduce((sum, [w]) => sum + w, 0) + EDGE * (shown.length + 1);
  const height = EDGE + HEAD + bars + 30 + Math.max(...sizes.map(([, h]) => h)) + FOOT;
  savePicture(width, height, (context) => {
    const look = theme();
    header(context, look, shown, frame, caption, width);
    let left = EDGE;
    shown.forEach((pane, i) => {
      const [w, h] = sizes[i];
      const top = EDGE + HEAD;
      context.textAlign = "left";
      context.textBaseline = "alphabetic";
      context.fillStyle = look.ink;
      context.font = `600 13px ${look.font}`;
      if (shown.length > 1) context.fillText(`${pane.layout.title} · ${pane.layout.note}`, left, top + 12, w);
      pane.strip.drawOn(context, left, top + 20, w);
      context.save();
      context.translate(left, top + bars + 30);
      context.beginPath();
      context.rect(0, 0, w, h);
      context.clip();
      pane.view.drawOn(context);
      context.restore();
      left += w + EDGE;
    });
    legend(context, look, shown, view, height);
  }, `convolab-look-${shown[0].source.replace(/\W+/g, "-")}.png`);
}

function header(context, look, shown, frame, caption, width) {
  const [, height, wide] = frame.given.shape;
  const small = imageCanvas(frame.given.pixels, frame.given.shape);
  context.imageSmoothingEnabled = false;
  const scale = 84 / Math.max(wide, height);
  context.drawImage(small, EDGE, EDGE, wide * scale, height * scale);
  const left = EDGE + 84 + 16;
  context.textAlign = "left";
  context.textBaseline = "alphabetic";
  context.fillStyle = look.ink;
  context.font = `650 20px ${look.font}`;
  context.fillText(shown.map((pane) => pane.layout.title).join(" and "), left, EDGE + 20, width - left - EDGE);
  context.font = `13px ${look.font}`;
  context.fillText(shown.map((pane) => `First guess ${pane.strip.verdict()}`).join("  |  "), left, EDGE + 44, width - left - EDGE);
  context.fillStyle = look.muted;
  context.font = `12px ${look.font}`;
  context.fillText(caption, left, EDGE + 64, width - left - EDGE);
  const facts = shown.map((pane) => `${pane.layout.note}, ${pane.layout.units.toLocaleString("en")} units`);
  context.fillText(`${facts.join("  |  ")} · convolab`, left, EDGE + 82, width - left - EDGE);
}

function legend(context, look, shown, view, height) {
  const top = height - 32;
  const gradient = context.createLinearGradient(EDGE, 0, EDGE + 160, 0);
  [look.low, look.mid, look.high].forEach((colour, i) => gradient.addColorStop(i / 2, colour));
  context.fillStyle = gradient;
  context.fillRect(EDGE, top, 160, 10);
  context.strokeStyle = look.line;
  context.strokeRect(EDGE - 0.5, top - 0.5, 161, 11);
  const limits = shown[0].view.limits();
  const overall = view.scale === "all";
  const most = overall ? short(limits[0]) : "limit";
  context.fillStyle = look.ink;
  context.font = `11px ${look.font}`;
  context.textAlign = "left";
  context.fillText(`−${most}`, EDGE, top + 24);
  context.textAlign = "center";
  context.fillText("0", EDGE + 80, top + 24);
  context.textAlign = "right";
  context.fillText(most, EDGE + 160, top + 24);
  context.textAlign = "left";
  context.fillStyle = look.muted;
  const words = { all: "activation, one scale for all levels", level: "activation, scaled per level; the limit stands beside each level's name", map: "activation, scaled per map; beside each level's name its largest" };
  context.fillText(words[view.scale], EDGE + 176, top + 9);
  const strongest = shown[0].view.strongest();
  if (strongest) context.fillText(`Lines: weight × input, the thickest ±${short(strongest)}`, EDGE + 176, top + 24);
}
