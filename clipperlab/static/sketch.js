// @ts-check
// An image as a model's input: drawn with the pointer, or taken from a file, and shrunk to so many pixels.

const SIDE = 200;
const STYLE = `
.clipper-sketch { display: flex; flex-wrap: wrap; gap: 4px 16px; align-items: start;
  color: var(--jp-ui-font-color1, currentColor); font: 12px var(--jp-ui-font-family, system-ui, sans-serif); }
.clipper-sketch > div { display: grid; gap: 4px; }
.clipper-sketch canvas { background: #000; border: 1px solid var(--jp-border-color1, #888); image-rendering: pixelated; }
.clipper-sketch .drawn { width: ${SIDE}px; height: ${SIDE}px; touch-action: none; cursor: crosshair; }
.clipper-sketch .sent { width: ${SIDE / 2}px; height: ${SIDE / 2}px; object-fit: contain; }
.clipper-sketch .tools { display: flex; gap: 4px; }
.clipper-sketch :is(button, label) { font-size: 12px; color: inherit; background: var(--jp-layout-color2, #8882);
  cursor: pointer; border: 1px solid var(--jp-border-color1, #8888); border-radius: 3px; padding: 3px 10px; }
.clipper-sketch :is(button, label):is(:hover, :focus-within) { background: var(--jp-layout-color3, #8884); }
.clipper-sketch label:focus-within { outline: 2px solid var(--jp-brand-color1, currentColor); }
.clipper-sketch input { position: absolute; width: 1px; height: 1px; opacity: 0; }
`;

/** @param {{model: any, el: HTMLElement}} context */
function render({ model, el }) {
  const box = document.createElement("div");
  box.className = "clipper-sketch";
  const style = document.createElement("style");
  style.textContent = STYLE;
  const canvas = document.createElement("canvas");
  canvas.className = "drawn";
  canvas.width = canvas.height = SIDE;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "Draw here, in white on black. Or open an image with the button below.");
  const file = document.createElement("input");
  file.type = "file";
  file.accept = "image/*";
  const open = document.createElement("label");
  open.append("Open an image", file);
  const clear = document.createElement("button");
  clear.type = "button";
  clear.textContent = "Clear";
  const tools = document.createElement("div");
  tools.className = "tools";
  tools.append(open, clear);
  const trouble = document.createElement("span");
  trouble.setAttribute("role", "status");
  const preview = document.createElement("canvas");
  preview.className = "sent";
  preview.setAttribute("role", "img");
  const told = document.createElement("span");
  const [left, right] = [document.createElement("div"), document.createElement("div")];
  left.append(canvas, tools, trouble);
  right.append(told, preview);
  box.append(style, left, right);
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
    show(width, height, sums.map((sum, i) => sum / counts[i]));
  }
  /** What is sent, as large as can be seen. @param {number} width @param {number} height @param {number[]} greys */
  function show(width, height, greys) {
    [preview.width, preview.height] = [width, height];
    const shown = /** @type {CanvasRenderingContext2D} */ (preview.getContext("2d"));
    shown.putImageData(new ImageData(Uint8ClampedArray.from(greys.flatMap((grey) => [grey, grey, grey, 255])), width, height), 0, 0);
    told.textContent = `What is sent: ${width} by ${height} numbers, from 0 (black) to ${model.get("top")} (white)`;
    preview.setAttribute("aria-label", told.textContent);
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
    trouble.textContent = "";
    try {
      const image = await createImageBitmap(chosen);
      pen.drawImage(image, 0, 0, SIDE, SIDE);
      take();
    } catch {
      trouble.textContent = `${chosen.name} is no image that this browser can read.`;
    }
  });
  wipe();
  show(model.get("width"), model.get("height"), new Array(model.get("width") * model.get("height")).fill(0));
  for (const trait of ["width", "height", "top"]) model.on(`change:${trait}`, take);
  return () => {
    for (const trait of ["width", "height", "top"]) model.off(`change:${trait}`, take);
  };
}

export default { render };
