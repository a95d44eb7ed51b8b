"""Lines over an axis: of sizes, of time, or of names one after the other."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from clipper_container.errors import BadRequest

from .drawing import (
    BAD,
    COLOURS,
    GREY,
    INK,
    LETTER,
    MARGIN,
    WIDTH,
    Drawing,
    Markup,
    element,
    legend,
    line,
    text,
)
from .numbers import known, length, round_up, said, short, ticks

_LEFT, _HEIGHT, _DOTS = 54, 130, 24
_MARK, _ROWS = 12, 3  # what marks say stands above the lines, neighbours below each other
_Points = list[tuple[float, float | None]]


def lines(
    series: Mapping[Any, Iterable[tuple[Any, Any]]],
    *,
    title: str,
    x: str = "",
    y: str = "",
    unit: str = "",
    marks: Sequence[tuple[Any, str]] = (),
    limit: float | None = None,
    log: bool = False,
    stacked: bool = False,
) -> Drawing:
    """A line for each name, through its points (x, y). What x and y are stands beside the axes.

    Places on the x axis are numbers, on a scale of doublings with `log=True`, or names, which lie side by
    side in the order in which they come. A y that is None breaks its line. With the unit "%" it is a share
    of 1, and with "ms" milliseconds. `marks` are uprights with a word, (x, word), `limit` is a line
    across. `stacked=True` fills areas, one upon the other. Raises BadRequest where there is nothing to draw.

    >>> draw.lines({"p99": [(1, 4.0), (2, 6.5)]}, title="Latency", x="replicas", unit="ms", limit=10)
    Latency: p99 at 1 4 ms, at 2 6.5 ms; the limit is 10 ms
    """
    given = {str(name): list(points) for name, points in series.items()}
    places = list(dict.fromkeys(at for points in given.values() for at, _ in points))
    if not places:
        raise BadRequest(f"There is nothing to draw for {title!r}: give a point at least.")
    named = any(isinstance(at, str) for at in places)
    where = _where(places, title, named=named, log=log)
    limit = known(limit, what=f"The limit of {title}")
    number = length if stacked else known
    drawn: dict[str, _Points] = {
        name: sorted(((where(at), number(value, what=f"{name} of {title}")) for at, value in points),
                     key=lambda point: point[0])
        for name, points in given.items()
    }  # fmt: skip
    uprights = sorted((where(at), word) for at, word in marks)
    ends = [at for points in drawn.values() for at, _ in points] + [at for at, _ in uprights]
    low, high = min(ends), max(ends)
    if stacked:
        drawn = _upon_another(drawn)
    values = [value for points in drawn.values() for _, value in points if value is not None]
    top = round_up(max([*values, limit or 0, 1 if unit == "%" and max(values, default=0) > 0.5 else 0]))
    bottom = -round_up(-min([0, *values])) if min([0, *values]) < 0 else 0.0

    begins = 30.0
    nodes, begins = legend([(name, COLOURS[i % len(COLOURS)]) for i, name in enumerate(drawn)], begins)
    if y:
        nodes.append(text(MARGIN, begins, y))
        begins += 8
    words_y, begins = begins, begins + _MARK * min(_ROWS, len(uprights))
    ends_y = begins + _HEIGHT

    def px(at: float) -> float:
        return (
            _LEFT + 6 + ((at - low) / (high - low) if high > low else 0.5) * (WIDTH - _LEFT - 2 * MARGIN - 6)
        )

    def py(value: float) -> float:
        return ends_y - (value - bottom) / (top - bottom) * _HEIGHT

    for value in (bottom, (bottom + top) / 2, top):
        nodes.append(line(_LEFT, py(value), WIDTH - MARGIN, py(value), GREY))
        nodes.append(text(_LEFT - 5, py(value) + 3, said(value, unit), anchor="end"))
    for at, word in _labels(places, where, low, high, named=named, log=log):
        inside = min(px(at), WIDTH - LETTER * len(word) / 2)
        nodes.append(text(inside, ends_y + 14, word, anchor="middle"))
    if x:
        nodes.append(text(WIDTH - MARGIN, ends_y + 28, x, anchor="end"))
    below = [(at, 0.0) for at in dict.fromkeys(at for points in drawn.values() for at, _ in points)]
    for i, points in enumerate(drawn.values()):
        colour = COLOURS[i % len(COLOURS)]
        if stacked:
            filled = [(at, value or 0.0) for at, value in points]
            corners = " ".join(f"{px(at):.1f},{py(value):.1f}" for at, value in [*filled, *below[::-1]])
            nodes.append(element("polygon", points=corners, fill=colour, fill_opacity="0.75"))
            below = filled
        else:
            nodes += _stroke([(px(at), None if v is None else py(v)) for at, v in points], colour)
    if limit is not None:
        nodes.append(line(_LEFT, py(limit), WIDTH - MARGIN, py(limit), BAD, "5 3"))
        nodes.append(text(WIDTH - MARGIN, py(limit) - 3, f"limit {said(limit, unit)}", anchor="end"))
    for i, (at, word) in enumerate(uprights):
        nodes.append(line(px(at), words_y, px(at), ends_y, INK, "2 2"))
        right = px(at) > WIDTH / 2
        beside = (px(at) - 3, "end") if right else (px(at) + 3, "start")
        nodes.append(text(beside[0], words_y + 9 + _MARK * (i % _ROWS), word, anchor=beside[1]))
    words = _words(given, unit, marks, limit)
    return Drawing(title, words, ends_y + (34 if x else 20), nodes)


def _where(places: list[Any], title: str, *, named: bool, log: bool) -> Callable[[Any], float]:
    """Where on the axis something lies, in no unit yet."""

    def where(at: Any) -> float:
        if named:
            if at not in places:
                raise BadRequest(f"{at!r} is no place on the axis of {title!r}, which has: {places}.")
            return float(places.index(at))
        number = known(at, what=f"A place on the axis of {title}")
        if number is None or (log and number <= 0):
            raise BadRequest(
                f"{at!r} is no place on the axis of {title!r}: give a number{' above 0' if log else ''}."
            )
        return math.log2(number) if log else number

    return where


def _labels(
    places: list[Any], where: Callable[[Any], float], low: float, high: float, *, named: bool, log: bool
) -> list[tuple[float, str]]:
    if named:
        return [(where(at), str(at)) for at in places[:: math.ceil(len(places) / 10)]]
    apart = sorted(dict.fromkeys(float(at) for at in places))
    near = any(b - a < (high - low) / 12 for a, b in pairwise(apart))
    if log or (len(apart) <= 6 and not near):
        return [(where(at), short(at)) for at in apart[:: math.ceil(len(apart) / 10)]]
    return [(at, short(at)) for at in ticks(low, high)]


def _upon_another(series: Mapping[str, _Points]) -> dict[str, _Points]:
    """The upper edge of each area. Where a name has no point, it adds nothing."""
    places = sorted({at for points in series.values() for at, _ in points})
    edges: dict[str, _Points] = {}
    upper = dict.fromkeys(places, 0.0)
    for name, points in series.items():
        there = dict(points)
        upper = {at: upper[at] + (there.get(at) or 0.0) for at in places}
        edges[name] = list(upper.items())
    return edges


def _stroke(points: list[tuple[float, float | None]], colour: str) -> list[Markup]:
    """Strokes, broken where a value is not known, with dots where the points are few."""
    parts: list[list[str]] = [[]]
    dots = []
    for at, value in points:
        if value is None:
            parts.append([])
            continue
        parts[-1].append(f"{at:.1f},{value:.1f}")
        if len(points) <= _DOTS:
            dots.append(element("circle", cx=at, cy=value, r=3, fill=colour))
    strokes = [
        element(
            *("polyline",), points=" ".join(part), fill="none", stroke=colour, stroke_width=2,
            stroke_linecap="round", stroke_linejoin="round",
        )
        for part in parts
        if len(part) > 1
    ]  # fmt: skip
    return [*strokes, *dots]


def _words(
    series: Mapping[str, list[tuple[Any, Any]]],
    unit: str,
    marks: Sequence[tuple[Any, str]],
    limit: float | None,
) -> str:
    found = []
    for name, points in series.items():
        values = [(at, known(value, what=name)) for at, value in points]
        there = [value for _, value in values if value is not None]
        if len(values) > _DOTS and there:
            found.append(
                f"{name} from {said(values[0][1], unit)} to {said(values[-1][1], unit)}, "
                f"between {said(min(there), unit)} and {said(max(there), unit)}"
            )
        else:
            found.append(
                f"{name} " + ", ".join(f"at {_place(at)} {said(value, unit)}" for at, value in values)
            )
    found += [f"{word} at {_place(at)}" for at, word in marks]
    return "; ".join([*found, *([] if limit is None else [f"the limit is {said(limit, unit)}"])])


def _place(at: Any) -> str:
    return at if isinstance(at, str) else short(float(at))
