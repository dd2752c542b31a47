// The one stream of news of a browser tab. All panels of the tab share one question: each says what it needs and
// what it has already, the server answers with what is new and with when to ask again. Hidden tabs and panels
// out of sight ask for nothing.

const TAB = Array.from(crypto.getRandomValues(new Uint8Array(8)), (b) => b.toString(16).padStart(2, "0")).join("");
const panels = new Set();
let source = "";
let timer = 0;
let socket = null;
let waiting = false; // for an answer
let askedFor = ""; // what was shown when it was asked
let again = false;

export const stats = { requests: 0, bytes: 0, busy: 0 };
export const address = (path) => (window.path_prefix ?? "") + "/live/" + path;

const seen = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) {
      for (const panel of panels) {
        if (panel.el !== entry.target) continue;
        panel.visible = entry.isIntersecting;
        if (panel.visible) poke();
      }
    }
  },
  { rootMargin: "80px" },
);

// What the tab shows: the key of a run or of a network not trained yet.
export function show(key) {
  if (key === source) return;
  source = key;
  for (const panel of panels) panel.reset?.();
  poke();
}
export const shown = () => source;

// `panel`: { el, query() -> {name: value}, update(news), reset() }; gives back the function that ends it.
export function subscribe(panel) {
  panel.visible = !panel.el;
  panels.add(panel);
  if (panel.el) seen.observe(panel.el);
  poke();
  return () => {
    panels.delete(panel);
    if (panel.el) seen.unobserve(panel.el);
  };
}

// Ask now (once more after the request under way, if there is one).
export function poke() {
  if (waiting) again = true;
  else schedule(30);
}

function schedule(delay) {
  clearTimeout(timer);
  timer = setTimeout(ask, delay);
}

function connect() {
  socket = new WebSocket(address("news").replace(/^/, location.origin.replace(/^http/, "ws")));
  socket.onopen = ask;
  socket.onmessage = (event) => take(event.data);
  // The lab may be restarting: try again later.
  socket.onclose = () => {
    socket = null;
    waiting = false;
    schedule(2000);
  };
}

function ask() {
  clearTimeout(timer);
  if (document.hidden || waiting || panels.size === 0) return;
  if (!socket) return connect();
  if (socket.readyState !== WebSocket.OPEN) return;
  const question = { tab: TAB, source };
  for (const panel of panels) if (panel.visible) Object.assign(question, panel.query());
  waiting = true;
  askedFor = source;
  socket.send(JSON.stringify(question));
}

function take(text) {
  const began = performance.now();
  const news = JSON.parse(text);
  waiting = false;
  if (askedFor === source) for (const panel of [...panels]) panel.update(news);
  stats.requests += 1;
  stats.bytes += text.length;
  stats.busy += performance.now() - began;
  schedule(again ? 30 : news.interval * 1000);
  again = false;
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) poke();
});
window.convolabFeed = stats;
