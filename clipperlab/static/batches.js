// @ts-check
// What batches of each size took, and the largest that would be sent now. One frontend and replica
// stand for all: they learn the same.
import { BAD, COLOURS, draw, milliseconds, short } from "./drawing.js";

/** @param {{model: any, el: HTMLElement}} context */
function render({ model, el }) {
  const read = () => {
    const replicas = model.get("batching").flatMap((/** @type {any} */ frontend) => frontend.replicas);
    const most = (/** @type {any} */ a, /** @type {any} */ b) => (b.sizes.length > a.sizes.length ? b : a);
    const seen = replicas.length ? replicas.reduce(most) : { sizes: [], limit: null };
    const sizes = seen.sizes.map((/** @type {any} */ row) => row.cost);
    const objective = model.get("objective_ms");
    const largest = Math.max(2, seen.limit ?? 1, ...sizes);
    /** @type {[number, string][]} */
    const ticks = [];
    for (let size = 1; size <= largest; size *= largest > 64 ? 4 : 2) ticks.push([size, String(size)]);
    /** @type {[number, string][]} */
    const uprights = seen.limit ? [[Math.max(1, seen.limit), `at most ${short(Math.floor(seen.limit))}`]] : [];
    /** @type {[number, string][]} */
    const rules = objective ? [[objective, `objective ${milliseconds(objective)}`]] : [];
    const lines = ["mean", "p99"].map((kind, i) => ({
      name: kind,
      colour: [COLOURS[0], BAD][i],
      values: seen.sizes.map((/** @type {any} */ row) => row[`${kind}_ms`]),
      dots: true,
    }));
    return {
      x: sizes, lines, ticks, uprights, rules, scale: /** @type {"log"} */ ("log"), format: milliseconds,
      where: (/** @type {number} */ size) => `batches of ${short(size)}`, empty: "No batch yet.",
    };
  };
  return draw({ model, el, title: "Time of a batch, by its size", traits: ["batching", "name", "objective_ms"], read });
}

export default { render };
