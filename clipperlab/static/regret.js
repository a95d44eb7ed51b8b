// @ts-check
// What it has cost that an application did not always ask its best arm: the reward that was lost, as it adds up.
import { COLOURS, draw, short, timeAxis } from "./drawing.js";

const LINES = [["all arms alike", "alike", COLOURS[7]], ["as it chose", "lost", COLOURS[0]]];

/** @param {{model: any, el: HTMLElement}} context */
function render({ model, el }) {
  const read = () => {
    const points = model.get("points");
    const name = model.get("name");
    const told = points.map((/** @type {any} */ point) => point.applications?.[name]?.regret ?? null);
    // Before the first feedback nothing was lost.
    const lines = LINES.map(([words, key, colour]) => ({
      name: words,
      colour,
      values: told.map((/** @type {any} */ each, /** @type {number} */ i) => each?.[key] ?? (told[i + 1] ? 0 : null)),
    }));
    const empty = "No feedback has come yet.";
    return { ...timeAxis(points), lines, format: short, unit: "rewards", empty };
  };
  const title = "Regret, estimated from joined feedback";
  return draw({ model, el, title, traits: ["points", "name"], read });
}

export default { render };
