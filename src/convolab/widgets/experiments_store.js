// The runs that a tab knows: one store for all parts of the room, filled by the stream of news, only with what is new.
import { subscribe } from "./feed.js";

const OFFERED = 200; // runs in a list to choose from
const rows = new Map();
const listeners = new Set();
let version = "";
let settings = [];
let problem = "";

export const run = (id) => rows.get(id);

// Calls `listener({ reset, rows, gone, settings, problem })` with what is known, and with what comes while `el` is in
// sight; gives back the function that ends it.
export function followRuns(el, listener) {
  listeners.add(listener);
  const everything = () => ({ reset: true, rows: [...rows.values()], gone: [], settings, problem });
  if (version) queueMicrotask(() => listeners.has(listener) && listener(everything()));
  const stop = subscribe({ el, query: () => ({ r: `since${version}` }), update: (news) => news.runs && take(news.runs) });
  return () => {
    stop();
    listeners.delete(listener);
  };
}
function take(news) {
  if (news.version === version) return; // another part of the room has taken it
  version = news.version;
  if (news.reset) rows.clear();
  if (news.settings) settings = news.settings;
  problem = news.problem;
  for (const row of news.rows) rows.set(row.id, row);
  for (const id of news.gone) rows.delete(id);
  for (const listener of listeners) listener(news);
}

// Runs to begin with, the newest first: [[id, words], …]; `keep` is among them however old it is.
export function startChoices(keep = "", fits = () => true) {
  const found = [...rows.values()].filter((row) => row.here && fits(row)).sort((a, b) => (a.created < b.created ? 1 : -1));
  const listed = found.slice(0, OFFERED);
  if (keep && rows.has(keep) && fits(rows.get(keep)) && !listed.some((row) => row.id === keep)) listed.push(rows.get(keep));
  return listed.map((row) => [row.id, row.test_accuracy == null ? row.name : `${row.name} (${(100 * row.test_accuracy).toFixed(1)} %)`]);
}
