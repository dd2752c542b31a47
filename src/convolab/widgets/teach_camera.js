// The camera of the room Teach: one stream for all widgets; pictures of it as small JPEG files, square, as it sees them.

const SIDE = 224; // pixels: what is kept of an example, and what the lab looks at
const QUALITY = 0.92;
const listeners = new Set();

export const camera = { on: false, starting: false, problem: "", video: Object.assign(document.createElement("video"), { muted: true, playsInline: true, autoplay: true }) };
camera.video.setAttribute("aria-label", "What the camera sees");
let stream = null;
const canvas = document.createElement("canvas");
canvas.width = canvas.height = SIDE;

export function onCamera(callback) {
  listeners.add(callback);
  return () => listeners.delete(callback);
}
const tell = () => [...listeners].forEach((callback) => callback());

export async function startCamera() {
  if (camera.on || camera.starting) return camera.on;
  camera.problem = "";
  camera.starting = true;
  tell();
  try {
    if (!navigator.mediaDevices?.getUserMedia) throw Object.assign(new Error(), { name: "NoWay" });
    stream = await navigator.mediaDevices.getUserMedia({ audio: false, video: { width: { ideal: 320 }, height: { ideal: 240 }, frameRate: { ideal: 15 }, facingMode: "user" } });
    camera.video.srcObject = stream;
    await camera.video.play();
    for (const track of stream.getTracks()) track.addEventListener("ended", lost);
    camera.on = true;
  } catch (error) {
    camera.problem = sentence(error);
    stopTracks();
  }
  camera.starting = false;
  tell();
  return camera.on;
}
function sentence(error) {
  const files = "You can bring images as files, drop or paste them instead.";
  switch (error.name) {
    case "NotAllowedError":
    case "SecurityError":
      return `The browser does not let this page use the camera; allow it beside the address, then press Start again. ${files}`;
    case "NotFoundError":
    case "OverconstrainedError":
      return `There is no camera on this machine. ${files}`;
    case "NotReadableError":
    case "AbortError":
      return `The camera is used by another program; close that, then press Start again. ${files}`;
    case "NoWay":
      return `Browsers give the camera only to pages of this machine itself or over https; open the lab at http://127.0.0.1. ${files}`;
    default:
      return `The camera does not start (${error.message || error.name}). ${files}`;
  }
}
function lost() {
  stopCamera();
  camera.problem = "The camera was unplugged or taken away; press Start when it is back.";
  tell();
}
function stopTracks() {
  for (const track of stream?.getTracks() ?? []) track.stop();
  stream = null;
}
export function stopCamera() {
  stopTracks();
  camera.video.srcObject = null;
  camera.on = false;
  tell();
}

// Draws the centre of the picture of this moment as a square; gives the canvas, or null while there is none.
export function drawFrame() {
  const { video } = camera;
  const side = Math.min(video.videoWidth, video.videoHeight);
  if (!camera.on || !side) return null;
  const context = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.drawImage(video, (video.videoWidth - side) / 2, (video.videoHeight - side) / 2, side, side, 0, 0, SIDE, SIDE);
  return canvas;
}
export function grab() {
  const drawn = drawFrame();
  return drawn ? new Promise((resolve) => drawn.toBlob(resolve, "image/jpeg", QUALITY)) : Promise.resolve(null);
}
