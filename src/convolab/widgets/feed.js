// The one stream of news of a browser tab. All panels of the tab share one request: each says what it needs and
// what it has already, the server answers with what is new and with when to ask again. Hidden tabs and panels
// out of sight ask for nothing.

const TAB = Array.from(crypto.getRandomValues(new Uint8Array(8)), (b) => b.toString(16).padStart(2, "0")).join("");
const panels = new Set();
let source = "";
let timer = 0;
let inFlight = null;
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
  if (inFlight) again = true;
  else schedule(30);
}

function schedule(delay) {
  clearTimeout(timer);
  timer = setTimeout(ask, delay);
}

async function ask() {
  if (document.hidden || inFlight || panels.size === 0) return;
  const parameters = new URLSearchParams({ tab: TAB, source });
  for (const panel of panels) {
    if (!panel.visible) continue;
    for (const [name, value] of Object.entries(panel.query())) parameters.set(name, value);
  }
  const asked = source;
  let delay = 2000;
  inFlight = parameters;
  try {
    const response = await fetch(address("news?" + parameters));
    if (response.ok) {
      const text = await response.text();
      const began = performance.now();
      const news = JSON.parse(text);
      delay = news.interval * 1000;
      if (asked === source) for (const panel of [...panels]) panel.update(news);
      stats.requests += 1;
      stats.bytes += text.length;
      stats.busy += performance.now() - began;
    }
  } catch (error) {
    // The lab may be restarting: ask again later. Faults of our own are worth seeing.
    if (!(error instanceof TypeError && /fetch|network|load/i.test(error.message))) console.error(error);
  } finally {
    inFlight = null;
  }
  schedule(again ? 30 : delay);
  again = false;
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) poke();
});
window.convolabFeed = stats;
