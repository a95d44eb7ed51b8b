"""Drawings beside one another, or below where there is no room."""

from __future__ import annotations

from ..draw import Drawing


def beside(*drawings: Drawing) -> str:
    """HTML that needs neither a kernel nor a script."""
    each = [f'<div style="flex: 1 1 320px; max-width: 560px">{d._repr_html_()}</div>' for d in drawings]
    return f'<div style="display: flex; flex-wrap: wrap; gap: 12px 24px">{"".join(each)}</div>'
