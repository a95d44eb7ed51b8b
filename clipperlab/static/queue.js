// @ts-check
// What waits for a version's replicas, and how busy these are.
import { COLOURS, IDLE, draw, short, timeAxis } from "./drawing.js";

/** @param {{model: any, el: HTMLElement}} context */
function render({ model, el }) {
  /** @param {string} field @param {number} factor */
  const values = (field, factor) => {
    const found = model.get("points").map((/** @type {any} */ point) => point.versions?.[model.get("name")]);
    const asked = found.some((/** @type {any} */ version) => version?.asked || version?.waiting);
    return found.map((/** @type {any} */ version) => {
      const value = version?.[field];
      return !asked || value === null || value === undefined ? null : factor * value;
    });
  };
  const ends = [
    draw({
      model, el, title: "Inputs that wait", traits: ["points", "name"],
      read: () => ({
        ...timeAxis(model.get("points")),
        lines: [{ name: "waiting", colour: COLOURS[1], values: values("waiting", 1) }],
        format: short, empty: IDLE,
      }),
    }),
    draw({
      model, el, title: "Replicas at work", traits: ["points", "name"],
      read: () => ({
        ...timeAxis(model.get("points")),
        lines: [{ name: "of their time", colour: COLOURS[0], values: values("utilisation", 100) }],
        top: 100, format: (share) => `${short(share)} %`, empty: IDLE,
      }),
    }),
  ];
  return () => ends.forEach((end) => end());
}

export default { render };
