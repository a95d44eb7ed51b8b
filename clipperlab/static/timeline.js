// @ts-check
// One query's path: where it waited, when it went to which replica, and what of that was the model's own time;
// below a pipeline, the same of each model that it called.
import { BAD, COLOURS, GOOD, html, milliseconds, onWidth, svg } from "./drawing.js";

const WIDTH = 520; // until it is known how wide it is
const ROW = 26;
const LEFT = 110;
const MOST = 24; // bars
const STYLE = `
.clipper-timeline { margin: 0; max-width: 640px; color: var(--jp-ui-font-color1, currentColor);
  font: 12px var(--jp-ui-font-family, system-ui, sans-serif); }
.clipper-timeline svg { display: block; width: 100%; }
.clipper-timeline text { fill: var(--jp-ui-font-color1, currentColor); font-size: 11px; }
.clipper-timeline ol { margin: 4px 0; padding-left: 20px; }
`;

/** @param {any} trace @returns {[string, number, number, string][]} rows of one bar each: name, from, to, colour */
function bars(trace) {
  /** @type {[string, number, number, string][]} */
  const found = [];
  for (const leg of trace.models) {
    const batch = leg.batch;
    if (!batch) {
      found.push([leg.version, 0, trace.took_ms, COLOURS[7]]);
      continue;
    }
    const replied = batch.replied_at_ms ?? trace.took_ms;
    found.push(["waits", 0, batch.sent_at_ms, COLOURS[1]]);
    found.push([leg.version, batch.sent_at_ms, replied, COLOURS[0]]);
    const calls = leg.calls ?? [];
    if (batch.compute_ms && !calls.length)
      found.push(["computes", Math.max(batch.sent_at_ms, replied - batch.compute_ms), replied, GOOD]);
    called(calls, "", found);
  }
  found.splice(MOST);
  found.push(["answered", 0, trace.took_ms, COLOURS[7]]);
  return found;
}

/** @param {any[]} calls @param {string} depth @param {[string, number, number, string][]} found */
function called(calls, depth, found) {
  for (const leg of calls) {
    found.push([`${depth}└ ${leg.version}`, leg.queued_at_ms, leg.finished_at_ms, leg.fault ? BAD : GOOD]);
    called(leg.calls ?? [], `${depth} `, found);
  }
}

/** @param {{model: any, el: HTMLElement}} context */
function render({ model, el }) {
  const figure = html("figure", { class: "clipper-timeline" });
  el.append(figure);

  function show() {
    const trace = model.get("trace");
    figure.replaceChildren(html("style", {}, STYLE));
    if (!trace.models) return;
    const rows = bars(trace);
    const longest = Math.max(trace.took_ms, ...rows.map(([, , to]) => to)) || 1;
    const withObjective = trace.objective_ms && trace.objective_ms < 4 * longest;
    const width = figure.clientWidth || WIDTH;
    const scale = (width - LEFT - 70) / (withObjective ? Math.max(longest, trace.objective_ms) : longest);
    const height = rows.length * ROW + 18;
    const steps = rows.map(([name, from, to]) => `${name}: from ${milliseconds(from)} to ${milliseconds(to)}`);
    const canvas = svg("svg", {
      height, role: "img", "aria-label": `The query's path. ${steps.join("; ")}`,
    });
    rows.forEach(([name, from, to, fill], i) => {
      const y = i * ROW + 4;
      const long = Math.max(1.5, (to - from) * scale);
      const x = LEFT + from * scale;
      canvas.append(
        svg("text", { x: LEFT - 6, y: y + 13, "text-anchor": "end" }, name),
        svg("rect", { x, y, width: long, height: ROW - 9, rx: 2, fill }),
        svg("text", { x: x + long + 4, y: y + 13 }, milliseconds(to - from)),
      );
    });
    if (withObjective) {
      const x = LEFT + trace.objective_ms * scale;
      canvas.append(
        svg("line", { x1: x, x2: x, y1: 0, y2: height - 14, stroke: BAD, "stroke-dasharray": "4 3" }),
        svg("text", { x, y: height - 2, "text-anchor": "middle" }, `objective ${milliseconds(trace.objective_ms)}`),
      );
    }
    figure.append(canvas);
  }
  model.on("change:trace", show);
  show();
  const forget = onWidth(figure, show);
  return () => {
    forget();
    model.off("change:trace", show);
  };
}

export default { render };
