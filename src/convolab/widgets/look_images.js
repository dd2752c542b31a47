// Small images of the room's panels: uint8 pixels (channels, rows, columns) as pictures.
import { crisp, css, signedScale, theme } from "./look.js";

export const bytesOf = (base64) => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));

// The pixels of one image on a canvas of its own size.
export function imageCanvas(pixels, [channels, rows, columns]) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [columns, rows];
  const pen = canvas.getContext("2d");
  const picture = pen.createImageData(columns, rows);
  const plane = rows * columns;
  for (let i = 0; i < plane; i += 1) {
    for (let c = 0; c < 3; c += 1) picture.data[4 * i + c] = pixels[(channels === 1 ? 0 : c) * plane + i];
    picture.data[4 * i + 3] = 255;
  }
  pen.putImageData(picture, 0, 0);
  return canvas;
}

// An image `side` pixels wide or high. `box` (top, left, bottom, right): all but this patch is dimmed, and it is framed.
export function drawImageOn(canvas, pixels, shape, side, box = null) {
  const [, rows, columns] = shape;
  const cell = side / Math.max(rows, columns);
  const context = crisp(canvas, columns * cell, rows * cell);
  context.imageSmoothingEnabled = false;
  const image = imageCanvas(pixels, shape);
  context.drawImage(image, 0, 0, columns * cell, rows * cell);
  if (!box) return;
  const [top, left, bottom, right] = box;
  if (bottom <= top || (bottom - top === rows && right - left === columns)) return;
  context.fillStyle = "rgb(0 0 0 / 0.55)";
  context.beginPath();
  context.rect(0, 0, columns * cell, rows * cell);
  context.rect(left * cell, top * cell, (right - left) * cell, (bottom - top) * cell);
  context.fill("evenodd");
  context.strokeStyle = theme().data[4];
  context.lineWidth = 1.5;
  context.strokeRect(left * cell, top * cell, (right - left) * cell, (bottom - top) * cell);
}

// The difference of two images, `after` − `before`, mean of the channels, in signed colours; gives back its largest size.
export function drawChangeOn(canvas, before, after, [channels, rows, columns], side) {
  const cell = side / Math.max(rows, columns);
  const context = crisp(canvas, columns * cell, rows * cell);
  const plane = rows * columns;
  const change = Float32Array.from({ length: plane }, (_, i) => {
    let sum = 0;
    for (let c = 0; c < channels; c += 1) sum += after[c * plane + i] - before[c * plane + i];
    return sum / channels / 255;
  });
  const largest = change.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const scale = signedScale();
  change.forEach((value, i) => {
    context.fillStyle = css(scale(value / (largest || 1)));
    context.fillRect((i % columns) * cell, Math.floor(i / columns) * cell, cell + 0.5, cell + 0.5);
  });
  return largest;
}
