// @ts-check
// A question with one answer among several, and what is said to it.

const STYLE = `
.clipper-choice { border: 0; margin: 4px 0 10px; padding: 0; max-width: 88ch; min-width: 0;
  font-family: var(--jp-ui-font-family, system-ui, sans-serif); font-size: 13px; line-height: 1.5;
  color: var(--jp-ui-font-color1, currentColor); }
.clipper-choice legend { padding: 0; font-weight: 600; }
.clipper-choice label { display: flex; gap: 8px; align-items: baseline; padding: 2px 0; cursor: pointer; }
.clipper-choice input { margin: 0; transform: translateY(1px); }
.clipper-choice output { display: block; padding-left: 21px; }
`;

/** @param {{model: any, el: HTMLElement}} context */
function render({ model, el }) {
  // Of a name that no other question on the page has: each widget has a copy of this module.
  const group = `clipper-choice-${Math.random()}`;
  const set = document.createElement("fieldset");
  set.className = "clipper-choice";
  const style = document.createElement("style");
  style.textContent = STYLE;
  const legend = document.createElement("legend");
  const choices = document.createElement("div");
  const said = document.createElement("output");
  set.append(style, legend, choices, said);
  el.append(set);

  /** @param {string} option @param {number} i */
  function choice(option, i) {
    const label = document.createElement("label");
    const input = document.createElement("input");
    input.type = "radio";
    input.name = group;
    input.addEventListener("change", () => {
      model.set("chosen", i);
      model.save_changes();
    });
    const words = document.createElement("span");
    words.textContent = option;
    label.append(input, words);
    return label;
  }
  /** Arrows go from choice to choice: JupyterLab would go from cell to cell. @param {KeyboardEvent} event */
  function keep(event) {
    if (event.target instanceof HTMLInputElement && el.contains(event.target))
      event.target.toggleAttribute("data-lm-suppress-shortcuts", event.key.startsWith("Arrow"));
  }
  function show() {
    [...choices.querySelectorAll("input")].forEach((input, i) => (input.checked = i === model.get("chosen")));
    said.textContent = model.get("said");
  }
  function ask() {
    legend.textContent = model.get("question");
    choices.replaceChildren(...model.get("options").map(choice));
    show();
  }
  model.on("change:question change:options", ask);
  model.on("change:chosen change:said", show);
  addEventListener("keydown", keep, true);
  ask();
  return () => {
    removeEventListener("keydown", keep, true);
    model.off("change:question change:options", ask);
    model.off("change:chosen change:said", show);
  };
}

export default { render };
