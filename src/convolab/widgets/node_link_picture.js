// What the page shows as text beside the canvas, drawn for a picture that is saved.
import { short, theme } from "./look.js";
import { levelShape } from "./node_link_words.js";

// The labels of the levels.
export function drawPicture(context, levels, stage, limits) {
  const look = theme();
  levels.forEach((level, i) => {
    const at = stage.label(i);
    if (!at) return;
    const beside = at.align === "beside";
    const above = at.align === "above";
    context.textAlign = at.align === "end" ? "right" : "left";
    context.textBaseline = "alphabetic";
    const [first, second] = [level.title, levelShape(level) + (at.align === "end" ? "" : ` · ±${short(limits[i])}`)];
    context.font = `600 12px ${look.font}`;
    context.fillStyle = look.ink;
    if (above) {
      const wide = context.measureText(first).width;
      context.fillText(first, at.x, at.y);
      context.font = `11px ${look.font}`;
      context.fillStyle = look.muted;
      context.fillText(second, at.x + wide + 8, at.y);
      return;
    }
    context.fillText(first, at.x, at.y - (beside ? 3 : 2));
    context.font = `11px ${look.font}`;
    context.fillStyle = look.muted;
    context.fillText(second, at.x, at.y + 12);
  });
}
