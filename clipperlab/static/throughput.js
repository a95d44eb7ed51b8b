// @ts-check
// How many inputs an application answers a second, and what answered them: the model, or the default output.
import { BAD, COLOURS, GOOD, IDLE, draw, short, timeAxis } from "./drawing.js";

const OTHERS = [BAD, COLOURS[1], COLOURS[3], COLOURS[5], COLOURS[7]];

/** @param {{model: any, el: HTMLElement}} context */
function render({ model, el }) {
  const read = () => {
    const points = model.get("points");
    const name = model.get("name");
    const answers = points.map((/** @type {any} */ point) => point.applications?.[name]?.answers ?? {});
    const whats = new Set(["model", ...answers.flatMap(Object.keys)]);
    const lines = [...whats].map((what, i) => ({
      name: what === "model" ? "model" : what === "rejected" ? "rejected" : `default (${what})`,
      colour: i === 0 ? GOOD : OTHERS[(i - 1) % OTHERS.length],
      values: answers.map((/** @type {any} */ answer) => answer[what] ?? 0),
    }));
    return { ...timeAxis(points), lines, stacked: true, format: short, unit: "/s", empty: IDLE };
  };
  return draw({ model, el, title: "Answers a second", traits: ["points", "name"], read });
}

export default { render };
