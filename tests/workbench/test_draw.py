"""What is drawn of numbers, and what is said of it where nobody sees it."""

from __future__ import annotations

import math
import re
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from clipper_container.errors import BadRequest
from clipperlab import draw
from clipperlab.draw import drawing as colours
from clipperlab.workbench.pictures import STATIC

SVG = "{http://www.w3.org/2000/svg}"


def read(drawing: draw.Drawing) -> ElementTree.Element:
    return ElementTree.fromstring(drawing.svg)


def texts(drawing: draw.Drawing) -> list[str]:
    return [node.text or "" for node in read(drawing).iter(f"{SVG}text")]


def widths(drawing: draw.Drawing) -> list[float]:
    return [float(node.attrib["width"]) for node in read(drawing).iter(f"{SVG}rect")][1:]


def test_bars_are_as_long_as_their_numbers_and_say_them() -> None:
    drawing = draw.bars({"1": 0.25, "2": 0.5, "3": None}, title="Accuracy", unit="%")
    one, two, none = widths(drawing)
    assert two == pytest.approx(2 * one, rel=0.01)
    assert none == 0
    assert texts(drawing) == ["Accuracy", "1", "25%", "2", "50%", "3", "unknown"]
    assert repr(drawing) == "Accuracy: 1 25%; 2 50%; 3 unknown"


def test_names_of_wide_letters_do_not_reach_the_next_colour() -> None:
    parts = {"management": 1, "mmmmmm": 2, "query": 3}
    drawing = draw.stacked({"before": parts, "after": parts}, title="Pods")
    boxes = [r.attrib["x"] for r in read(drawing).iter(f"{SVG}rect") if r.attrib.get("rx") == "2"]
    management, wide, query = map(float, boxes)
    assert wide - management >= 13 + 7 * len("management")
    assert query - wide >= 13 + 7 * len("mmmmmm")


def test_a_drawing_has_its_words_in_the_picture_and_as_text() -> None:
    drawing = draw.bars({"1": 1500, "2": 3}, title="Time", unit="ms", limit=100)
    root = read(drawing)
    words = "1 1.5 s; 2 3 ms; the limit is 100 ms"
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"] == f"Time: {words}"
    assert (root.findtext(f"{SVG}title"), root.findtext(f"{SVG}desc")) == ("Time", words)
    bundle = drawing._repr_mimebundle_()
    assert bundle == {"text/html": drawing._repr_html_(), "text/plain": f"Time: {words}"}
    assert "<script" not in bundle["text/html"]
    assert "--jp-ui-font-color1, currentColor" in bundle["text/html"]


@pytest.mark.parametrize(
    "draws",
    [
        lambda bad: draw.bars({bad: 1}, title=bad, unit=bad),
        lambda bad: draw.stacked({bad: {bad: 1}}, title=bad),
        lambda bad: draw.lines({bad: [(bad, 1)]}, title=bad, x=bad, y=bad, marks=[(bad, bad)]),
        lambda bad: draw.images([[1]], [bad], answers={bad: [bad]}, title=bad),
    ],
)
def test_whatever_it_is_called_is_text(draws: Any) -> None:
    bad = "<script>alert('\"')</script>&\x00"
    drawing = draws(bad)
    assert bad.rstrip("\x00") in texts(drawing)[0]
    assert not list(read(drawing).iter(f"{SVG}script"))


def test_parts_lie_one_after_the_other() -> None:
    drawing = draw.stacked({"a query": {"queue": 1, "model": 3}}, title="Stages", unit="ms")
    *_, queue, model = widths(drawing)
    assert model == pytest.approx(3 * queue, rel=0.01)
    *_, first, second = [float(node.attrib.get("x", 0)) for node in read(drawing).iter(f"{SVG}rect")]
    assert second == pytest.approx(first + queue, abs=0.2)
    assert repr(drawing) == "Stages: a query 4 ms (queue 1 ms, model 3 ms)"
    assert "model 3 ms" in texts(drawing)


def points(drawing: draw.Drawing, tag: str = "polyline") -> list[list[tuple[float, float]]]:
    found = [node.attrib["points"] for node in read(drawing).iter(f"{SVG}{tag}")]
    return [[(float(x), float(y)) for x, y in re.findall(r"([\d.]+),([\d.]+)", each)] for each in found]


def test_a_line_goes_through_its_points_in_their_order_and_is_broken_where_nothing_is_known() -> None:
    drawing = draw.lines({"a": [(2, 10), (0, 0), (1, 5), (3, math.nan), (4, 5), (5, 0)]}, title="t", limit=5)
    first, second = points(drawing)
    assert first[0][0] < first[1][0] < first[2][0]
    assert first[1][1] == pytest.approx((first[0][1] + first[2][1]) / 2)
    assert len(second) == 2
    assert "limit 5" in texts(drawing)


def test_doublings_are_evenly_apart() -> None:
    (found,) = points(draw.lines({"a": {1: 1, 2: 1, 4: 1}.items()}, title="t", log=True))
    assert found[1][0] - found[0][0] == pytest.approx(found[2][0] - found[1][0], abs=0.2)


def test_names_lie_side_by_side_and_marks_say_what_happened_there() -> None:
    drawing = draw.lines({"good": [("Mon", 1), ("Tue", 0.5)]}, title="t", unit="%", marks=[("Tue", "v2")])
    assert {"Mon", "Tue", "v2", "100%"} <= set(texts(drawing))
    assert repr(drawing) == "t: good at Mon 100%, at Tue 50%; v2 at Tue"
    with pytest.raises(BadRequest, match="'Wed' is no place"):
        draw.lines({"good": [("Mon", 1)]}, title="t", marks=[("Wed", "v2")])


def test_areas_lie_upon_another() -> None:
    lower, upper = points(
        draw.lines({"1": [(0, 1), (1, 1)], "2": [(0, 3)]}, title="t", stacked=True), "polygon"
    )
    assert upper[0][1] < lower[0][1]  # 4 is higher than 1
    assert upper[1][1] == lower[1][1]  # where 2 has no point it adds nothing


def test_words_of_marks_stand_above_the_lines_and_neighbours_below_each_other() -> None:
    drawing = draw.lines({"a": [(0, 1), (4, 1)]}, title="t", marks=[(2, "two"), (1, "one")])
    heights = {node.text: float(node.attrib["y"]) for node in read(drawing).iter(f"{SVG}text")}
    ((line, _),) = points(drawing)
    assert heights["one"] < heights["two"] < line[1]


def test_names_stay_inside_the_picture() -> None:
    bars = draw.bars({"a" * 100: 1}, title="t")
    assert texts(bars)[1] == "a" * 37 + "…"
    assert repr(bars) == f"t: {'a' * 100} 1"
    many = draw.lines({"a": [(f"day {i} of the week", 1) for i in range(20)]}, title="t")
    days = [node for node in read(many).iter(f"{SVG}text") if (node.text or "").startswith("day")]
    assert len(days) == 10
    last = draw.lines({"a": [("Monday", 1), ("a long word", 1)]}, title="t")
    (word,) = [node for node in read(last).iter(f"{SVG}text") if node.text == "a long word"]
    assert float(word.attrib["x"]) + colours.LETTER * len("a long word") / 2 <= colours.WIDTH + 0.1


def test_colours_are_those_of_the_live_pictures() -> None:
    live = (STATIC / "drawing.js").read_text(encoding="utf-8")
    said = {
        name: re.findall(r"#[0-9a-f]{6}", line)
        for name, line in re.findall(r"export const (\w+) = (.*);", live)
    }
    assert said["COLOURS"] == list(colours.COLOURS)
    assert (said["GOOD"], said["BAD"]) == ([colours.GOOD], [colours.BAD])


@pytest.mark.parametrize("row", [[0, 1, 2, 3], [[0, 1], [2, 3]], np.arange(4), np.arange(4).reshape(2, 2),
                                 list(np.arange(4).reshape(2, 2)), ((0, 1), (2, 3))])  # fmt: skip
def test_pixels_come_as_a_row_or_as_lines(row: Any) -> None:
    assert draw.images([row]).svg == draw.images([[0, 1, 2, 3]]).svg


def test_places_that_lie_close_to_each_other_are_not_named_upon_each_other() -> None:
    close = draw.lines({"p99": [(0, 1), (0.5, 2), (1, 3), (1.02, 3), (1.5, 2)]}, title="p99")
    assert "1" in texts(close)
    assert "1.02" not in texts(close)


def test_long_lines_are_said_in_short() -> None:
    said = repr(draw.lines({"a": [(i, i) for i in range(100)]}, title="t"))
    assert said == "t: a from 0 to 99, between 0 and 99"


def test_right_and_wrong_answers_differ_by_more_than_colour() -> None:
    drawing = draw.images([[0, 1, 2, 3], [[3, 3], [3, 3]]], [1, 2], answers=[1, 3], title="t")
    assert repr(drawing) == "t: is 1, says 1 ✓; is 2, says 3 ✗"
    named = draw.images([[0, 1, 2, 3]], [1], answers={"version 2": [7]}, title="t")
    assert repr(named) == "t: is 1, version 2: 7 ✗"
    shades = [node.attrib["fill-opacity"] for node in read(drawing).iter(f"{SVG}path")]
    assert shades == ["0.3125", "0.6875", "1", "1"]


@pytest.mark.parametrize(("columns", "size"), [(8, 6.0), (24, 6.0), (4, 6.0), (496, 1.0)])
def test_a_wide_picture_is_as_high_as_others_where_there_is_room(columns: int, size: float) -> None:
    drawing = draw.images([[[1] * columns] * 8])
    assert widths(drawing)[-1] == pytest.approx(max(48, size * columns))
    (path,) = [node.attrib["d"] for node in read(drawing).iter(f"{SVG}path")]
    assert path.count(f"h{size:g}v{size:g}") == 8 * columns


@pytest.mark.parametrize(
    ("draws", "says"),
    [
        (lambda: draw.bars({}, title="t"), "nothing to draw"),
        (lambda: draw.bars({"a": -1}, title="t"), "nothing is shorter than 0"),
        (lambda: draw.bars({"a": math.inf}, title="t"), "infinite"),
        (lambda: draw.bars({"a": "much"}, title="t"), "is to be a number"),
        (lambda: draw.lines({"a": []}, title="t"), "nothing to draw"),
        (lambda: draw.lines({"a": [(0, 1)]}, title="t", log=True), "give a number above 0"),
        (lambda: draw.lines({"a": [(None, 1)]}, title="t"), "give a number\\.$"),
        (lambda: draw.lines({"a": [(0, 1)]}, title="t", limit=math.inf), "The limit of t is infinite"),
        (lambda: draw.bars({"a": 1}, title="t", limit=-1), "The limit of t is -1"),
        (lambda: draw.images([]), "nothing to draw"),
        (lambda: draw.images([[1, 2, 3]]), "no square"),
        (lambda: draw.images([[1]], [1, 2]), "1 pictures and 2 of labels"),
    ],
)
def test_what_cannot_be_drawn_is_said(draws: Any, says: str) -> None:
    with pytest.raises(BadRequest, match=says):
        draws()
