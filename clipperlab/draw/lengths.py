"""Bars: one number a name, or the parts of a whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clipper_container.errors import BadRequest

from .drawing import BAD, COLOURS, INK, LETTER, MARGIN, WIDTH, Drawing, Markup, element, legend, line, text
from .numbers import length, said

_BAR, _STEP, _VALUE = 14, 22, 70
_LETTERS = 38  # of a name; its words have all of them


def bars(values: Mapping[Any, Any], *, title: str, unit: str = "", limit: float | None = None) -> Drawing:
    """A bar for each name. With the unit "%" numbers are shares of 1, and with "ms" milliseconds.

    `limit` is a line across them. What is None is said to be unknown. Raises BadRequest where there is
    nothing to draw, or a number is below 0.

    >>> draw.bars({"1": 0.91, "2": 0.97}, title="Accuracy by version", unit="%")
    Accuracy by version: 1 91%; 2 97%
    """
    return _draw({str(name): {str(name): value} for name, value in values.items()}, title, unit, limit, False)


def stacked(wholes: Mapping[Any, Mapping[Any, Any]], *, title: str, unit: str = "") -> Drawing:
    """A bar for each name, of its parts one after the other: `{"a query": {"queue": 0.3, "model": 4.1}}`.

    As `bars` in all else.

    >>> draw.stacked({"a query": {"queue": 0.3, "model": 4.1}}, title="Time", unit="ms")
    Time: a query 4.4 ms (queue 0.3 ms, model 4.1 ms)
    """
    return _draw(wholes, title, unit, None, True)


def _draw(
    wholes: Mapping[Any, Mapping[Any, Any]], title: str, unit: str, limit: float | None, parts: bool
) -> Drawing:
    rows = {
        str(name): {str(part): length(value, what=f"{part} of {title}") for part, value in whole.items()}
        for name, whole in wholes.items()
    }
    if not any(rows.values()):
        raise BadRequest(f"There is nothing to draw for {title!r}: give a number at least.")
    limit = length(limit, what=f"The limit of {title}")
    sums = {name: sum(value or 0 for value in row.values()) for name, row in rows.items()}
    top = max([*sums.values(), limit or 0, 1 if unit == "%" and max(sums.values()) > 0.5 else 0]) or 1
    left = MARGIN + 8 + LETTER * min(_LETTERS, max(map(len, rows)))
    scale = (WIDTH - left - _VALUE) / top
    names = list(dict.fromkeys(part for row in rows.values() for part in row))
    colours = {name: COLOURS[i % len(COLOURS)] if parts else COLOURS[0] for i, name in enumerate(names)}
    nodes: list[Markup] = []
    y: float = 26
    if parts:
        shown = next(iter(rows.values())) if len(rows) == 1 else {}
        entries = [
            (f"{name} {said(shown[name], unit)}" if shown else name, colour)
            for name, colour in colours.items()
        ]
        nodes, y = legend(entries, 30)
        y -= 6
    first = y
    for name, row in rows.items():
        nodes.append(text(left - 8, y + 11, _fitting(name), anchor="end"))
        x = left
        for part, value in row.items():
            wide = (value or 0) * scale
            nodes.append(element("rect", x=x, y=y, width=wide, height=_BAR, rx=1, fill=colours[part]))
            x += wide
        whole = None if all(value is None for value in row.values()) else sums[name]
        nodes.append(text(x + 5, y + 11, said(whole, unit)))
        y += _STEP
    nodes.append(line(left, first - 3, left, y - 5, INK))
    if limit is not None:
        at = left + limit * scale
        nodes += [
            line(at, first - 3, at, y - 5, BAD, "5 3"),
            text(at, y + 4, said(limit, unit), anchor="middle"),
        ]
        y += 12
    return Drawing(title, _words(rows, sums, unit, limit, parts), y, nodes)


def _fitting(name: str) -> str:
    return name if len(name) <= _LETTERS else f"{name[: _LETTERS - 1]}…"


def _words(
    rows: Mapping[str, Mapping[str, float | None]], sums: Mapping[str, float], unit: str,
    limit: float | None, parts: bool,
) -> str:  # fmt: skip
    if parts:
        found = [
            f"{name} {said(sums[name], unit)} ("
            + ", ".join(f"{part} {said(value, unit)}" for part, value in row.items())
            + ")"
            for name, row in rows.items()
        ]
    else:
        found = [f"{name} {said(row[name], unit)}" for name, row in rows.items()]
    return "; ".join([*found, *([] if limit is None else [f"the limit is {said(limit, unit)}"])])
