// The transfer that a tab shows: one store for all widgets of the room Transfer, filled by the stream of news.
import { poke, subscribe } from "./feed.js";

const KEPT = 3000; // rows
const listeners = new Set();
let stop = null;

export const job = { id: "" };
forget();

function forget() {
  Object.assign(job, { cursor: "", rows: [], steps: [], stamp: "", facts: null, state: "draft", sentence: "", tone: "", fraction: 0, left: "", progress: "", weights: null, can: [], gone: "", step: null });
}

export const address = (path) => `${window.path_prefix ?? ""}/transfer/${path}`;
export const tile = (key) => address(`pictures/${key}/tile.jpg`);
export const thumb = (key) => address(`pictures/${key}/thumb.jpg`);
export const iterateAddress = (step, id = job.id, stamp = "") => address(`jobs/${id}/${step}.png${stamp ? `?v=${stamp}` : ""}`);

// Shows another transfer, or none.
export function show(id) {
  if (id === job.id) return;
  job.id = id;
  forget();
  tell();
  poke();
}
export const ask = poke;

// The step whose picture is looked at: the newest, unless one was chosen.
export function shownStep() {
  if (!job.steps.length) return null;
  if (job.step === null) return job.steps.at(-1);
  return job.steps.reduce((best, step) => (Math.abs(step - job.step) < Math.abs(best - job.step) ? step : best));
}
export function choose(step) {
  job.step = step === null || step >= (job.steps.at(-1) ?? 0) ? null : step;
  tell();
}

// Calls back at each change; gives back the function that ends it.
export function listen(callback) {
  listeners.add(callback);
  if (!stop) stop = subscribe({ query: () => (job.id ? { t: `${job.id}~${job.cursor}` } : {}), update: take });
  return () => {
    listeners.delete(callback);
    if (listeners.size) return;
    stop?.();
    stop = null;
  };
}

function tell() {
  for (const callback of [...listeners]) callback();
}

function take({ transfer: news }) {
  if (!news || news.job !== job.id) return;
  if (news.gone) Object.assign(job, { cursor: news.cursor, state: "gone", gone: news.gone, sentence: news.gone, tone: "error", can: [] });
  else {
    const { rows, reset, ...rest } = news;
    if (reset) job.rows = [];
    job.rows.push(...rows);
    if (job.rows.length > KEPT) job.rows = job.rows.filter((_, i) => i % 2 === 0 || i === job.rows.length - 1);
    delete rest.job;
    Object.assign(job, rest);
  }
  tell();
}
