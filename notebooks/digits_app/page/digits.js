// @ts-check
// A canvas to draw on, and beside it what the model says. Every address is relative: the page also works
// behind a proxy that puts a path before it.

const SIDE = 256; // of the canvas
const FIELDS = 8; // of the picture that the model knows, in each direction
const FINE = 32; // each of its pixels counts the ink in 4 x 4 of these
const AGAIN_MS = 2000; // a new version shows without a new drawing
const PATIENCE_MS = 5000;
const TRIES = 3;

/** @param {string} id @returns {any} */
const $ = (id) => document.getElementById(id);
/** @type {HTMLCanvasElement} */
const canvas = $("drawing");
const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
const small = document.createElement("canvas");
small.width = small.height = FINE;
const loupe = /** @type {CanvasRenderingContext2D} */ (small.getContext("2d", { willReadFrequently: true }));

/** @type {number[] | null} What is drawn, as the model wants it; null where nothing is. */
let pixels = null;
/** @type {any} The last answer to it. */
let answer = null;
let id = newId();
let waiting = false;
let asked = 0; // only the answer to the last question counts
let [column, row] = [0, 0];
/** @type {[number, number] | null} */
let last = null;

/** What a correction of this drawing is called: to send it twice is to send it once. */
function newId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((n) => n.toString(16).padStart(2, "0")).join("");
}

/** 64 numbers from 0 to 16, made as those that the model was trained with: the ink alone, as large as it goes. */
function take() {
  const { data } = pen.getImageData(0, 0, SIDE, SIDE);
  let [left, top, right, bottom] = [SIDE, SIDE, -1, -1];
  for (let y = 0; y < SIDE; y++) {
    for (let x = 0; x < SIDE; x++) {
      if (data[4 * (y * SIDE + x)] < 128) continue;
      [left, top] = [Math.min(left, x), Math.min(top, y)];
      [right, bottom] = [Math.max(right, x), Math.max(bottom, y)];
    }
  }
  if (right < 0) return null;
  const [width, height] = [right - left + 1, bottom - top + 1];
  const scale = FINE / Math.max(width, height);
  const [w, h] = [width * scale, height * scale];
  loupe.fillStyle = "#000";
  loupe.fillRect(0, 0, FINE, FINE);
  loupe.imageSmoothingQuality = "high";
  loupe.drawImage(canvas, left, top, width, height, (FINE - w) / 2, (FINE - h) / 2, w, h);
  const fine = loupe.getImageData(0, 0, FINE, FINE).data;
  const sums = new Array(FIELDS * FIELDS).fill(0);
  for (let y = 0; y < FINE; y++) {
    for (let x = 0; x < FINE; x++) {
      if (fine[4 * (y * FINE + x)] >= 128) sums[Math.floor(y / 4) * FIELDS + Math.floor(x / 4)] += 1;
    }
  }
  return sums;
}

/** @param {string} path @param {string} method @param {any} [body] */
async function send(path, method, body) {
  const response = await fetch(path, {
    method,
    headers: { "Content-Type": "application/json" },
    body: body && JSON.stringify(body),
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  const said = await response.json().catch(() => ({ detail: "It answers with what is no answer." }));
  if (!response.ok) throw new Error(typeof said.detail === "string" ? said.detail : "It refuses the drawing.");
  return said;
}

/** @param {unknown} error */
function sentence(error) {
  if (error instanceof TypeError) return "This page's own server cannot be reached at the moment.";
  if (error instanceof DOMException) return `There was no answer within ${PATIENCE_MS / 1000} s.`;
  return error instanceof Error ? error.message : String(error);
}

async function ask() {
  const number = ++asked;
  const before = performance.now();
  waiting = true;
  try {
    const said = await send("predict", "POST", { pixels });
    if (number === asked) show(said, performance.now() - before);
  } catch (error) {
    if (number === asked) showNothing("–", sentence(error));
  }
  if (number === asked) waiting = false;
}

/** Only what has changed is written: a screen reader reads it aloud. @param {HTMLElement} at @param {string} text */
function write(at, text) {
  if (at.textContent !== text) at.textContent = text;
}

/** @param {any} said @param {number} ms */
function show(said, ms) {
  answer = said;
  const by = said.version ? `version ${said.version}` : "no version";
  $("digit").classList.toggle("default", said.digit === null);
  write($("digit"), String(said.digit ?? said.default_output));
  if (said.digit === null) {
    write($("by"), `This is the default output, and no model's answer (${said.reason}). ${said.explanation}`);
  } else {
    write($("by"), `says ${by} of the model.`);
  }
  write($("times"), `${said.took_ms.toFixed(1)} ms for the prediction, ${ms.toFixed(0)} ms until it was here`);
  $("corrections").hidden = false;
}

/** @param {string} digit @param {string} why */
function showNothing(digit, why) {
  answer = null;
  $("digit").classList.remove("default");
  write($("digit"), digit);
  write($("by"), why);
  write($("times"), "");
  $("corrections").hidden = pixels === null;
}

function changed() {
  pixels = take();
  write($("thanks"), "");
  if (pixels) return ask();
  asked++;
  waiting = false;
  id = newId();
  showNothing("?", "Nothing is drawn yet.");
}

/** @param {number} digit */
async function correct(digit) {
  const said = { predicted: answer?.digit ?? null, version: answer?.version ?? "", token: answer?.token ?? "" };
  const correction = { pixels, digit, ...said };
  for (let tries = 1; ; tries++) {
    try {
      const { corrections } = await send(`corrections/${id}`, "PUT", correction);
      versions();
      return write($("thanks"), `Thank you: kept as a ${digit}. There are ${corrections} corrections.`);
    } catch (error) {
      if (tries === TRIES) return write($("thanks"), `It could not be kept. ${sentence(error)}`);
    }
  }
}

/** What users said of each version. It is no matter where that cannot be had. */
async function versions() {
  const found = await send("versions", "GET").catch(() => []);
  const rows = found.map((/** @type {any} */ { version, said, right }) => {
    const row = document.createElement("tr");
    for (const text of [version, said, `${Math.round((100 * right) / said)} %`]) row.insertCell().textContent = text;
    return row;
  });
  if (rows.length) $("versions").tBodies[0].replaceChildren(...rows);
  $("versions").hidden = !$("versions").tBodies[0].rows.length;
}

function wipe() {
  pen.fillStyle = "#000";
  pen.fillRect(0, 0, SIDE, SIDE);
  changed();
}

/** @param {PointerEvent} event @returns {[number, number]} */
function where(event) {
  const bounds = canvas.getBoundingClientRect();
  return [
    ((event.clientX - bounds.left) / bounds.width) * SIDE,
    ((event.clientY - bounds.top) / bounds.height) * SIDE,
  ];
}

/** @param {[number, number]} from @param {[number, number]} to */
function line(from, to) {
  pen.strokeStyle = "#fff";
  pen.lineWidth = SIDE / 7; // as much ink as in the pictures that the model was trained with
  pen.lineCap = "round";
  pen.beginPath();
  pen.moveTo(...from);
  pen.lineTo(...to);
  pen.stroke();
}

canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  last = where(event);
  line(last, last);
});
canvas.addEventListener("pointermove", (event) => {
  if (!last) return;
  const to = where(event);
  line(last, to);
  last = to;
});
for (const end of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(end, () => {
    if (last) changed();
    last = null;
  });
}

/** @type {Record<string, [number, number]>} */
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
canvas.addEventListener("keydown", (event) => {
  const move = MOVES[event.key];
  const ink = { " ": "#fff", Backspace: "#000" }[event.key];
  if (!move && !ink) return;
  event.preventDefault();
  if (move) {
    column = Math.min(Math.max(column + move[0], 0), FIELDS - 1);
    row = Math.min(Math.max(row + move[1], 0), FIELDS - 1);
  }
  const field = SIDE / FIELDS;
  if (ink) {
    pen.fillStyle = ink;
    pen.fillRect(column * field, row * field, field, field);
    changed();
  }
  const [red] = pen.getImageData((column + 0.5) * field, (row + 0.5) * field, 1, 1).data;
  write($("field"), `Row ${row + 1}, column ${column + 1}, ${red < 128 ? "empty" : "drawn"}`);
  cursor();
});

/** Where the keyboard draws is shown over the drawing, and not in it. */
const frame = document.createElement("div");
frame.className = "cursor";
frame.hidden = true;
canvas.after(frame);
function cursor() {
  const field = canvas.clientWidth / FIELDS;
  Object.assign(frame.style, {
    left: `${canvas.offsetLeft + column * field}px`,
    top: `${canvas.offsetTop + row * field}px`,
    width: `${field}px`,
    height: `${field}px`,
  });
  frame.hidden = false;
}
canvas.addEventListener("blur", () => (frame.hidden = true));

$("clear").addEventListener("click", wipe);
for (let digit = 0; digit < 10; digit++) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = String(digit);
  button.addEventListener("click", () => correct(digit));
  $("corrections").append(button, " ");
}
setInterval(() => {
  if (pixels && !last && !waiting && document.visibilityState === "visible") ask();
}, AGAIN_MS);
wipe();
versions();
