// A unit's card as a picture: what comes in, the sum, the steps, the output.
import { savePicture, signedScale, css, theme } from "./look.js";
import { exact, fixed } from "./unit_numbers.js";

const WIDTH = 440;
const EDGE = 16;

// `strips`: [{ picture, label, sum }] as unit_body.js makes them; `lines`: [[text, number]] below them.
export function savePng({ title, place, strips, extents, lines, filename }) {
  const tall = strips.reduce((sum, { picture }) => sum + picture.layout().height + 8, 0);
  const height = 64 + (strips.length ? tall + 48 : 0) + lines.length * 20 + EDGE;
  savePicture(WIDTH, height, (context) => {
    const { ink, muted, line, font } = theme();
    const write = (text, x, y, { size = 12, bold = false, colour = ink, align = "left" } = {}) => {
      context.font = `${bold ? "600 " : ""}${size}px ${font}`;
      context.fillStyle = colour;
      context.textAlign = align;
      context.textBaseline = "alphabetic";
      context.fillText(text, x, y);
    };
    write(title, EDGE, 28, { size: 14, bold: true });
    write(place, EDGE, 46, { colour: muted });
    let y = 64;
    for (const { picture, label, sum } of strips) {
      const { height: own } = picture.layout();
      write(label, EDGE, y + own / 2 + 4, { colour: muted });
      context.save();
      context.translate(EDGE + (label ? 56 : 0), y);
      picture.paint(context);
      context.restore();
      if (sum !== "") write(sum, WIDTH - EDGE, y + own / 2 + 4, { align: "right" });
      y += own + 8;
    }
    if (strips.length) {
      const scale = signedScale();
      for (let i = 0; i < 96; i += 1) {
        context.fillStyle = css(scale(i / 47.5 - 1));
        context.fillRect(EDGE + i, y + 4, 1, 8);
      }
      const sizes = Object.entries(extents).filter(([, size]) => size > 0).map(([name, size]) => `${name} ±${exact(+size.toPrecision(2))}`);
      write(sizes.join(" · "), EDGE + 104, y + 12, { size: 11, colour: muted });
      y += 40;
    }
    context.fillStyle = line;
    context.fillRect(EDGE, y - 12, WIDTH - 2 * EDGE, 1);
    for (const [text, number] of lines) {
      y += 20;
      write(text, EDGE, y - 6);
      write(typeof number === "number" ? fixed(number, 4) : number, WIDTH - EDGE, y - 6, { align: "right", bold: text === "Output" });
    }
  }, filename);
}
