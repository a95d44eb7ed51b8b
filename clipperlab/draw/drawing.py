"""A drawing: SVG with a text alternative, in the colours of the live pictures."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

WIDTH = 520
MARGIN = 12
TEXT = 10  # the height of letters
LETTER = 5.3  # the width of one, about
ROW = 15
# As in static/drawing.js: of a brightness between those of both themes.
COLOURS = ("#3d85d6", "#e08a2e", "#2fa37c", "#b767c9", "#d1584f", "#8c8f3a", "#5aa7b8", "#8a8f98")
GOOD = "#2fa37c"
BAD = "#d1584f"
INK = "var(--jp-ui-font-color1, currentColor)"
GREY = "var(--jp-border-color2, #8886)"
_FONT = "var(--jp-ui-font-family, system-ui, sans-serif)"
_UNPRINTABLE = dict.fromkeys([*range(9), 11, 12, *range(14, 32)])  # XML has none of them


class Markup(str):
    """Is SVG already."""

    __slots__ = ()


def escape(text: str) -> str:
    return html.escape(text.translate(_UNPRINTABLE))


def element(tag: str, *children: str, **attributes: float | str) -> Markup:
    """`stroke_width=2` is the attribute stroke-width. Children are escaped, except for Markup."""
    named = "".join(f' {name.replace("_", "-")}="{_value(value)}"' for name, value in attributes.items())
    inner = "".join(child if isinstance(child, Markup) else escape(child) for child in children)
    return Markup(f"<{tag}{named}>{inner}</{tag}>")


def text(x: float, y: float, words: str, *, anchor: str = "start", bold: bool = False) -> Markup:
    weight = "600" if bold else "400"
    return element("text", words, x=x, y=y, text_anchor=anchor, style=f"fill: {INK}; font-weight: {weight}")


def line(x1: float, y1: float, x2: float, y2: float, colour: str, dashes: str = "none") -> Markup:
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, style=f"stroke: {colour}; stroke-dasharray: {dashes}")


def legend(entries: Sequence[tuple[str, str]], y: float) -> tuple[list[Markup], float]:
    """Names beside their colours, in as many rows as they need, and where the next thing may begin."""
    nodes: list[Markup] = []
    x: float = MARGIN
    for name, colour in entries:
        wide = 16 + 1.3 * LETTER * len(name) + 10  # of letters such as m, in a wide font
        if x > MARGIN and x + wide > WIDTH:
            x, y = MARGIN, y + ROW
        nodes.append(element("rect", x=x, y=y - 8, width=9, height=9, rx=2, fill=colour))
        nodes.append(text(x + 13, y, name))
        x += wide
    return nodes, y + ROW


class Drawing:
    """A picture in a notebook, and its words elsewhere. `svg` may be written to a file.

    >>> picture = draw.bars({"1": 0.91, "2": 0.97}, title="Accuracy by version", unit="%")
    >>> picture
    Accuracy by version: 1 91%; 2 97%
    >>> picture.svg[:4]
    '<svg'
    """

    def __init__(self, title: str, words: str, height: float, nodes: Sequence[Markup]) -> None:
        self.title, self.words = title, words
        self._height, self._nodes = height, list(nodes)

    @property
    def svg(self) -> str:
        """On white, for it knows no theme where it stands alone."""
        paper = element("rect", width=WIDTH, height=self._height, fill="#ffffff")
        return self._drawn("color: #222222", paper)

    def _drawn(self, style: str, *below: Markup) -> str:
        return element(
            *("svg", element("title", self.title), element("desc", self.words), *below),
            text(MARGIN, 14, self.title, bold=True),
            *self._nodes,
            xmlns="http://www.w3.org/2000/svg",
            viewBox=f"0 0 {WIDTH} {_value(self._height)}",
            role="img",
            aria_label=f"{self.title}: {self.words}",
            font_family="system-ui, sans-serif",
            font_size=TEXT,
            style=f"display: block; width: 100%; max-width: 640px; font-family: {_FONT}; {style}",
        )

    def __repr__(self) -> str:
        return f"{self.title}: {self.words}"

    def _repr_html_(self) -> str:
        return self._drawn(f"color: {INK}")

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/html": self._repr_html_(), "text/plain": repr(self)}


def _value(value: float | str) -> str:
    return escape(value) if isinstance(value, str) else f"{value:.1f}".removesuffix(".0")
