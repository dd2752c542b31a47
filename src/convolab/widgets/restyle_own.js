// The user's own styles: rename, export as one file, remove; and bring a style file from elsewhere.
import { h, saveAddress, setHidden, setText } from "./look.js";
import { address, bring, byline, onShelf, post, refreshShelf, shelf, thumbOf } from "./restyle_parts.js";

const LARGEST = 20e6;

// `use(name)` paints with a style.
export function ownStyles({ use }) {
  const list = h("ul.cs-own-list");
  const file = h("input", { type: "file", accept: ".safetensors", multiple: true, hidden: true, "aria-label": "Style file", onchange: () => (take([...file.files]), (file.value = "")) });
  const button = h("button.cl-button", { type: "button", "data-tip": "A style file that was exported by convolab, here or elsewhere. Nothing in it is run.", onclick: () => file.click() }, "Import …");
  const problem = h("div.note.bad", { role: "alert", hidden: true });
  const said = h("p.cl-muted", { role: "status" });
  const root = h("section.cs-own", { "aria-label": "Your styles" }, h("div.cl-panel-head", {}, h("h2", {}, "Your styles"), h("span.cl-spring"), button, file), problem, said, list);
  const say = (words) => (setText(problem, words ?? ""), setHidden(problem, !words));

  async function take(files) {
    say("");
    for (const one of files) {
      try {
        if (one.size > LARGEST) throw new Error(`${one.name} has more than 20 MB; no style file is so large.`);
        const { name } = await bring(address(`bring/style?name=${encodeURIComponent(one.name)}`), one);
        await refreshShelf();
        setText(said, `${shelf.styles.find((style) => style.name === name)?.title ?? name} is among the styles now.`);
      } catch (error) {
        say(error.message);
      }
    }
  }
  async function rename(style, title) {
    say("");
    if (title.trim() === style.title) return;
    try {
      await post("rename", { name: style.name, title });
      await refreshShelf();
    } catch (error) {
      say(error.message);
      draw(true);
    }
  }
  async function remove(style, item) {
    say("");
    const sure = h("div.note", {}, h("span", {}, `Remove ${style.title} for good? Export it first if you want it back.`), h("div.cl-actions", {}, h("button.cl-button", { type: "button", onclick: () => sure.remove() }, "Keep it"), h("button.cl-button.cs-danger", { type: "button", onclick: yes }, "Remove")));
    async function yes() {
      try {
        await post("remove", { name: style.name });
        setText(said, `${style.title} was removed.`);
        await refreshShelf();
      } catch (error) {
        say(error.message);
      }
    }
    item.append(sure);
    sure.querySelector("button").focus();
  }

  function line(style) {
    const name = h("input.cx-input", { type: "text", "aria-label": `Name of ${style.title}`, maxlength: 60, autocomplete: "off", spellcheck: "false", onchange: () => rename(style, name.value) });
    name.value = style.title;
    name.addEventListener("keydown", (event) => {
      if (event.key === "Enter") name.blur();
      if (event.key === "Escape") ((name.value = style.title), name.blur());
    });
    const press = (text, words, action) => h("button.cl-button", { type: "button", "aria-label": `${words}: ${style.title}`, "data-tip": words, onclick: action }, text);
    const item = h("li.cs-own-style", {}, h("img", { src: thumbOf(style.name), alt: style.title }), h("div.cs-own-words", {}, name, h("small.cl-muted", {}, [byline(style), `${style.size} network`, style.facts].filter(Boolean).join(" · ")), h("div.cl-actions", {}, press("Paint", "Paint with it", () => use(style.name)), press("Export", "Save it as one file, to be imported elsewhere", () => saveAddress(address(`styles/${style.name}/file`))), press("Remove", "Remove it", () => remove(style, item)))));
    return item;
  }
  let drawn = "";
  function draw(anew = false) {
    const own = shelf.styles.filter((style) => style.own);
    const key = JSON.stringify(own);
    if (key === drawn && !anew) return;
    drawn = key;
    list.replaceChildren(...(own.length ? own.map(line) : [h("li.cl-empty", {}, "Styles that you learn or import are listed here, to be renamed, exported and removed.")]));
  }
  root.addEventListener("dragover", (event) => (event.preventDefault(), root.classList.add("over")));
  root.addEventListener("dragleave", () => root.classList.remove("over"));
  root.addEventListener("drop", (event) => {
    event.preventDefault();
    event.stopPropagation();
    root.classList.remove("over");
    take([...event.dataTransfer.files]);
  });
  draw(true);
  return { root, stop: onShelf(() => draw()) };
}
