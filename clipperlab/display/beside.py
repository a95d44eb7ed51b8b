"""Drawings beside one another, or below where there is no room."""

from __future__ import annotations

from ..draw import Drawing
from ..draw.drawing import WIDTH


def beside(*drawings: Drawing) -> str:
    """HTML that needs neither a kernel nor a script. What has less room than its letters need is scrolled."""
    room = f"flex: 1 1 {WIDTH}px; min-width: 0; max-width: 560px; overflow-x: auto"
    inner = f'<div style="min-width: {WIDTH}px">'
    each = [f'<div tabindex="0" style="{room}">{inner}{d._repr_html_()}</div></div>' for d in drawings]
    return f'<div style="display: flex; flex-wrap: wrap; gap: 12px 24px">{"".join(each)}</div>'
