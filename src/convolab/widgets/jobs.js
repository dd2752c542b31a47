// The ring at the foot of the rail: how far the running jobs are. Pressed, it lists them with their controls.
import { subscribe } from "./feed.js";
import { h, setHidden, setText } from "./look.js";

export default { render };

const LENGTH = 2 * Math.PI * 9;
const BUTTONS = { pause: "Pause", resume: "Resume", stop: "Stop", show: "Show" };

function render({ model, el }) {
  let version = "";
  let jobs = [];

  const ring = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  ring.setAttribute("viewBox", "0 0 24 24");
  ring.setAttribute("aria-hidden", "true");
  ring.innerHTML = `<circle class="cl-ring-track" cx="12" cy="12" r="9"/><circle class="cl-ring-fill" cx="12" cy="12" r="9"
    stroke-dasharray="${LENGTH}" stroke-dashoffset="${LENGTH}" transform="rotate(-90 12 12)"/>`;
  const fill = ring.lastElementChild;
  const badge = h("span.cl-ring-count", { "aria-hidden": "true" });
  const button = h("button.cl-ring", { type: "button", "aria-haspopup": "dialog", "aria-expanded": "false" }, ring, badge);
  const list = h("div.cl-jobs-list");
  const close = h("button.cl-button", { type: "button", onclick: () => toggle(false) }, "Close");
  const sheet = h("div.cl-jobs", { role: "dialog", "aria-label": "Jobs", hidden: true }, h("div.cl-panel-head", {}, h("h2.cl-panel-title", {}, "Jobs"), h("span.cl-spring"), close), list);
  el.classList.add("cl-jobs-root");
  el.append(button);
  document.body.append(sheet);

  button.addEventListener("click", () => toggle(sheet.hidden));
  function toggle(open) {
    sheet.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
    if (open) {
      place();
      close.focus();
      document.addEventListener("pointerdown", outside, true);
      document.addEventListener("keydown", escape);
    } else {
      document.removeEventListener("pointerdown", outside, true);
      document.removeEventListener("keydown", escape);
      if (sheet.contains(document.activeElement)) button.focus();
    }
  }
  const outside = (event) => sheet.contains(event.target) || el.contains(event.target) || toggle(false);
  const escape = (event) => event.key === "Escape" && (toggle(false), button.focus());

  function place() {
    const box = button.getBoundingClientRect();
    const phone = window.innerWidth < 600;
    sheet.style.left = phone ? "8px" : `${box.right + 12}px`;
    sheet.style.right = phone ? "8px" : "";
    sheet.style.bottom = `${Math.max(8, phone ? window.innerHeight - box.top + 8 : window.innerHeight - box.bottom)}px`;
  }

  const rows = new Map();
  function draw(ringFraction) {
    fill.setAttribute("stroke-dashoffset", LENGTH * (1 - (ringFraction ?? 0)));
    const active = jobs.filter((job) => job.active).length;
    const waiting = jobs.filter((job) => job.can.includes("resume")).length;
    setText(badge, active ? String(active) : "");
    el.dataset.active = active > 0;
    const said = active ? `${active === 1 ? "1 job" : `${active} jobs`} under way${ringFraction == null ? "" : `, ${Math.round(ringFraction * 100)} % done`}` : waiting ? `no job under way, ${waiting} to resume` : "no job under way";
    button.setAttribute("aria-label", `Jobs: ${said}`);
    button.title = `Jobs: ${said}`;
    for (const [run, row] of rows)
      if (!jobs.some((job) => job.run === run)) {
        row.root.remove();
        rows.delete(run);
      }
    jobs.forEach((job, i) => {
      if (!rows.has(job.run)) rows.set(job.run, makeRow(job));
      const row = rows.get(job.run);
      if (list.children[i] !== row.root) list.insertBefore(row.root, list.children[i] ?? null);
      setText(row.name, job.name);
      setText(row.what, job.what);
      setText(row.state, job.sentence);
      setHidden(row.bar, job.fraction == null);
      row.bar.firstChild.style.transform = `scaleX(${job.fraction ?? 0})`;
      for (const [action, el2] of Object.entries(row.buttons)) setHidden(el2, !job.can.includes(action));
      if (row.root.contains(document.activeElement) && document.activeElement.hidden) close.focus();
    });
    if (!jobs.length) list.replaceChildren(h("p.cl-empty", {}, "Runs that are training, waiting or paused are listed here. Press Train to start one."));
    else list.querySelector(".cl-empty")?.remove();
  }

  function makeRow(job) {
    const name = h("b");
    const what = h("span.cl-muted");
    const state = h("p");
    const bar = h("div.cl-bar", { "aria-hidden": "true" }, h("div.cl-bar-fill"));
    const buttons = {};
    const actions = h("div.cl-actions");
    for (const [action, text] of Object.entries(BUTTONS)) {
      buttons[action] = h("button.cl-button", { type: "button", "aria-label": `${text} ${job.name}`, onclick: () => act(action, job.run) }, text);
      actions.append(buttons[action]);
    }
    return { root: h("div.cl-job", {}, h("div", {}, name, " ", what), state, bar, actions), name, what, state, bar, buttons };
  }

  function act(action, run) {
    model.send({ action, run });
    if (action === "show") toggle(false);
  }

  const stop = subscribe({
    query: () => ({ j: version }),
    update: (news) => {
      if (!news.jobs) return;
      version = news.jobs.version;
      jobs = news.jobs.jobs;
      draw(news.jobs.fraction);
    },
  });
  const answer = (content) => {
    if (content.error) rows.get(content.run)?.state.replaceChildren(content.error);
  };
  model.on("msg:custom", answer);
  draw(null);
  return () => {
    stop();
    toggle(false);
    sheet.remove();
  };
}
