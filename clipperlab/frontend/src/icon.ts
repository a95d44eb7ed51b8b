import { LabIcon } from '@jupyterlab/ui-components';

const icon = (name: string, paths: string): LabIcon =>
  new LabIcon({
    name: `clipperlab:${name}`,
    svgstr: `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" width="16">
<g class="jp-icon3" fill="#616161">${paths}</g></svg>`
  });

// A ship's hull under two sails.
export const clipperIcon = icon('ship', '<path d="M3 17h18l-3 4H6z"/><path d="M11 3v12H4z"/><path d="M13 6v9h7z"/>');

// A line over two axes.
export const chartIcon = icon('chart', '<path d="M3 3h2v16h16v2H3z"/><path d="M7 15l4-6 4 3 5-8 1.700 1.100-6.100 9.800-4-3-2.900 4.300z"/>');
