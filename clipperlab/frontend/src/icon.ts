import { LabIcon } from '@jupyterlab/ui-components';

// A ship's hull under two sails.
const SVG = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" width="16">
<g class="jp-icon3" fill="#616161"><path d="M3 17h18l-3 4H6z"/><path d="M11 3v12H4z"/><path d="M13 6v9h7z"/></g></svg>`;

export const clipperIcon = new LabIcon({ name: 'clipperlab:ship', svgstr: SVG });
