// @ts-check
// Latencies by how many requests were quicker: one line for each run of a load.
import { COLOURS, draw, milliseconds } from "./drawing.js";

/** @param {{model: any, el: HTMLElement}} context */
function render({ model, el }) {
  const read = () => {
    const runs = model.get("runs");
    /** @type {number[]} */
    const percents = runs.length ? runs[0].percents : [];
    // By nines: 90 %, 99 % and 99.9 % lie equally far apart.
    const x = percents.map((percent) => -Math.log10(1 - percent / 100));
    /** @type {[number, string][]} */
    const ticks = [0, 50, 90, 99, 99.9].map((percent) => [-Math.log10(1 - percent / 100), `${percent} %`]);
    const lines = runs.map((/** @type {any} */ run, /** @type {number} */ i) => ({
      name: run.name,
      colour: COLOURS[i % COLOURS.length],
      values: run.ms,
    }));
    const objective = model.get("objective_ms");
    /** @type {[number, string][]} */
    const rules = objective ? [[objective, `objective ${milliseconds(objective)}`]] : [];
    return {
      x, lines, ticks, rules, format: milliseconds, empty: "No request was answered.",
      where: (/** @type {number} */ nines) => `${(100 * (1 - 10 ** -nines)).toPrecision(3)} % are quicker`,
    };
  };
  return draw({ model, el, title: "Latency, by how many are quicker", traits: ["runs", "objective_ms"], read });
}

export default { render };
