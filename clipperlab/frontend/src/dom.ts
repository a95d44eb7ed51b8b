// The little that we need of the DOM.

type Child = Node | string;

export function h(tag: string, attributes: Record<string, string> = {}, ...children: Child[]): HTMLElement {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

export function button(text: string, label: string, onClick: () => void): HTMLButtonElement {
  const node = h('button', { type: 'button', class: 'clipper-button', 'aria-label': label, title: label }, text);
  node.addEventListener('click', onClick);
  return node as HTMLButtonElement;
}

export function setText(node: HTMLElement, text: string): void {
  if (node.textContent !== text) {
    node.textContent = text;
  }
}

/** A line through the last values, with a text that says the newest. */
export function sparkline(values: number[], what: string): SVGElement {
  const width = 90;
  const height = 20;
  const top = Math.max(1, ...values);
  const step = width / Math.max(1, values.length - 1);
  const points = values.map((v, i) => `${(i * step).toFixed(1)},${(height - 1 - (v / top) * (height - 2)).toFixed(1)}`);
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
  svg.setAttribute('class', 'clipper-spark');
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', `${what}: ${Math.round(values[values.length - 1] ?? 0)} now, ${Math.round(top)} at most`);
  const line = document.createElementNS('http://www.w3.org/2000/svg', 'polyline');
  line.setAttribute('points', points.join(' '));
  svg.append(line);
  return svg;
}

export const STYLE = `
.clipper-panel { overflow: auto; padding: 8px; color: var(--jp-ui-font-color1); background: var(--jp-layout-color1);
  font-size: var(--jp-ui-font-size1); }
.clipper-panel h2 { font-size: var(--jp-ui-font-size1); margin: 14px 0 4px; text-transform: uppercase;
  color: var(--jp-ui-font-color2); }
.clipper-panel ul { list-style: none; margin: 0; padding: 0; }
.clipper-panel li { padding: 5px 0; border-bottom: 1px solid var(--jp-border-color2); }
.clipper-panel ul + .clipper-button { margin-top: 6px; }
.clipper-panel p { margin: 0 0 6px; }
.clipper-panel fieldset { border: none; margin: 0 0 8px; padding: 0; min-width: 0; }
.clipper-panel [hidden] { display: none; }
.clipper-row { display: flex; flex-wrap: wrap; gap: 4px 6px; align-items: center; }
.clipper-row > b { flex: 1 1 auto; overflow-wrap: anywhere; }
.clipper-buttons { display: flex; flex-wrap: wrap; gap: 6px; margin: 8px 0; }
.clipper-buttons > * { flex: 1 1 auto; }
.clipper-cluster { display: grid; grid-template-columns: minmax(0, 1fr) auto auto; gap: 6px; }
.clipper-where { white-space: pre-line; }
.clipper-model { display: grid; grid-template-columns: minmax(0, 1fr) repeat(4, auto); gap: 6px; margin: 4px 0;
  align-items: center; }
.clipper-model > select { grid-column: 1; }
.clipper-model > .clipper-back { grid-column: 2 / 6; }
.clipper-model > .clipper-count { min-width: 1.6em; text-align: center; font-variant-numeric: tabular-nums; }
.clipper-state { display: grid; grid-template-columns: auto minmax(0, 1fr) auto; gap: 2px 6px; align-items: baseline;
  padding: 1px 0; }
.clipper-dot[data-state='running'] { background: var(--jp-brand-color1); }
/* Room for what is missing: it changes every second, and moves nothing below it. */
.clipper-verdict { display: block; min-height: 2lh; font-variant-numeric: tabular-nums; }
.clipper-state > details { grid-column: 2 / 4; }
.clipper-state > .clipper-button { grid-area: 1 / 3; }
.clipper-state summary { cursor: pointer; }
.clipper-cut { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 3; overflow: hidden; }
.clipper-panel pre { white-space: pre-wrap; overflow-wrap: anywhere; max-height: 16em; overflow: auto; margin: 4px 0;
  font-size: var(--jp-ui-font-size0); line-height: 1.4; }
.clipper-dot { width: 8px; height: 8px; border-radius: 50%; background: var(--jp-warn-color1); }
.clipper-dot[data-state='ready'] { background: var(--jp-success-color1); }
.clipper-dot[data-state='failed'], .clipper-dot[data-state='crashing'] { background: var(--jp-error-color1); }
.clipper-dashboard h1 { font-size: 20px; }
.clipper-dashboard h2 { font-size: 16px; }
.clipper-button, .clipper-panel select { color: var(--jp-ui-font-color1); background: var(--jp-layout-color2);
  border: 1px solid var(--jp-border-color1); border-radius: 2px; padding: 3px 7px; font-size: var(--jp-ui-font-size0);
  min-width: 0; }
.clipper-button { cursor: pointer; white-space: nowrap; }
.clipper-button:disabled { opacity: 0.5; cursor: default; }
.clipper-button:focus-visible, .clipper-panel select:focus-visible, .clipper-panel summary:focus-visible {
  outline: 2px solid var(--jp-brand-color1); }
.clipper-spark { width: 90px; height: 20px; }
.clipper-spark polyline { fill: none; stroke: var(--jp-brand-color1); stroke-width: 1.5; }
.clipper-faint { color: var(--jp-ui-font-color2); font-size: var(--jp-ui-font-size0); overflow-wrap: anywhere; }
.clipper-trouble:not(:empty), .clipper-note:not(:empty) { border-left: 4px solid var(--jp-error-color1);
  padding: 4px 8px; margin: 8px 0; overflow-wrap: anywhere; }
.clipper-note:not(:empty) { border-color: var(--jp-border-color1); }
.clipper-said { margin: 8px 0; overflow-wrap: anywhere; }
.clipper-python { display: flex; gap: 6px; align-items: center; margin-top: 4px; }
.clipper-python code { flex: 1 1 auto; min-width: 0; overflow-x: auto; white-space: pre; padding: 2px 4px;
  background: var(--jp-layout-color2); user-select: all; }
.clipper-busy::before { content: ''; display: inline-block; width: 9px; height: 9px; margin-right: 6px; border-radius: 50%;
  border: 2px solid var(--jp-brand-color1); border-right-color: transparent; animation: clipper-turn 1s linear infinite; }
@keyframes clipper-turn { to { transform: rotate(360deg); } }
.clipper-dashboard { overflow: auto; padding: 12px; color: var(--jp-ui-font-color1); }
.clipper-dashboard section { display: flex; flex-wrap: wrap; gap: 12px 24px; }
.clipper-dashboard section > div { flex: 1 1 320px; max-width: 640px; }
`;
