// @ts-check
// A rollout: how far it is, its evidence against what takes it back, and its verdict. All that changes has its room.
import { BAD, COLOURS, GOOD, html } from "./drawing.js";

const STYLE = `
.clipper-rollout-room { container-type: inline-size; }
.clipper-rollout { max-width: 640px; margin: 4px 0; font-variant-numeric: tabular-nums;
  color: var(--jp-ui-font-color1, currentColor); font: 12px/1.4 var(--jp-ui-font-family, system-ui, sans-serif); }
.clipper-rollout b { font-weight: 600; }
.clipper-rollout [role="status"] b { display: block; }
.clipper-rollout i { display: inline-block; width: 8px; height: 8px; border-radius: 50%; margin-right: 5px; }
.clipper-rollout ol { display: flex; gap: 3px; list-style: none; margin: 6px 0; padding: 0; }
.clipper-rollout li { flex: 1 1 0; margin: 0; padding: 5px 0 0; border-top: 5px solid var(--jp-border-color2, #8886);
  color: var(--jp-ui-font-color2, currentColor); }
.clipper-rollout li[data-is="done"] { border-color: ${GOOD}; }
.clipper-rollout li[data-is="failed"] { border-color: ${BAD}; font-weight: 600; color: inherit; }
.clipper-rollout li[data-is="now"] { border-color: ${COLOURS[0]}; font-weight: 600; color: inherit; }
.clipper-rollout table { width: 100%; table-layout: fixed; border-collapse: collapse; margin: 4px 0; font-size: inherit; }
.clipper-rollout :is(th, td) { text-align: left; vertical-align: top; padding: 3px 10px 3px 0; font-weight: normal;
  overflow-wrap: anywhere; white-space: normal; background: none; }
.clipper-rollout thead th { color: var(--jp-ui-font-color2, currentColor); }
.clipper-rollout .number { text-align: right; }
.clipper-rollout :is(th, td) small { display: block; min-height: 1.4em; font-size: 11px;
  color: var(--jp-ui-font-color2, currentColor); }
.clipper-rollout .meter { height: 10px; margin: 3px 0; background: var(--jp-layout-color2, #8882);
  border-right: 3px solid ${BAD}; }
.clipper-rollout .meter div { height: 100%; }
.clipper-rollout .dealt { margin: 4px 0; min-height: 1.4em; }
/* Room for the longest verdict, which comes at the end. */
.clipper-rollout .verdict { margin: 4px 0; min-height: 4.2em; }
.clipper-rollout td small { white-space: nowrap; }
@container (max-width: 620px) {
  .clipper-rollout .dealt { min-height: 2.8em; }
}
@container (max-width: 480px) {
  .clipper-rollout .verdict { min-height: 7em; }
  .clipper-rollout thead small { min-height: 2.8em; }
  .clipper-rollout thead th:last-child small { min-height: 0; }
}
@container (max-width: 340px) {
  .clipper-rollout :is(table, thead, tbody) { display: block; }
  .clipper-rollout colgroup, .clipper-rollout thead th:first-child { display: none; }
  .clipper-rollout tr { display: grid; grid-template-columns: 1fr 1fr minmax(7.4em, 1fr); }
  .clipper-rollout tbody th { grid-column: 1 / -1; padding-bottom: 0; }
  .clipper-rollout tbody th small { display: inline; margin-left: 6px; }
  .clipper-rollout .number { text-align: left; }
  .clipper-rollout :is(th, td) { overflow-wrap: normal; padding-right: 4px; }
  .clipper-rollout .dealt { min-height: 4.2em; }
  .clipper-rollout .verdict { min-height: 9.8em; }
  .clipper-rollout [role="status"] { min-height: 4.2em; }
}
`;
const WORDS = {
  errors: "errors", late: "late answers", defaults: "default answers", latency_p95: "slow answers", reward: "rewards",
};
const DOTS = { running: COLOURS[0], paused: COLOURS[1], passed: GOOD, failed: BAD, aborted: COLOURS[7] };

/** @param {number} share */
function percent(share) {
  return `${(100 * share).toLocaleString("en", { maximumSignificantDigits: 3 })} %`;
}

/** @param {number} count */
function whole(count) {
  return count.toLocaleString("en");
}

/** How it stands, in a few words. @param {any} told */
function standing(told) {
  const at = `step ${told.step + 1} of ${told.steps.length}`;
  return {
    running: `${at}, ${percent(told.share)} of the queries`,
    paused: `${at}, ${percent(told.share)} of the queries`,
    passed: `version ${told.canary} is current`,
    failed: `version ${told.control} answers all again`,
    aborted: `version ${told.control} answers all again`,
  }[/** @type {"running"} */ (told.state)];
}

/** @param {any} told */
function steps(told) {
  const is = (/** @type {number} */ i) => {
    if (told.state === "passed" || i < told.step) return "done";
    if (i > told.step || told.state === "aborted") return "to come";
    return told.state === "failed" ? "failed" : "now";
  };
  return html("ol", { "aria-label": "Steps" }, ...told.steps.map((/** @type {number} */ share, /** @type {number} */ i) =>
    html("li", { "data-is": is(i), ...(is(i) === "now" ? { "aria-current": "step" } : {}) }, percent(share))));
}

/** @param {any} told */
function evidence(told) {
  const { canary, control, guardrails } = told.evidence;
  if (!told.guardrails.length) return html("p", {}, "It has no guardrails: it goes by its steps alone.");
  /** @type {Record<string, any>} */
  const known = Object.fromEntries(guardrails.map((/** @type {any} */ rail) => [rail.kind, rail]));
  const head = (/** @type {string} */ what, /** @type {any} */ of) =>
    html("th", { scope: "col", class: "number" }, what,
      html("small", {}, of ? `${whole(of.chosen)} inputs` : ""));
  const rows = told.guardrails.map((/** @type {any} */ rail) => row(rail, known[rail.kind], canary, control, told.ended_at === null));
  const columns = ["32%", "19%", "19%", "30%"].map((width) => html("col", { style: `width:${width}` }));
  return html("table", {}, html("colgroup", {}, ...columns),
    html("thead", {}, html("tr", {}, html("th", { scope: "col" }, "guardrail"),
      head(`${told.canary}, new`, canary), head(`${told.control}, before`, control),
      html("th", { scope: "col" }, "evidence that it is worse", html("small", {}, told.observe ? "only observed" : "")))),
    html("tbody", {}, ...rows));
}

/** @param {any} wanted @param {any} found @param {any} canary @param {any} control @param {boolean} isLive */
function row(wanted, found, canary, control, isLive) {
  const kind = /** @type {keyof typeof WORDS} */ (wanted.kind);
  if (kind === "reward") return rewards(wanted, found, isLive);
  const allowed = wanted.tolerance === 1 ? "" : `up to ${wanted.tolerance} times ${kind === "latency_p95" ? "as long" : "as many"}`;
  const slow = kind === "latency_p95" && found ? found.text : WORDS[kind];
  const cell = (/** @type {number | undefined} */ count, /** @type {any} */ of) =>
    html("td", { class: "number" }, count === undefined ? "–" : whole(count),
      html("small", {}, count === undefined || !of?.chosen || kind === "latency_p95" ? "" : percent(count / of.chosen)));
  return html("tr", {}, html("th", { scope: "row" }, slow, html("small", {}, allowed)),
    cell(found?.canary, canary), cell(found?.control, control),
    html("td", {}, meter(slow, found?.reached ?? null, isLive)));
}

/** Means, and of how many. @param {any} wanted @param {any} found @param {boolean} isLive */
function rewards(wanted, found, isLive) {
  const cell = (/** @type {"canary" | "control"} */ side) => {
    const mean = found?.[side] ?? null;
    return html("td", { class: "number" }, mean === null ? "–" : mean.toFixed(3),
      html("small", {}, found ? `of ${whole(found.rewards[side])}` : ""));
  };
  return html("tr", {}, html("th", { scope: "row" }, WORDS.reward, html("small", {}, wanted.by ? `up to ${wanted.by} lower` : "")),
    cell("canary"), cell("control"), html("td", {}, meter(WORDS.reward, found?.reached ?? null, isLive)));
}

/** @param {string} what @param {number | null} reached @param {boolean} isLive */
function meter(what, reached, isLive) {
  const part = Math.round(100 * (reached ?? 0));
  const colour = part >= 100 ? BAD : part >= 50 ? COLOURS[1] : COLOURS[0];
  const bar = html("div", {
    class: "meter", role: "meter", "aria-valuemin": "0", "aria-valuemax": "100", "aria-valuenow": String(part),
    "aria-label": `${what}: evidence that it is worse, of its bound`,
  }, html("div", { style: `width:${part}%;background:${colour}` }));
  return html("div", {}, bar, html("small", {}, reached === null ? (isLive ? "not known yet" : "not kept") : `${part} % of bound`));
}

/** How requests were dealt, which has to fit the shares. @param {any} told */
function dealt(told) {
  const { canary, control, sample_ratio: near } = told.evidence;
  if (!canary || near === undefined || near === null) return "";
  const fits = near >= 1 ? "This does not fit the share." : `Evidence that this does not fit: ${Math.round(100 * near)} % of its bound.`;
  return `Dealt: ${whole(canary.dealt)} requests to ${told.canary}, ${whole(control.dealt)} to ${told.control}. ${fits}`;
}

/** @param {any} told @returns {(Node | string)[]} */
function all(told) {
  return [
    steps(told),
    evidence(told),
    html("p", { class: "dealt" }, dealt(told)),
    html("p", { class: "verdict" }, html("b", {}, "Verdict: "), told.verdict || "It has just begun."),
  ];
}

/** @param {{model: any, el: HTMLElement}} context */
function render({ model, el }) {
  const state = html("div", { role: "status" });
  const rest = html("div", {});
  const node = html("div", { class: "clipper-rollout", role: "group" }, html("style", {}, STYLE), state, rest);
  el.append(html("div", { class: "clipper-rollout-room" }, node));
  let shown = "";
  let said = "";

  function show() {
    const told = model.get("rollout");
    const name = model.get("name");
    node.setAttribute("aria-label", `Rollout of ${name}`);
    const text = JSON.stringify([name, told]);
    if (text === shown) return;
    shown = text;
    const is = told?.model;
    const head = is ? `${told.model}: from version ${told.control} to ${told.canary}` : "";
    const words = is ? `${told.state}: ${standing(told)}` : `Model ${name} has had no rollout yet.`;
    if (said !== head + words) {
      said = head + words;
      const dot = html("i", { style: `background:${is ? DOTS[/** @type {"running"} */ (told.state)] : COLOURS[7]}` });
      state.replaceChildren(...(is ? [html("b", {}, head), dot] : []), words);
    }
    rest.replaceChildren(...(is ? all(told) : []));
  }
  for (const trait of ["rollout", "name"]) model.on(`change:${trait}`, show);
  show();
  return () => {
    for (const trait of ["rollout", "name"]) model.off(`change:${trait}`, show);
  };
}

export default { render };
