// The project that a tab of the room Teach shows: one store for all its widgets; asks the lab what is new, brings images.
import { h } from "./look.js";

const BUSY_MS = 250; // between two looks while something is done
const IDLE_MS = 1500;
const AT_ONCE = 4; // images under way
const KEPT_FAILURES = 3;

const listeners = new Set();
export const store = { project: "", state: null, learned: null, offers: null, seen: null, uploads: null, error: "", errorIn: "classes", note: "", lost: false, chosen: "" };
let version = 0;
let learnedVersion = 0;
let timer = null;
let users = 0;

export const address = (path, values = {}) => {
  const query = new URLSearchParams(values).toString();
  return `${window.path_prefix ?? ""}/teach/${path}${query ? `?${query}` : ""}`;
};
export const imageAddress = (id) => address(`image/${store.project}/${id}`);

// Begins to follow a project; `callback` is called at each change. Gives back the function that ends it.
export function follow(project, callback) {
  if (store.project !== project) {
    Object.assign(store, { project, state: null, learned: null, seen: null, uploads: null, error: "", chosen: "" });
    version = learnedVersion = 0;
  }
  listeners.add(callback);
  users += 1;
  if (users === 1) look();
  return () => {
    listeners.delete(callback);
    users -= 1;
    if (!users) clearTimeout(timer);
  };
}
export function tell() {
  for (const callback of [...listeners]) callback();
}

// What the newest picture is taken for comes many times a second: only those who show it are told.
const watchers = new Set();
export function onSeen(callback) {
  watchers.add(callback);
  return () => watchers.delete(callback);
}
export function saw(answer) {
  store.seen = answer;
  for (const callback of watchers) callback();
}

async function look() {
  clearTimeout(timer);
  if (!document.hidden) await refresh();
  clearTimeout(timer);
  const busy = store.state && (store.state.doing || store.state.background || store.uploads);
  if (users) timer = setTimeout(look, busy ? BUSY_MS : IDLE_MS);
}
export async function refresh() {
  const project = store.project;
  try {
    const answer = await (await fetch(address("state", { project, version, learned: learnedVersion }))).json();
    if (project !== store.project) return;
    if (answer.error) store.error = answer.error;
    else if (answer.classes) {
      store.state = answer;
      version = answer.version;
      if ("learned" in answer) {
        store.learned = answer.learned;
        learnedVersion = answer.learned_version;
      }
    } else if (!store.lost) return;
    store.lost = false;
  } catch {
    store.lost = true;
  }
  tell();
}
export async function offers() {
  try {
    store.offers = await (await fetch(address("offers"))).json();
    tell();
  } catch {
    store.lost = true;
  }
}

// Does something with the project. Gives the lab's answer, or null with the sentence in `store.error`.
export async function act(action, values = {}) {
  store.error = "";
  store.errorIn = ["settings", "train", "curve", "layers"].includes(action) ? "learned" : "classes";
  const body = JSON.stringify({ project: store.project, ...values });
  const answer = await posted(address(`do/${action}`), body);
  await refresh();
  clearTimeout(timer);
  timer = setTimeout(look, BUSY_MS);
  return answer;
}
export async function posted(url, body, values = {}) {
  let answer;
  try {
    answer = await (await fetch(url, { method: "POST", body, ...values })).json();
  } catch {
    answer = { error: "The lab does not answer; is it still running?" };
  }
  if (!answer.error) return answer;
  store.error = answer.error;
  tell();
  return null;
}

// ---- images: any number at once, some of them under way, the rest waits here ----
const queue = [];
let underWay = 0;

export function bringImages(key, files) {
  const images = files.filter((file) => file.type.startsWith("image/") || /\.(png|jpe?g|webp|bmp|gif|tiff?)$/i.test(file.name ?? ""));
  if (!images.length) {
    store.errorIn = "classes";
    store.error = files.length ? `${files[0].name || "This"} is no picture; bring PNG, JPEG or the like.` : "";
    return tell();
  }
  store.error = store.note = "";
  store.errorIn = "classes";
  store.uploads ??= { done: 0, total: 0, known: 0, failed: [] };
  store.uploads.total += images.length;
  queue.push(...images.map((file) => ({ key, file })));
  tell();
  while (underWay < AT_ONCE && queue.length) next();
}
async function next() {
  const item = queue.shift();
  if (!item) return;
  underWay += 1;
  const failure = await bringOne(item.key, item.file, item.file.name ?? "");
  underWay -= 1;
  const now = store.uploads;
  if (now) {
    now.done += 1;
    if (failure === "known") now.known += 1;
    else if (failure) now.failed.push(failure);
    if (now.done >= now.total) ended(now);
    else if (now.done % 8 === 0) tell();
  }
  if (queue.length) next();
}
function ended(now) {
  store.uploads = null;
  const more = now.failed.length - KEPT_FAILURES;
  store.error = now.failed.slice(0, KEPT_FAILURES).join(" ") + (more > 0 ? ` And ${more} more.` : "");
  store.note = store.error || !now.known ? "" : `${now.known} ${now.known === 1 ? "image was" : "images were"} there already.`;
  tell(); // the lab may have nothing new to say
  refresh();
}
// One image; gives "" if it was added, "known", or a sentence.
export async function bringOne(key, blob, name = "") {
  try {
    const answer = await (await fetch(address("images", { project: store.project, key, name }), { method: "POST", body: blob })).json();
    return answer.error ?? (answer.known ? "known" : "");
  } catch {
    return "The lab does not answer; is it still running?";
  }
}
export function cancelUploads() {
  queue.length = 0;
  if (store.uploads) store.uploads.total = store.uploads.done + underWay;
  if (store.uploads && !underWay) ended(store.uploads);
}

// A zip with a folder per class, or a file that a lab saved: then its project is shown.
export async function bringArchive(file) {
  store.error = "";
  store.errorIn = "classes";
  store.uploads = { done: 0, total: 0, known: 0, failed: [], archive: file.name };
  tell();
  const answer = await posted(address("archive", { project: store.project, name: file.name }), file);
  store.uploads = null;
  if (answer?.project) return openProject(answer.project);
  refresh();
  clearTimeout(timer);
  timer = setTimeout(look, BUSY_MS);
}
export function openProject(project) {
  location.assign(`${window.path_prefix ?? ""}/teach${project ? `?project=${project}` : ""}`);
}

// A folder with a folder per class, or files of one class, as they were dropped or chosen: [[path parts, file], …].
export async function bringTree(entries, key) {
  const zips = entries.filter(([, file]) => /\.(zip|teach)$/i.test(file.name));
  if (zips.length) return bringArchive(zips[0][1]);
  const sorted = entries.filter(([parts]) => !parts.some((part) => part.startsWith(".")));
  let depth = 0;
  const folders = () => new Set(sorted.map(([parts]) => parts[depth]));
  while (sorted.length && folders().size === 1 && sorted.every(([parts]) => parts.length > depth + 2)) depth += 1;
  const byClass = new Map();
  for (const [parts, file] of sorted) {
    const name = parts.length > depth + 1 ? parts[depth] : "";
    byClass.set(name, [...(byClass.get(name) ?? []), file]);
  }
  for (const [name, files] of byClass) {
    if (!name) bringImages(key, files);
    else {
      const target = await classCalled(name);
      if (!target) return;
      bringImages(target, files);
    }
  }
}
async function classCalled(name) {
  const there = store.state.classes.find((one) => one.name === name);
  if (there) return there.key;
  const empty = store.state.classes.find((one) => !one.ids.length && /^Class \d+$/.test(one.name));
  if (empty) return (await act("rename-class", { key: empty.key, name })) && empty.key;
  return (await act("add-class", { name }))?.key;
}
export async function droppedEntries(transfer) {
  const roots = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!roots.length) return [...transfer.files].map((file) => [[file.name], file]);
  const found = [];
  const walk = async (entry, parts) => {
    if (entry.isFile) {
      found.push([[...parts, entry.name], await new Promise((resolve, reject) => entry.file(resolve, reject))]);
      return;
    }
    const reader = entry.createReader();
    for (;;) {
      const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (!some.length) return;
      for (const one of some) await walk(one, [...parts, entry.name]);
    }
  };
  for (const root of roots) await walk(root, []);
  return found;
}

// ---- classes as colours and marks: with more than eight a mark tells those of one colour apart ----
export const MARKS = ["circle", "square", "triangle"];
export const colourOf = (look, label) => look.data[[0, 1, 2, 3, 4, 5, 7, 6][label % 8]];
export const markOf = (label) => MARKS[Math.floor(label / 8) % MARKS.length];
export function swatch(label) {
  const order = [1, 2, 3, 4, 5, 6, 8, 7][label % 8];
  const el = h("i.te-swatch", { "aria-hidden": "true" });
  el.dataset.mark = markOf(label);
  el.style.background = `var(--data-${order})`;
  return el;
}
