// @ts-check
// An image as a model's input: drawn with the pointer, or taken from a file, and shrunk to so many pixels.

const SIDE = 200;
const STYLE = `
.clipper-sketch { display: inline-grid; gap: 4px; color: var(--jp-ui-font-color1, currentColor); }
.clipper-sketch canvas { width: ${SIDE}px; height: ${SIDE}px; background: #000; touch-action: none; cursor: crosshair;
  border: 1px solid var(--jp-border-color1, #888); image-rendering: pixelated; }
`;

/** @param {{model: any, el: HTMLElement}} context */
function render({ model, el }) {
  const box = document.createElement("div");
  box.className = "clipper-sketch";
  const style = document.createElement("style");
  style.textContent = STYLE;
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SIDE;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "Draw here, in white on black. Or open an image with the button below.");
  const file = document.createElement("input");
  file.type = "file";
  file.accept = "image/*";
  file.setAttribute("aria-label", "Open an image");
  const clear = document.createElement("button");
  clear.type = "button";
  clear.textContent = "Clear";
  box.append(style, canvas, file, clear);
  el.append(box);
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
  /** @type {[number, number] | null} */
  let last = null;

  /** The mean of what lies under each pixel, from 0 to `top`. */
  function take() {
    const [width, height, top] = [model.get("width"), model.get("height"), model.get("top")];
    const { data } = pen.getImageData(0, 0, SIDE, SIDE);
    const sums = new Array(width * height).fill(0);
    const counts = new Array(width * height).fill(0);
    for (let y = 0; y < SIDE; y++) {
      for (let x = 0; x < SIDE; x++) {
        const at = 4 * (y * SIDE + x);
        const cell = Math.floor((y * height) / SIDE) * width + Math.floor((x * width) / SIDE);
        sums[cell] += 0.299 * data[at] + 0.587 * data[at + 1] + 0.114 * data[at + 2];
        counts[cell] += 1;
      }
    }
    model.set("pixels", sums.map((sum, i) => Math.round((1000 * top * sum) / counts[i] / 255) / 1000));
    model.save_changes();
  }
  /** @param {PointerEvent} event @returns {[number, number]} */
  function where(event) {
    const bounds = canvas.getBoundingClientRect();
    return [
      ((event.clientX - bounds.left) / bounds.width) * SIDE,
      ((event.clientY - bounds.top) / bounds.height) * SIDE,
    ];
  }
  function wipe() {
    pen.fillStyle = "#000";
    pen.fillRect(0, 0, SIDE, SIDE);
  }
  canvas.addEventListener("pointerdown", (event) => {
    last = where(event);
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!last) return;
    const to = where(event);
    pen.strokeStyle = "#fff";
    pen.lineWidth = SIDE / 9;
    pen.lineCap = "round";
    pen.beginPath();
    pen.moveTo(...last);
    pen.lineTo(...to);
    pen.stroke();
    last = to;
  });
  canvas.addEventListener("pointerup", () => {
    last = null;
    take();
  });
  clear.addEventListener("click", () => {
    wipe();
    take();
  });
  file.addEventListener("change", async () => {
    const chosen = file.files?.[0];
    if (!chosen) return;
    try {
      const image = await createImageBitmap(chosen);
      pen.drawImage(image, 0, 0, SIDE, SIDE);
      take();
    } catch {
      clear.insertAdjacentText("afterend", `${chosen.name} is no image that this browser can read.`);
    }
  });
  wipe();
  for (const trait of ["width", "height", "top"]) model.on(`change:${trait}`, take);
  return () => {
    for (const trait of ["width", "height", "top"]) model.off(`change:${trait}`, take);
  };
}

export default { render };
