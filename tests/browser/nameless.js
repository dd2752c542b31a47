// What can be pressed, filled in or seen, and has no name that a screen reader could say.
() => {
  const kinds = "button, a[href], input, select, textarea, img, [role=button], [tabindex='0']";
  const text = (node) => {
    const copy = node.cloneNode(true);
    for (const icon of copy.querySelectorAll(".q-icon, svg")) icon.remove();
    return copy.textContent;
  };
  const referred = (node) => (node.getAttribute("aria-labelledby") || "").split(" ").filter(Boolean);
  const name = (node) =>
    node.getAttribute("aria-label") ||
    referred(node).map((id) => document.getElementById(id)?.textContent).join("") ||
    node.getAttribute("alt") ||
    node.title ||
    [...(node.labels || [])].map(text).join("") ||
    (/^(INPUT|SELECT|TEXTAREA)$/.test(node.tagName) ? "" : text(node));
  return [...document.querySelectorAll(kinds)]
    .filter((node) => node.checkVisibility() && node.type !== "file" && !name(node).trim())
    .map((node) => node.outerHTML.slice(0, 160));
}
