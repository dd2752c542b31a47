// The live camera: frames go to the lab over a socket, the newest wins, and painted ones come back. One is being
// painted, and the next leaves when that is half done, so that the lab never waits for the browser.
// The messages are described in convolab/app/restyle/camera.py.
import { h } from "./look.js";

const [HEAD, ANSWER] = [16, 20];
const [RAW, JPEG] = [0, 1];
const LOST = 4000; // ms without an answer until a frame counts as lost
const RECENT = 2000; // ms over which speed and latency are told
const REFUSED = {
  NotAllowedError: "The browser may not use the camera: allow it beside the address, then press Camera again.",
  NotFoundError: "There is no camera on this machine; connect one, or choose a photo.",
  NotReadableError: "The camera is in use by another program; close it there, then press Camera again.",
  OverconstrainedError: "The camera cannot give pictures of this kind; choose another camera in the browser.",
  SecurityError: "The browser may not use the camera on this page: open the lab over https, or on its own machine.",
};

// No larger pictures than are painted: each costs the browser time that painting needs on the same cores.
const pictures = (size) => ({ ...(size > 320 ? { width: { ideal: 640 }, height: { ideal: 480 } } : { width: { ideal: 320 }, height: { ideal: 240 } }), frameRate: { ideal: 20 } });

// What was measured, for whoever wants to look: `convolabCamera` in the page.
const measured = { frames: 0, lost: 0, latencies: [], painting: [], sizes: [0, 0] };
window.convolabCamera = measured;

// `before`, `after`: canvases that show the frame and its painting. `settings()` gives { style, strength, padding,
// keep, mirror, size }; `onStats`, `onFit(width, height)`, `onProblem(sentence)`, `onStop()`.
export function camera({ before, after, settings, onStats, onFit, onProblem, onStop }) {
  // On the same machine raw pixels are quicker than packing them; over a network they would be too many.
  const kind = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname) ? RAW : JPEG;
  // In the page, though invisible: browsers give frames of videos elsewhere only now and then.
  const video = h("video.cs-video", { muted: true, playsinline: true, "aria-hidden": "true", tabindex: -1 });
  video.muted = true;
  const grabs = [0, 1, 2].map(() => document.createElement("canvas"));
  const pens = grabs.map((canvas) => canvas.getContext("2d", { willReadFrequently: true, alpha: false }));
  const inFlight = new Map(); // number of a frame: { at: when the camera took it, grab: the canvas that holds it }
  let [stream, socket, told, running] = [null, null, "", false];
  let [fresh, ready, number] = [false, false, 0];
  let [sentAt, frameAt, statsAt, retry, painting] = [0, 0, 0, 0, 100]; // painting: milliseconds that it takes
  let buffer = new ArrayBuffer(0);
  let asked = settings().size > 320; // whether the camera was asked for large pictures
  let recent = []; // [time of arrival, latency]

  async function start() {
    if (!navigator.mediaDevices?.getUserMedia) throw new Error(REFUSED.SecurityError);
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: pictures(settings().size), audio: false });
    } catch (error) {
      throw new Error(REFUSED[error.name] ?? `The camera cannot be used: ${error.message || error.name}.`);
    }
    running = true;
    for (const track of stream.getTracks()) track.addEventListener("ended", () => running && (stop(), onProblem("The camera was disconnected; connect it and press Camera again."), onStop()));
    after.parentElement.append(video);
    video.srcObject = stream;
    await video.play();
    connect();
    watch();
  }
  function stop() {
    running = false;
    clearTimeout(retry);
    for (const track of stream?.getTracks() ?? []) track.stop();
    video.srcObject = null;
    video.remove();
    socket?.close();
    socket = null;
    recent = [];
    onStats(null);
  }

  // ---- the socket ----
  function connect() {
    if (!running) return;
    const place = `${location.origin.replace(/^http/, "ws")}${window.path_prefix ?? ""}/fast/camera`;
    const made = (socket = new WebSocket(place));
    made.binaryType = "arraybuffer";
    made.onopen = () => {
      told = "";
      tell();
    };
    made.onmessage = (event) => (typeof event.data === "string" ? heard(JSON.parse(event.data)) : arrived(event.data));
    made.onclose = () => {
      if (made !== socket) return;
      ready = false;
      inFlight.clear();
      if (!running) return;
      onProblem("The lab does not answer; trying again …");
      retry = setTimeout(connect, 1500);
    };
  }
  // Sends the settings if they are not what the lab knows.
  function tell() {
    const large = settings().size > 320;
    if (large !== asked) {
      asked = large;
      for (const track of stream?.getVideoTracks() ?? []) track.applyConstraints(pictures(settings().size)).catch(() => {});
    }
    if (socket?.readyState !== WebSocket.OPEN) return;
    const { style, strength, padding, keep } = settings();
    const words = JSON.stringify({ style, strength, padding, keep });
    if (words === told) return;
    told = words;
    socket.send(words);
  }
  function heard(message) {
    if (message.error) {
      inFlight.clear();
      return onProblem(message.error);
    }
    onProblem("");
    ready = true;
    pump();
  }

  // ---- frames ----
  function watch() {
    if (!running) return;
    const next = (now, about) => {
      // When the camera took it, as far as the browser knows.
      frameAt = about?.captureTime ?? now;
      fresh = true;
      pump();
      watch();
    };
    if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(next);
    else requestAnimationFrame((now) => next(now));
  }
  function pump() {
    const waited = performance.now() - sentAt;
    if (inFlight.size && waited > LOST) {
      measured.lost += inFlight.size;
      inFlight.clear();
    }
    if (inFlight.size > 1 || (inFlight.size && waited < painting / 2)) return;
    if (!running || !fresh || !ready || !video.videoWidth || socket?.readyState !== WebSocket.OPEN) return;
    const { size, mirror } = settings();
    const scale = Math.min(1, size / Math.max(video.videoWidth, video.videoHeight));
    const [width, height] = [video.videoWidth, video.videoHeight].map((side) => Math.max(16, Math.round(side * scale)));
    number = (number + 1) >>> 0;
    const [grab, pen] = [grabs[number % 3], pens[number % 3]];
    if (grab.width !== width || grab.height !== height) [grab.width, grab.height] = [width, height];
    pen.setTransform(mirror ? -1 : 1, 0, 0, 1, mirror ? width : 0, 0);
    pen.drawImage(video, 0, 0, width, height);
    [fresh, sentAt] = [false, performance.now()];
    inFlight.set(number, { at: frameAt, grab });
    kind === RAW ? sendRaw(pen, width, height) : sendJpeg(grab, width, height, number);
  }
  function head(view, width, height) {
    [number, width, height, kind].forEach((value, i) => view.setUint32(4 * i, value, true));
  }
  function sendRaw(pen, width, height) {
    if (buffer.byteLength !== HEAD + 4 * width * height) buffer = new ArrayBuffer(HEAD + 4 * width * height);
    head(new DataView(buffer), width, height);
    new Uint8Array(buffer).set(pen.getImageData(0, 0, width, height).data, HEAD);
    socket.send(buffer);
  }
  function sendJpeg(grab, width, height, mine) {
    const start = new DataView(new ArrayBuffer(HEAD));
    head(start, width, height);
    grab.toBlob((blob) => blob && inFlight.has(mine) && socket?.readyState === WebSocket.OPEN && socket.send(new Blob([start, blob])), "image/jpeg", 0.85);
  }
  async function arrived(data) {
    const view = new DataView(data);
    const [which, width, height, how] = [0, 4, 8, 12].map((at) => view.getUint32(at, true));
    const sent = inFlight.get(which);
    if (!sent) return; // one that was given up
    for (const older of [...inFlight.keys()]) if (older <= which) inFlight.delete(older); // dropped for this one
    if (after.width !== width || after.height !== height) {
      for (const canvas of [before, after]) [canvas.width, canvas.height] = [width, height];
      onFit(width, height);
    }
    if (how === RAW) after.getContext("2d").putImageData(new ImageData(new Uint8ClampedArray(data, ANSWER), width, height), 0, 0);
    else after.getContext("2d").drawImage(await createImageBitmap(new Blob([new Uint8Array(data, ANSWER)], { type: "image/jpeg" })), 0, 0);
    before.getContext("2d").drawImage(sent.grab, 0, 0);
    count(view.getFloat32(16, true), width, height, sent.at);
    tell();
    pump();
  }
  function count(milliseconds, width, height, taken) {
    const now = performance.now();
    const latency = now - taken;
    painting += (milliseconds - painting) / 8;
    recent.push([now, latency]);
    while (recent.length > 2 && now - recent[0][0] > RECENT) recent.shift();
    measured.frames += 1;
    measured.latencies.push(latency);
    measured.painting.push(milliseconds);
    for (const kept of [measured.latencies, measured.painting]) if (kept.length > 4000) kept.splice(0, 2000);
    measured.sizes = [width, height];
    if (now - statsAt < 400 || recent.length < 3) return;
    statsAt = now;
    const sorted = recent.map(([, value]) => value).sort((a, b) => a - b);
    const seconds = (recent.at(-1)[0] - recent[0][0]) / 1000;
    onStats({ rate: (recent.length - 1) / seconds, latency: sorted[sorted.length >> 1], painting: milliseconds, width, height });
  }

  // The newest picture of the camera in full, as a JPEG.
  function snapshot() {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    const context = canvas.getContext("2d");
    if (settings().mirror) context.setTransform(-1, 0, 0, 1, canvas.width, 0);
    context.drawImage(video, 0, 0);
    return new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.95));
  }
  return { start, stop, tell, snapshot };
}
