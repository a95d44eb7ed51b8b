"""A line of Python that can be copied."""

from __future__ import annotations

import anywidget
import traitlets

from .pictures import esm


class Line(anywidget.AnyWidget):
    """Shows `code`, with a button that copies it."""

    _esm = esm("line")
    code = traitlets.Unicode().tag(sync=True)

    def __init__(self) -> None:
        super().__init__(layout={"max_width": "100%", "min_width": "0"})
