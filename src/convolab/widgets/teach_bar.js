// The project in the bar of the room Teach: its title, the other projects, a new one, a file of one.
import { h } from "./look.js";
import { select } from "./experiments_parts.js";
import { act, bringArchive, follow, openProject, store } from "./teach_store.js";
import { filePicker } from "./teach_classes.js";

export default { render };

function render({ model, el }) {
  const project = model.get("project");
  el.classList.add("te-bar-of-room");
  const title = h("input.cx-input.te-title", { type: "text", maxlength: 40, autocomplete: "off", spellcheck: "false", "aria-label": "Name of the project", "data-tip": "What the project is called" });
  title.addEventListener("change", () => act("title", { title: title.value }));
  title.addEventListener("keydown", (event) => event.key === "Enter" && title.blur());
  const others = select([], "", (chosen) => chosen && chosen !== project && openProject(chosen), { "aria-label": "Projects of this lab", "data-tip": "Other projects of this lab" });
  const picker = filePicker({ accept: ".teach,.zip" });
  const make = async () => {
    const answer = await act("new");
    if (answer) openProject(answer.project);
  };
  const open = h("button.cl-button", { type: "button", "data-tip": "A file that a lab saved", onclick: () => picker.open(([file]) => file && bringArchive(file)) }, "Open …");
  const fresh = h("button.cl-button", { type: "button", "data-tip": "A new project; this one stays", onclick: make }, "New");
  const remove = h("button.cl-button", { type: "button", "data-tip": "Delete this project with all its images", onclick: confirm }, "Delete …");
  el.append(title, others.root, fresh, open, remove);

  // Asked once more in place: a project cannot be taken back.
  let sure = 0;
  async function confirm() {
    if (performance.now() - sure > 4000) {
      sure = performance.now();
      remove.textContent = "Delete for good?";
      setTimeout(() => (remove.textContent = "Delete …"), 4000);
      return;
    }
    if (await act("delete-project")) openProject("");
  }
  function draw() {
    const { state, offers } = store;
    if (!state) return;
    if (document.activeElement !== title) title.value = state.title;
    const list = (offers?.projects ?? []).filter((one) => one.id !== project).map((one) => [one.id, `${one.title} · ${one.changed.slice(0, 10)}`]);
    others.fill([["", "Projects"], ...list], "");
    others.root.hidden = !list.length;
  }
  const stop = follow(project, draw);
  draw();
  return stop;
}
