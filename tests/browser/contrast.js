// Text in the shell and the left columns whose colour differs from what is behind it by less than 4.5 : 1
// (WCAG 2.1, 1.4.3), with its ratio.
() => {
  const parse = (color) => color.match(/[\d.]+/g).map(Number);
  const channel = (v) => ((v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const color = parse(getComputedStyle(node).backgroundColor);
      if (color.length === 3 || color[3] > 0.9) return color;
    }
    return [255, 255, 255];
  };
  const faint = new Set();
  const places = ["section[data-column=data]", "section[data-column=network]", ".room-bar", ".rail"];
  for (const node of document.querySelectorAll(places.map((place) => `${place} *`).join())) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    if (!own || !node.checkVisibility({ opacityProperty: true })) continue;
    if (node.closest("[disabled], option, .q-icon")) continue;
    const shades = [getComputedStyle(node).color, null].map((c) => luminance(c ? parse(c) : behind(node)));
    const ratio = (Math.max(...shades) + 0.05) / (Math.min(...shades) + 0.05);
    if (ratio < 4.5) faint.add(`${node.textContent.trim().slice(0, 30)} ${ratio.toFixed(2)}`);
  }
  return [...faint];
}
