// The transport of the room: one WebSocket, /look/live. Questions are answered in any order; of pictures one is under
// way, and while it is, only the newest waits.
import { decodeFrame, packMessage } from "./node_link_frame.js";

const PATIENCE = 60_000; // ms for an answer

// Gives back { ask(message), onFrame(callback), onEvent(callback), onOpen(callback), show(make), close() }.
export function lookSocket(path = "/look/live") {
  const waiting = new Map(); // id → { resolve, reject, timer }
  const listeners = { frame: new Set(), event: new Set(), open: new Set() };
  const url = location.origin.replace(/^http/, "ws") + (window.path_prefix ?? "") + path;
  let socket = null;
  let closed = false;
  let ids = 0;
  let pause = 500;
  let underWay = 0; // id of the picture whose frame is on its way
  let next = null; // makes the newest picture, once it can be sent
  let marks = null; // of the picture under way: when its pointer event was, when it was sent

  function connect() {
    if (closed) return;
    socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      pause = 500;
      tell("open");
    };
    socket.onmessage = ({ data }) => (typeof data === "string" ? heard(JSON.parse(data)) : framed(data));
    // The lab may be restarting: try again later.
    socket.onclose = () => {
      for (const { reject, timer } of waiting.values()) {
        clearTimeout(timer);
        reject(new Error("The lab does not answer; what you drew is kept."));
      }
      waiting.clear();
      underWay = 0;
      if (closed) return;
      tell("event", { event: "lost" });
      setTimeout(connect, pause);
      pause = Math.min(5000, pause * 2);
    };
  }
  const ready = () => socket?.readyState === WebSocket.OPEN;
  const tell = (name, content, extra) => listeners[name].forEach((callback) => callback(content, extra));

  function heard(answer) {
    if (answer.event) return tell("event", answer);
    if (answer.id === underWay && underWay) {
      underWay = 0;
      if (answer.error) tell("event", { event: "problem", sentence: answer.error });
      return flush();
    }
    const asked = waiting.get(answer.id);
    if (!asked) return;
    waiting.delete(answer.id);
    clearTimeout(asked.timer);
    if (answer.error === undefined) return asked.resolve(answer);
    asked.reject(Object.assign(new Error(answer.error), { fetch: answer.fetch }));
  }

  function framed(buffer) {
    const received = performance.now();
    const frame = decodeFrame(buffer);
    const mine = frame.frame === underWay;
    const timing = mine && marks ? { ...marks, received, server: frame.ms } : null;
    if (mine) underWay = 0;
    flush(); // first: the server is at work on the newest while this one is painted
    tell("frame", frame, timing);
  }

  function flush() {
    if (underWay || !next || !ready()) return;
    const make = next;
    next = null;
    const { header, bytes, event } = make();
    underWay = ++ids;
    marks = { event, sent: performance.now() };
    socket.send(packMessage({ ...header, id: underWay }, bytes));
  }

  const on = (name) => (callback) => {
    listeners[name].add(callback);
    return () => listeners[name].delete(callback);
  };
  connect();
  return {
    ask(message) {
      return new Promise((resolve, reject) => {
        if (!ready()) return reject(new Error("The lab does not answer; try again in a moment."));
        const id = ++ids;
        const timer = setTimeout(() => {
          waiting.delete(id);
          reject(new Error("The lab takes too long to answer; try again."));
        }, PATIENCE);
        waiting.set(id, { resolve, reject, timer });
        socket.send(JSON.stringify({ ...message, id }));
      });
    },
    onFrame: on("frame"),
    onEvent: on("event"),
    onOpen: on("open"),
    // `make()` gives { header, bytes, event }; called when it can be sent, unless a newer one has come meanwhile.
    show(make) {
      next = make;
      flush();
    },
    get busy() {
      return underWay !== 0 || next !== null;
    },
    close() {
      closed = true;
      socket?.close();
    },
  };
}
