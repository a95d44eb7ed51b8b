// @ts-check
// How much an ensemble agrees: what it says a second, by the part of the weight that is behind it.
import { BAD, COLOURS, GOOD, draw, short, timeAxis } from "./drawing.js";

// In the order in which a point has them.
const LEVELS = [["at most half", BAD], ["up to 3/4", COLOURS[1]], ["more", COLOURS[0]], ["all agree", GOOD]];

/** @param {{model: any, el: HTMLElement}} context */
function render({ model, el }) {
  const read = () => {
    const points = model.get("points");
    const name = model.get("name");
    const lines = LEVELS.map(([level, colour], i) => ({
      name: level,
      colour,
      values: points.map((/** @type {any} */ point) => point.applications?.[name]?.confidence?.[i] ?? 0),
    })).reverse();
    const empty = "No vote in the last minutes.";
    return { ...timeAxis(points), lines, stacked: true, format: short, unit: "/s", empty };
  };
  return draw({ model, el, title: "Agreement of the arms", traits: ["points", "name"], read });
}

export default { render };
