// @ts-check
// A share for each name, by sliders: when one moves, the others give or take in proportion, and all make 100 %.

const STYLE = `
.clipper-shares { border: 0; margin: 4px 2px; padding: 0; min-width: 0; max-width: 560px; display: grid;
  grid-template-columns: minmax(5em, max-content) minmax(6em, 1fr) 4.5em; gap: 4px 10px; align-items: center;
  color: var(--jp-ui-font-color1, currentColor); font: 13px var(--jp-ui-font-family, system-ui, sans-serif); }
.clipper-shares legend { padding: 0; }
.clipper-shares label { overflow-wrap: anywhere; }
.clipper-shares input { width: 100%; margin: 0; accent-color: var(--jp-brand-color1, #3d85d6); }
.clipper-shares output { text-align: right; font-variant-numeric: tabular-nums; }
`;
const WHOLE = 100;

/**
 * The shares when that of `i` becomes `value`: the others keep their proportions, in whole numbers.
 * @param {number[]} shares @param {number} i @param {number} value @returns {number[]}
 */
function moved(shares, i, value) {
  const others = shares.map((_, j) => j).filter((j) => j !== i);
  const before = others.reduce((sum, j) => sum + shares[j], 0);
  const left = WHOLE - value;
  const exact = others.map((j) => (before > 0 ? (left * shares[j]) / before : left / others.length));
  const found = exact.map(Math.floor);
  const byRest = others.map((_, k) => k).sort((a, b) => exact[b] - found[b] - (exact[a] - found[a]));
  const missing = left - found.reduce((sum, each) => sum + each, 0);
  for (const k of byRest.slice(0, missing)) found[k] += 1;
  const next = [...shares];
  next[i] = value;
  others.forEach((j, k) => (next[j] = found[k]));
  return next;
}

/** @param {{model: any, el: HTMLElement}} context */
function render({ model, el }) {
  const group = `clipper-shares-${Math.random().toString(36).slice(2)}`;
  const set = document.createElement("fieldset");
  set.className = "clipper-shares";
  set.setAttribute("aria-label", "Shares of the queries");
  el.append(set);
  /** @type {[HTMLInputElement, HTMLOutputElement][]} */
  let rows = [];

  function show() {
    model.get("shares").forEach((/** @type {number} */ share, /** @type {number} */ i) => {
      if (!rows[i]) return;
      const [input, output] = rows[i];
      if (input.valueAsNumber !== share) input.value = String(share);
      output.textContent = `${share.toLocaleString("en", { maximumFractionDigits: 2 })} %`;
      input.setAttribute("aria-valuetext", output.textContent);
    });
  }
  function build() {
    const style = document.createElement("style");
    style.textContent = STYLE;
    /** @type {string[]} */
    const names = model.get("names");
    /** @type {Node[]} */
    const nodes = [style];
    rows = names.map((name, i) => {
      const label = document.createElement("label");
      const input = document.createElement("input");
      const output = document.createElement("output");
      label.textContent = name;
      label.htmlFor = input.id = `${group}-${i}`;
      Object.assign(input, { type: "range", min: "0", max: String(WHOLE), step: "1", disabled: names.length < 2 });
      input.addEventListener("input", () => {
        model.set("shares", moved(model.get("shares"), i, input.valueAsNumber));
        model.save_changes();
        show();
      });
      nodes.push(label, input, output);
      return [input, output];
    });
    set.replaceChildren(...nodes);
    show();
  }
  /** Arrows move the slider: JupyterLab would go from cell to cell. @param {KeyboardEvent} event */
  function keep(event) {
    if (event.target instanceof HTMLInputElement && el.contains(event.target))
      event.target.toggleAttribute("data-lm-suppress-shortcuts", /^(Arrow|Page|Home|End)/.test(event.key));
  }
  model.on("change:names", build);
  model.on("change:shares", show);
  addEventListener("keydown", keep, true);
  build();
  return () => {
    removeEventListener("keydown", keep, true);
    model.off("change:names", build);
    model.off("change:shares", show);
  };
}

export default { render };
