// The photo and the style pictures of a transfer: chosen from what is at hand, from files, dropped or pasted.
import { h, setHidden, setText } from "./look.js";
import { openMasks } from "./transfer_masks.js";
import { address, thumb, tile } from "./transfer_job.js";

export default { render };

const MOST_STYLES = 6;

function render({ model, el }) {
  let hands = { photo: model.get("photo"), styles: model.get("styles"), blend: model.get("blend") ?? [], masks: model.get("masks") ?? [] };
  let target = "photo"; // what a pasted or dropped picture becomes, unless it falls on one of the two

  const photo = makePlace("Photo", "What is painted: its content stays.");
  const style = makePlace("Style", "Whose colours and strokes are wanted. Several are blended, or painted where their masks are.");
  const photoCard = h("figure.ct-photo");
  const styleCards = h("div.ct-styles");
  const masks = h("button.cl-button", { type: "button", title: "Paint which style goes where", onclick: paintMasks }, "Masks …");
  const maskNote = h("span.cl-muted");
  photo.body.append(photoCard);
  style.body.append(styleCards, h("div.cl-tools.ct-masks", {}, masks, maskNote));
  const painted = h("div.note", { hidden: true, role: "status" });
  el.classList.add("ct-pictures");
  el.append(painted, photo.root, style.root);

  function makePlace(title, tip) {
    const problem = h("div.note.bad", { role: "alert", hidden: true });
    const busy = h("p.cl-muted", { hidden: true, role: "status" });
    const strip = h("div.ct-strip", { role: "group", "aria-label": `${title}: pictures at hand` });
    const kind = title.toLowerCase();
    const file = h("input", { type: "file", accept: "image/*", hidden: true, "aria-hidden": "true", multiple: kind === "style", onchange: () => (bring([...file.files], kind), (file.value = "")) });
    const button = h("button.cl-button", { type: "button", title: `A ${kind === "photo" ? "photo" : "style picture"} from a file; it can also be dropped or pasted`, "aria-label": `${title} from a file`, onclick: () => file.click() }, "File …");
    const body = h("div.ct-place-body");
    const root = h("section.ct-place", { "aria-label": title }, h("div.cl-panel-head", {}, h("h2.cl-panel-title", { "data-tip": tip }, title), h("span.cl-spring"), button, file), body, strip, busy, problem);
    root.dataset.place = kind;
    root.addEventListener("pointerenter", () => (target = kind));
    root.addEventListener("focusin", () => (target = kind));
    root.addEventListener("dragover", (event) => (event.preventDefault(), root.classList.add("over")));
    root.addEventListener("dragleave", () => root.classList.remove("over"));
    root.addEventListener("drop", (event) => {
      event.preventDefault();
      event.stopPropagation();
      root.classList.remove("over");
      bring([...event.dataTransfer.files], kind);
    });
    return { root, body, strip, busy, problem };
  }

  // ---- bringing ----
  async function bring(files, kind) {
    const place = kind === "photo" ? photo : style;
    const pictures = files.slice(0, kind === "photo" ? 1 : MOST_STYLES);
    if (!pictures.length) return;
    setHidden(place.problem, true);
    for (const file of pictures) {
      setText(place.busy, `Reading ${file.name || "the picture"} …`);
      setHidden(place.busy, false);
      const found = await send(file, `name=${encodeURIComponent(file.name || "pasted picture")}`);
      setHidden(place.busy, true);
      if (found.error) {
        setText(place.problem, found.error);
        setHidden(place.problem, false);
        continue;
      }
      if (found.painted && kind === "photo") offerSettings(found);
      else take(kind, found.key, pictures.length > 1);
    }
  }
  async function send(file, query) {
    if (file.size > 30e6) return { error: `${file.name || "The picture"} has more than 30 MB; choose a smaller one.` };
    try {
      const answer = await fetch(address(`pictures?${query}`), { method: "POST", body: file });
      return await answer.json();
    } catch {
      return { error: "The lab does not answer; try again in a moment." };
    }
  }
  function take(kind, key, add = false) {
    if (kind === "photo") model.send({ photo: key });
    else model.send({ styles: add || hands.styles.length > 1 ? [...new Set([...hands.styles.map((item) => item.key), key])].slice(0, MOST_STYLES) : [key] });
  }
  // A picture that the lab painted knows how.
  function offerSettings(found) {
    const { facts } = found.painted;
    const close = () => setHidden(painted, true);
    const button = (text, action) => h("button.cl-button", { type: "button", onclick: () => (close(), action()) }, text);
    const from = facts.content && facts.styles ? `: ${facts.content} as ${facts.styles.join(" + ")}, ${facts.step} steps` : "";
    painted.replaceChildren(
      h("span", {}, `The lab painted this picture${from}.`),
      h("div.cl-actions", {}, button("Load its settings", () => model.send({ painted: found.painted })), button("Use it as the photo", () => take("photo", found.key)), button("Start from it", () => model.send({ start: found.key }))),
    );
    setHidden(painted, false);
    painted.scrollIntoView({ block: "nearest" });
  }

  // ---- what is chosen ----
  function small(item, { chosen, label, onclick, onadd }) {
    const image = h("img", { src: tile(item.key), alt: item.title, loading: "lazy" });
    const pick = h("button.ct-small", { type: "button", "aria-label": `${label}: ${item.title}`, "aria-pressed": String(chosen), title: item.title, onclick }, image);
    if (!onadd || chosen) return pick;
    return h("span.ct-small-frame", {}, pick, h("button.ct-add", { type: "button", "aria-label": `Add ${item.title} as a further style`, title: "Blend it with the others", onclick: onadd }, "+"));
  }
  function draw() {
    const { examples, recent } = { examples: model.get("examples"), recent: model.get("recent") ?? [] };
    const { photo: now, styles } = hands;
    photoCard.replaceChildren(
      h("img", { src: thumb(now.key), alt: `The photo: ${now.title}` }),
      h("figcaption", {}, h("b", {}, now.title), " ", h("span.cl-muted", {}, `${now.width}×${now.height}`)),
    );
    const offered = (own) => [...own, ...recent].filter((item, i, all) => all.findIndex((other) => other.key === item.key) === i);
    photo.strip.replaceChildren(...offered(examples.photos).map((item) => small(item, { chosen: item.key === now.key, label: "Photo", onclick: () => take("photo", item.key) })));
    style.strip.replaceChildren(
      ...offered(examples.styles).map((item) =>
        small(item, {
          chosen: styles.some((other) => other.key === item.key),
          label: "Style",
          onclick: () => model.send({ styles: [item.key] }),
          onadd: styles.length < MOST_STYLES ? () => model.send({ styles: [...styles.map((other) => other.key), item.key] }) : null,
        }),
      ),
    );
    styleCards.replaceChildren(...styles.map(styleCard));
    styleCards.dataset.count = styles.length;
    el.classList.toggle("many", styles.length > 1);
    const many = styles.length > 1;
    setText(maskNote, hands.masks.length ? "Masks say which style goes where." : many ? "Blended over the whole picture." : "");
  }
  function styleCard(item, i) {
    const many = hands.styles.length > 1;
    const card = h("figure.ct-style", {}, h("img", { src: thumb(item.key), alt: `Style: ${item.title}` }), h("figcaption", {}, h("b", {}, item.title), many ? null : h("span.cl-muted", {}, ` ${item.width}×${item.height}`)));
    if (!many) return card;
    card.lastChild.append(h("button.cl-remove", { type: "button", "aria-label": `Remove ${item.title}`, onclick: () => model.send({ styles: hands.styles.filter((other) => other !== item).map((other) => other.key) }) }, "×"));
    if (!hands.masks.length) {
      const share = hands.blend[i] ?? 1;
      const slider = h("input", { type: "range", min: 0, max: 2, step: 0.1, value: share, "aria-label": `How much ${item.title} counts`, title: "How much this style counts against the others: 0 to 2", onchange: () => blend(i, +slider.value) });
      card.append(slider);
    }
    return card;
  }
  function blend(i, value) {
    const shares = hands.styles.map((_, at) => (at === i ? value : hands.blend[at] ?? 1));
    if (shares.every((share) => share === 0)) return draw();
    model.send({ blend: shares.every((share) => share === 1) ? [] : shares });
  }
  async function paintMasks() {
    const found = await openMasks({ photo: hands.photo, styles: hands.styles, masks: hands.masks });
    if (found === null) return;
    const keys = [];
    for (const blob of found) {
      const kept = await send(blob, "mask=true");
      if (kept.error) {
        setText(style.problem, kept.error);
        return setHidden(style.problem, false);
      }
      keys.push(kept.key);
    }
    model.send({ masks: keys });
  }

  for (const name of ["photo", "styles", "blend", "masks"])
    model.on(`change:${name}`, (value) => {
      hands = { ...hands, [name]: value };
      later();
    });
  for (const name of ["examples", "recent"]) model.on(`change:${name}`, () => later());
  let pending = false;
  function later() {
    if (pending) return;
    pending = true;
    requestAnimationFrame(() => {
      pending = false;
      draw();
    });
  }
  const paste = (event) => {
    const found = [...(event.clipboardData?.files ?? [])].filter((item) => item.type.startsWith("image/"));
    if (!found.length || event.target.closest?.("input, textarea")) return;
    event.preventDefault();
    bring(found, target);
  };
  // A picture dropped anywhere else in the room is a photo.
  const room = el.closest("[data-room]") ?? document.body;
  const over = (event) => event.preventDefault();
  const drop = (event) => {
    event.preventDefault();
    bring([...event.dataTransfer.files], "photo");
  };
  document.addEventListener("paste", paste);
  room.addEventListener("dragover", over);
  room.addEventListener("drop", drop);
  draw();
  return () => {
    document.removeEventListener("paste", paste);
    room.removeEventListener("dragover", over);
    room.removeEventListener("drop", drop);
  };
}
