"""How views are laid out: rows that wrap, sizes, and the style that they share."""

from __future__ import annotations

import ipywidgets as widgets

SHORT = {"width": "9em"}
WIDE = {"width": "16em"}
LABEL = {"description_width": "initial"}  # as wide as its words, where it stands in a row

_STYLE = """
/* Controls are as wide as they are, and no wider than there is room; words go on in a next line. */
.clipper-form .widget-inline-hbox { max-width: calc(100% - 4px); }
.clipper-form .widget-inline-hbox > :is(input, select) { min-width: 0; }
.clipper-form .widget-checkbox { height: auto; min-height: var(--jp-widgets-inline-height);
  align-items: center; }
.clipper-form .widget-checkbox .widget-label-basic { white-space: normal; line-height: 1.4; }
/* The arrow of a select, in the colour of its text: that of ipywidgets is black in every theme. */
.clipper-form .widget-dropdown > select {
  background-image: linear-gradient(45deg, transparent 45%, currentColor 55%),
    linear-gradient(135deg, currentColor 45%, transparent 55%);
  background-size: 6px 6px; background-position: right 12px top 11px, right 6px top 11px; }
.clipper-failed { border-left: 4px solid #d1584f; padding: 4px 8px; margin: 2px 0; line-height: 1.4; }
.clipper-failed pre { max-height: 20em; overflow: auto; }
.clipper-path { white-space: pre-wrap; word-break: normal; overflow-wrap: break-word; line-height: 1.4; }
.clipper-head { line-height: 1.5; }
.clipper-glance { container-type: inline-size; }
.clipper-glance table { line-height: 1.5; }
.clipper-glance :is(td, th) { padding: 1px 12px 1px 0; text-align: left; vertical-align: top; }
/* Wide enough for what comes, with digits of one width: a table that changes moves nothing below it. */
.clipper-glance .number { text-align: right; min-width: 4.5em; white-space: nowrap;
  font-variant-numeric: tabular-nums; }
.clipper-words { margin: 4px 0; min-height: 2.8em; line-height: 1.4; font-variant-numeric: tabular-nums; }
.clipper-glance .told { padding-left: 1.2em; }
.clipper-glance .told pre { white-space: pre-wrap; overflow-wrap: anywhere; }
@container (max-width: 700px) {
  .clipper-glance table, .clipper-glance tbody { display: block; }
  .clipper-glance thead { display: none; }
  .clipper-glance tr { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5em, 1fr));
    gap: 0 8px; border-top: 1px solid var(--jp-border-color2, #8886); padding: 4px 0; }
  .clipper-glance tr.below { border-top: none; padding-top: 0; }
  .clipper-glance td { padding: 0; text-align: left; overflow-wrap: anywhere; }
  .clipper-glance td.number { text-align: left; min-width: 0; }
  .clipper-glance td::before { content: attr(data-name); display: block; line-height: 1.2; font-size: 11px;
    color: var(--jp-ui-font-color2, inherit); }
  .clipper-glance td:first-child { grid-column: 1 / -1; padding: 0; }
  .clipper-glance td:first-child::before { display: none; }
}
.clipper-tabs > .lm-TabBar > .lm-TabBar-content { flex-wrap: wrap; }
.clipper-tabs.jupyter-widget-tab > .lm-TabBar .lm-TabBar-tab {
  flex: 0 0 auto; min-width: 0; padding: 0 8px; }
.clipper-tabs.jupyter-widget-tab > .lm-TabBar .lm-TabBar-tabLabel { overflow: visible; }
"""


def style() -> widgets.HTML:
    """The style of what stands beside it. A view has it among its children."""
    return widgets.HTML(f"<style>{_STYLE}</style>", layout={"display": "none"})


def checkbox(value: bool, words: str) -> widgets.Checkbox:
    """As wide as its words."""
    return widgets.Checkbox(value, description=words, indent=False, layout={"width": "auto"})


def row(*children: widgets.Widget) -> widgets.HBox:
    """One beside the other, as far as there is room."""
    return widgets.HBox(list(children), layout={"flex_flow": "row wrap", "align_items": "center"})
