// The messages between the view and what computes: JSON and bytes in one, as convolab/widgets/frames.py packs them.

const encoder = new TextEncoder();
const decoder = new TextDecoder();

// JSON and bytes as one message: a 32-bit length, the JSON, the bytes.
export function packMessage(header, bytes = new Uint8Array()) {
  let text = encoder.encode(JSON.stringify(header));
  const length = Math.ceil(text.length / 4) * 4;
  const message = new Uint8Array(4 + length + bytes.length);
  new DataView(message.buffer).setUint32(0, length, true);
  message.fill(32, 4, 4 + length);
  message.set(text, 4);
  message.set(bytes, 4 + length);
  return message.buffer;
}

// One frame: { frame, ms, done, empty, given: { shape, pixels }, slots: { a: { values, raw, shares, order, how, version } } }.
// The numbers are views into `buffer`, not copies (an ArrayBuffer, or a part of one as anywidget gives it).
export function decodeFrame(buffer) {
  const view = ArrayBuffer.isView(buffer) ? buffer : new Uint8Array(buffer);
  const aligned = view.byteOffset % 4 ? view.slice() : view;
  const [store, start] = [aligned.buffer, aligned.byteOffset];
  const length = new DataView(store, start).getUint32(0, true);
  const header = JSON.parse(decoder.decode(new Uint8Array(store, start + 4, length)));
  let at = start + 4 + length;
  const floats = (count) => {
    const part = new Float32Array(store, at, count);
    at += 4 * count;
    return part;
  };
  const slots = {};
  for (const slot of header.slots) {
    slots[slot.slot] = { ...slot, values: floats(slot.units), raw: floats(slot.classes), shares: floats(slot.classes) };
  }
  const size = header.given.reduce((product, side) => product * side, 1);
  return { ...header, given: { shape: header.given, pixels: new Uint8Array(store, at, size) }, slots };
}

// Places of units: (map, row, column) or (unit) ↔ the number among all units of the level.
export function unitIndex(level, number) {
  if (level.shape.length === 1) return [number];
  const [, rows, columns] = level.shape;
  const inside = number % (rows * columns);
  return [Math.floor(number / (rows * columns)), Math.floor(inside / columns), inside % columns];
}
export function unitNumber(level, index) {
  if (level.shape.length === 1) return index[0];
  const [, rows, columns] = level.shape;
  return (index[0] * rows + index[1]) * columns + index[2];
}
