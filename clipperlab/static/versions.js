// @ts-check
// What each version of a model is asked, and when versions came, went and were rolled back.
import { COLOURS, IDLE, draw, short, timeAxis } from "./drawing.js";

const KINDS = ["ready", "current", "failed", "removed"];

/** @param {{model: any, el: HTMLElement}} context */
function render({ model, el }) {
  const read = () => {
    const points = model.get("points");
    const prefix = `${model.get("name")}:`;
    const seen = points.flatMap((/** @type {any} */ point) => Object.keys(point.versions ?? {}));
    const names = [...new Set(/** @type {string[]} */ (seen))].filter((name) => name.startsWith(prefix)).sort();
    const lines = names.map((name, i) => ({
      name: `version ${name.slice(prefix.length)}`,
      colour: COLOURS[i % COLOURS.length],
      values: points.map((/** @type {any} */ point) => point.versions?.[name]?.asked ?? 0),
    }));
    const first = points.length ? points[0].at : Infinity;
    const now = points.length ? points[points.length - 1].at : 0;
    const uprights = model
      .get("events")
      .filter((/** @type {any} */ event) =>
        event.at >= first && event.subject.model === model.get("name") && KINDS.includes(event.kind))
      .map((/** @type {any} */ event) => [Math.min(0, event.at - now), word(event)]);
    return { ...timeAxis(points), lines, uprights, stacked: true, format: short, unit: "/s", empty: IDLE };
  };
  const traits = ["points", "events", "name"];
  return draw({ model, el, title: "Inputs a second, by version", traits, read });
}

/** @param {any} event */
function word(event) {
  const version = event.subject.version ?? "";
  if (event.kind === "current") return event.text.startsWith("Rolled back") ? `back to ${version}` : `to ${version}`;
  return `${version} ${event.kind}`;
}

export default { render };
