// @ts-check
// Which share of an application's inputs went to which arm.
import { COLOURS, draw, short, timeAxis } from "./drawing.js";

/** @param {{model: any, el: HTMLElement}} context */
function render({ model, el }) {
  const read = () => {
    const points = model.get("points");
    const name = model.get("name");
    const arms = points.map((/** @type {any} */ point) => point.applications?.[name]?.arms ?? {});
    const names = [...new Set(/** @type {string[]} */ (arms.flatMap(Object.keys)))].sort();
    const sums = arms.map((/** @type {any} */ of) => names.reduce((sum, arm) => sum + (of[arm]?.chosen ?? 0), 0));
    const lines = names.map((arm, i) => ({
      name: arm,
      colour: COLOURS[i % COLOURS.length],
      values: arms.map((/** @type {any} */ of, /** @type {number} */ j) =>
        sums[j] ? (100 * (of[arm]?.chosen ?? 0)) / sums[j] : 0),
    }));
    const empty = "Nothing was chosen in the last minutes.";
    return { ...timeAxis(points), lines, stacked: true, top: 100, format: short, unit: "%", empty };
  };
  return draw({ model, el, title: "Share of the inputs, by arm", traits: ["points", "name"], read });
}

export default { render };
