// @ts-check
// Draws every picture: lines or stacked areas over time, or dots over a size. Plain SVG in the colours of the
// theme, with a text for those who cannot see it, and a cursor for the keyboard as for the mouse.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 520; // until it is known how wide it is
const HEIGHT = 170;
const LEFT = 54;
const APART = 52; // of two ticks, at least
const RIGHT = 16;
const TOP = 10;
const BOTTOM = 22;

// Of a brightness between those of both themes, told apart also by most of the colour-blind.
export const COLOURS = ["#3d85d6", "#e08a2e", "#2fa37c", "#b767c9", "#d1584f", "#8c8f3a", "#5aa7b8", "#8a8f98"];
export const GOOD = "#2fa37c";
export const BAD = "#d1584f";
export const IDLE = "Not asked in the last minutes.";

const STYLE = `
.clipper-picture { margin: 0; max-width: 640px; color: var(--jp-ui-font-color1, currentColor);
  font: 12px var(--jp-ui-font-family, system-ui, sans-serif); }
.clipper-picture figcaption { display: flex; flex-wrap: wrap; gap: 2px 12px; align-items: baseline; }
.clipper-picture figcaption b { font-weight: 600; }
.clipper-picture i { display: inline-block; width: 10px; height: 10px; border-radius: 2px; margin-right: 4px; }
.clipper-picture svg { display: block; width: 100%; height: ${HEIGHT}px; outline-offset: 2px; }
.clipper-picture text { fill: var(--jp-ui-font-color2, currentColor); font-size: 11px; }
.clipper-picture .grid { stroke: var(--jp-border-color2, #8886); stroke-width: 1; }
.clipper-picture .rule { stroke: ${BAD}; stroke-dasharray: 5 3; }
.clipper-picture .mark { stroke: var(--jp-ui-font-color2, currentColor); stroke-dasharray: 2 2; }
.clipper-picture .cursor { stroke: var(--jp-ui-font-color2, currentColor); }
/* Of one width, whatever the number: a caption that changes moves nothing below it. */
.clipper-picture .value { display: inline-block; min-width: 4.5em; font-variant-numeric: tabular-nums; }
.clipper-picture .where { color: var(--jp-ui-font-color2, currentColor); }
.clipper-picture output { display: block; min-height: 1.4em; color: var(--jp-ui-font-color2, currentColor); }
`;

/**
 * What a picture shows at one moment. Values that are not known are null; where none is known, or all that is stacked
 * is zero, the sentence `empty` stands in place of the picture.
 * @typedef {{name: string, colour: string, values: (number | null)[], dots?: boolean}} Line
 * @typedef {{x: number[], lines: Line[], stacked?: boolean, scale?: "linear" | "log", top?: number,
 *   ticks: [number, string][], rules?: [number, string][], uprights?: [number, string][],
 *   format: (y: number) => string, unit?: string, where: (x: number) => string, empty?: string}} Picture
 */

/** @param {string} tag @param {Record<string, string | number>} attributes @param {...(Node | string)} children */
export function svg(tag, attributes, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  node.append(...children);
  return node;
}

/** @param {string} tag @param {Record<string, string>} attributes @param {...(Node | string)} children */
export function html(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** A round number at or above `value`, for the top of an axis. @param {number} value */
export function roundUp(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return power * (/** @type {number} */ ([1, 2, 2.5, 5, 10].find((step) => step * power >= value * 0.999)));
}

/** @param {number} value */
export function short(value) {
  if (value >= 100) return value.toLocaleString("en", { maximumFractionDigits: 0 });
  return value.toLocaleString("en", { maximumSignificantDigits: 3 });
}

/** @param {number} ms */
export function milliseconds(ms) {
  return ms >= 1000 ? `${short(ms / 1000)} s` : `${short(ms)} ms`;
}

/** Seconds before now, as people say them. @param {number} seconds */
export function ago(seconds) {
  if (seconds < 0.5) return "now";
  return seconds < 100 ? `${Math.round(seconds)} s ago` : `${short(seconds / 60)} min ago`;
}

/**
 * The axis of pictures over time: seconds before the newest point, in an even number of ticks.
 * @param {{at: number}[]} points
 * @returns {{x: number[], ticks: [number, string][], where: (x: number) => string}}
 */
export function timeAxis(points) {
  const now = points.length ? points[points.length - 1].at : 0;
  const x = points.map((point) => point.at - now);
  const span = Math.max(60, -(x[0] ?? 0));
  const step = span > 150 ? 60 : span > 75 ? 30 : 15;
  /** @type {[number, string][]} */
  const ticks = [];
  for (let t = 0; t <= span; t += step) ticks.unshift([-t, t ? `-${t} s` : "now"]);
  return { x, ticks, where: (at) => ago(-at) };
}

/**
 * Call `change` whenever the width of `node` is another one: what is drawn is drawn at its real width, and never scaled,
 * so that letters have one size everywhere.
 * @param {Element} node @param {() => void} change @returns {() => void} to be called when it is no longer wanted
 */
export function onWidth(node, change) {
  let width = node.clientWidth;
  const observer = new ResizeObserver(() => {
    if (node.clientWidth === width) return;
    width = node.clientWidth;
    change();
  });
  observer.observe(node);
  return () => observer.disconnect();
}

/** What it is a picture of, if it has a name, and what of that. @param {any} model @param {string} title */
function titled(model, title) {
  const name = model.get("name");
  return name ? `${name}: ${title[0].toLowerCase()}${title.slice(1)}` : title;
}

/** @param {Picture} picture */
function isEmpty(picture) {
  const there = (/** @type {number | null | undefined} */ value) =>
    value !== null && value !== undefined && (!picture.stacked || value !== 0);
  return !picture.x.length || !picture.lines.some((line) => line.values.some(there));
}

/**
 * Draw what `read` gives, again whenever one of the traits changes. The trait `name`, where there is one, begins the title.
 * @param {{model: any, el: HTMLElement, title: string, traits: string[], read: () => Picture}} what
 * @returns {() => void} to be called when the picture is no longer wanted
 */
export function draw({ model, el, title, traits, read }) {
  const caption = html("figcaption", {});
  const canvas = svg("svg", { role: "img", tabindex: 0 });
  const told = html("output", { "aria-live": "polite" });
  const figure = html("figure", { class: "clipper-picture" }, html("style", {}, STYLE), caption, canvas, told);
  el.append(figure);
  /** @type {number | null} */
  let cursor = null;
  let picture = read();
  let frame = 0;

  function redraw() {
    frame = 0;
    picture = read();
    const count = picture.x.length;
    if (cursor !== null && cursor >= count) cursor = count ? count - 1 : null;
    const empty = isEmpty(picture);
    const whole = titled(model, title);
    canvas.style.display = empty ? "none" : "";
    caption.replaceChildren(html("b", {}, whole), ...(empty ? [] : legends(picture, cursor)));
    if (!empty) paint(canvas, picture, cursor, figure.clientWidth || WIDTH);
    canvas.setAttribute("aria-label", describe(whole, picture, count - 1));
    told.textContent = empty ? (picture.empty ?? "") : cursor === null ? "" : describe("", picture, cursor);
  }
  function later() {
    frame ||= requestAnimationFrame(redraw);
  }
  /** @param {number | null} index */
  function move(index) {
    const count = picture.x.length;
    cursor = index === null || !count ? null : Math.min(count - 1, Math.max(0, index));
    later();
  }
  canvas.addEventListener("keydown", (event) => {
    const last = picture.x.length - 1;
    const steps = { ArrowLeft: (cursor ?? last + 1) - 1, ArrowRight: (cursor ?? last) + 1, Home: 0, End: last };
    const key = /** @type {KeyboardEvent} */ (event).key;
    if (key === "Escape") move(null);
    else if (key in steps) move(steps[/** @type {keyof typeof steps} */ (key)]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  canvas.addEventListener("pointermove", (event) => {
    const box = canvas.getBoundingClientRect();
    const px = /** @type {PointerEvent} */ (event).clientX - box.left;
    const scale = scaleOf(picture, box.width);
    const nearest = picture.x.reduce(
      (best, x, i) => (Math.abs(scale(x) - px) < Math.abs(scale(picture.x[best]) - px) ? i : best), 0);
    move(nearest);
  });
  canvas.addEventListener("pointerleave", () => move(null));
  canvas.addEventListener("blur", () => move(null));
  for (const trait of traits) model.on(`change:${trait}`, later);
  redraw();
  const forget = onWidth(figure, later);
  return () => {
    forget();
    cancelAnimationFrame(frame);
    for (const trait of traits) model.off(`change:${trait}`, later);
  };
}

/** Each line's colour, name and value; and where that is its value, unless that is now, or said below. */
function legends(/** @type {Picture} */ picture, /** @type {number | null} */ cursor) {
  const at = cursor ?? picture.x.length - 1;
  const lines = picture.lines.map((line) =>
    html("span", {}, html("i", { style: `background:${line.colour}` }), `${line.name}: `,
      html("span", { class: "value" }, said(line, picture, at) ?? "–")));
  const where = picture.where(picture.x[at]);
  return where === "now" || cursor !== null ? lines : [...lines, html("span", { class: "where" }, `(${where})`)];
}

/** A line's value, with its unit; null where it is not known. */
function said(/** @type {Line} */ line, /** @type {Picture} */ picture, /** @type {number} */ at) {
  const value = line.values[at];
  if (value === null || value === undefined) return null;
  return picture.unit ? `${picture.format(value)} ${picture.unit}` : picture.format(value);
}

/** @param {string} title @param {Picture} picture @param {number} at */
function describe(title, picture, at) {
  const head = title ? `${title}: ` : "";
  if (!picture.x.length) return head + (picture.empty ?? "nothing yet");
  const values = picture.lines.map((line) => `${line.name}: ${said(line, picture, at) ?? "unknown"}`);
  const rules = (picture.rules ?? []).map(([, text]) => text);
  return `${head}${picture.where(picture.x[at])}: ${[...values, ...rules].join(", ") || "nothing"}`;
}

/** @param {Picture} picture @param {number} width */
function scaleOf(picture, width) {
  const f = picture.scale === "log" ? Math.log2 : (/** @param {number} v */ (v) => v);
  const ends = [...picture.ticks.map(([x]) => x), ...picture.x, ...(picture.uprights ?? []).map(([x]) => x)];
  const low = f(Math.min(...ends));
  const high = f(Math.max(...ends));
  return (/** @param {number} x */ (x) => LEFT + ((f(x) - low) / (high - low || 1)) * (width - LEFT - RIGHT));
}

/** @param {Element} canvas @param {Picture} picture @param {number | null} cursor @param {number} width */
function paint(canvas, picture, cursor, width) {
  const count = picture.x.length;
  const sums = picture.x.map((_, i) => picture.lines.reduce((sum, line) => sum + (line.values[i] ?? 0), 0));
  const all = picture.stacked ? sums : picture.lines.flatMap((line) => line.values.filter((v) => v !== null));
  const rules = picture.rules ?? [];
  const top = picture.top ?? roundUp(Math.max(0, .../** @type {number[]} */ (all), ...rules.map(([y]) => y)));
  const least = Math.min(0, .../** @type {number[]} */ (all));
  const low = least < 0 ? -roundUp(-least) : 0;
  const x = scaleOf(picture, width);
  const y = (/** @type {number} */ value) =>
    TOP + ((top - Math.min(value, top)) / (top - low)) * (HEIGHT - TOP - BOTTOM);
  const nodes = [];
  for (const part of [0, 0.5, 1]) {
    const value = low + part * (top - low);
    nodes.push(svg("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value) }));
    const at = { x: LEFT - 5, y: y(value) + 3, "text-anchor": "end" };
    nodes.push(svg("text", at, picture.format(value)));
  }
  let last = Infinity;
  for (const [value, text] of [...picture.ticks].reverse()) {
    if (Math.abs(last - x(value)) < APART) continue;
    last = x(value);
    nodes.push(svg("text", { x: x(value), y: HEIGHT - 6, "text-anchor": "middle" }, text));
  }
  const base = new Array(count).fill(0);
  for (const line of picture.lines) {
    if (picture.stacked) {
      const upper = line.values.map((value, i) => base[i] + (value ?? 0));
      const there = upper.map((value, i) => `${x(picture.x[i]).toFixed(1)},${y(value).toFixed(1)}`);
      const back = base.map((value, i) => `${x(picture.x[i]).toFixed(1)},${y(value).toFixed(1)}`).reverse();
      const points = [...there, ...back].join(" ");
      nodes.push(svg("polygon", { points, fill: line.colour, "fill-opacity": 0.75 }));
      upper.forEach((value, i) => (base[i] = value));
    } else {
      nodes.push(...stroke(line, picture.x, x, y));
    }
  }
  for (const [value, text] of rules) {
    nodes.push(svg("line", { class: "rule", x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value) }));
    const above = y(value) - 3;
    nodes.push(svg("text", { x: width - RIGHT, y: above < 9 ? above + 13 : above, "text-anchor": "end" }, text));
  }
  (picture.uprights ?? []).forEach(([value, text], i) => {
    nodes.push(svg("line", { class: "mark", x1: x(value), x2: x(value), y1: TOP, y2: HEIGHT - BOTTOM }));
    const anchor = x(value) > width / 2 ? "end" : "start";
    const at = { x: x(value) + (anchor === "end" ? -3 : 3), y: TOP + 9 + 12 * ((i % 3) + (rules.length ? 1 : 0)), "text-anchor": anchor };
    nodes.push(svg("text", at, text));
  });
  if (cursor !== null) {
    const at = x(picture.x[cursor]);
    nodes.push(svg("line", { class: "cursor", x1: at, x2: at, y1: TOP, y2: HEIGHT - BOTTOM }));
  }
  canvas.replaceChildren(...nodes);
}

/** Strokes, broken where a value is not known; or dots. */
function stroke(
  /** @type {Line} */ line, /** @type {number[]} */ xs,
  /** @type {(x: number) => number} */ x, /** @type {(y: number) => number} */ y) {
  /** @type {string[][]} */
  const parts = [[]];
  /** @type {Element[]} */
  const dots = [];
  line.values.forEach((value, i) => {
    if (value === null || value === undefined) return parts.push([]);
    const [cx, cy] = [x(xs[i]).toFixed(1), y(value).toFixed(1)];
    parts[parts.length - 1].push(`${cx},${cy}`);
    if (line.dots) dots.push(svg("circle", { cx, cy, r: 3, fill: line.colour }));
  });
  const strokes = parts.filter((part) => part.length).map((part) => svg("polyline", {
    points: (part.length > 1 ? part : [part[0], part[0]]).join(" "),
    fill: "none", stroke: line.colour, "stroke-width": 2, "stroke-linecap": "round", "stroke-linejoin": "round",
    "stroke-opacity": line.dots ? 0.4 : 1,
  }));
  return [...strokes, ...dots];
}
