// @ts-check
// A line of Python, and a button that copies it.

const STYLE = `
.clipper-line { display: flex; gap: 6px; align-items: center; max-width: 100%; padding: 2px;
  color: var(--jp-ui-font-color1, currentColor); }
.clipper-line code { padding: 2px 6px; border-radius: 3px; overflow-x: auto; min-width: 0; white-space: pre; user-select: all;
  font: 12px var(--jp-code-font-family, monospace); background: var(--jp-layout-color2, #8882); }
.clipper-line button { flex: none; font-size: 11px; color: inherit; background: none; cursor: pointer;
  border: 1px solid var(--jp-border-color1, #8888); border-radius: 3px; padding: 1px 6px; }
`;

/** @param {{model: any, el: HTMLElement}} context */
function render({ model, el }) {
  const line = document.createElement("span");
  line.className = "clipper-line";
  const style = document.createElement("style");
  style.textContent = STYLE;
  const code = document.createElement("code");
  code.tabIndex = 0; // it scrolls where there is little room
  const button = document.createElement("button");
  button.type = "button";
  line.append(style, code, button);
  el.append(line);

  function show() {
    line.style.display = model.get("code") ? "" : "none";
    code.textContent = model.get("code");
    button.textContent = "Copy";
    button.setAttribute("aria-label", `Copy ${model.get("code")}`);
  }
  async function copy() {
    try {
      await navigator.clipboard.writeText(model.get("code"));
      button.textContent = "Copied";
    } catch {
      // No clipboard for pages that came over plain HTTP: it is marked, for the keyboard to copy.
      getSelection()?.selectAllChildren(code);
      button.textContent = "Press Ctrl+C";
    }
  }
  button.addEventListener("click", copy);
  model.on("change:code", show);
  show();
  return () => model.off("change:code", show);
}

export default { render };
