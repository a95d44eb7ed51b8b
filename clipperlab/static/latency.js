// @ts-check
// How long requests to an application took, against its objective.
import { BAD, COLOURS, IDLE, draw, milliseconds, timeAxis } from "./drawing.js";

/** @param {{model: any, el: HTMLElement}} context */
function render({ model, el }) {
  const read = () => {
    const points = model.get("points");
    const name = model.get("name");
    const objective = model.get("objective_ms");
    const lines = ["p50", "p95", "p99"].map((percentile, i) => ({
      name: percentile,
      colour: [COLOURS[0], COLOURS[1], BAD][i],
      values: points.map((/** @type {any} */ point) => point.applications?.[name]?.[`${percentile}_ms`] ?? null),
    }));
    /** @type {[number, string][]} */
    const rules = objective ? [[objective, `objective ${milliseconds(objective)}`]] : [];
    return { ...timeAxis(points), lines, rules, format: milliseconds, empty: IDLE };
  };
  return draw({ model, el, title: "Latency", traits: ["points", "name", "objective_ms"], read });
}

export default { render };
