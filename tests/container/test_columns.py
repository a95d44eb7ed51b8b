"""Rows of data frames: what fits a model's columns, and what is said of the rest."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from clipper_container.columns import Columns, check
from clipper_container.errors import BadRequest
from clipper_container.fields import MOST
from clipper_container.named import DTYPES
from clipper_container.tensors import decode

TYPES = {"age": "float64", "city": "text", "rooms": "int32", "owned": "bool", "note": "any"}
GOOD = {"age": 3, "city": "Rome", "rooms": 2, "owned": True, "note": 1.5}


def arrived(rows: list[dict[str, Any]]) -> list[Any]:
    tensors = Columns(TYPES).of_rows(rows)
    shapes = [t.shape for t in tensors]
    assert len({t.dtype for t in tensors}) <= 1
    found = decode(len(rows), [tensors[0].dtype], shapes, b"".join(t.data for t in tensors))
    return [{name: getattr(v, "item", lambda v=v: v)() for name, v in each.items()} for each in found]


def test_rows_arrive_as_they_were_sent() -> None:
    rows = [GOOD, {**GOOD, "age": 1e300, "city": "é\0", "rooms": 4.0, "note": "text"}]
    assert arrived(rows) == rows
    [found] = arrived([{**GOOD, "age": None, "city": None, "note": None}])
    assert np.isnan(found["age"])
    assert (found["city"], found["note"]) == (None, None)
    assert Columns(TYPES).of_rows([]) == []


def test_the_order_of_columns_is_nobodys_matter() -> None:
    turned = dict(reversed(GOOD.items()))
    assert Columns(TYPES).of_rows([GOOD]) == Columns(TYPES).of_rows([turned])
    columns = {name: [value] for name, value in turned.items()}
    assert Columns(TYPES).of_columns(columns, 1) == Columns(TYPES).of_rows([GOOD])


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"age": "old"}, "the column 'age' holds numbers, and 'old' is not that"),
        ({"age": True}, "the column 'age' holds numbers, and True is not that"),
        ({"age": [3]}, r"a list \(several rows are an input_batch\) is not that"),
        ({"age": 10**400}, "a number in the column 'age' lies outside float64"),
        ({"city": 7}, "the column 'city' holds text, and 7 is not that"),
        ({"city": {"a": 1}}, "the column 'city' holds text, and a dict is not that"),
        ({"rooms": 2.5}, r"the column 'rooms' holds whole numbers \(int32\), and 2.5 is not that"),
        ({"rooms": None}, r"the column 'rooms' holds whole numbers \(int32\), and null is not that"),
        ({"rooms": True}, "and True is not that"),
        ({"rooms": 2**31}, "a number in the column 'rooms' lies outside int32"),
        ({"rooms": 1e300}, "a number in the column 'rooms' lies outside int32"),
        ({"owned": 1}, "the column 'owned' holds true or false, and 1 is not that"),
        ({"owned": None}, "the column 'owned' holds true or false, and null is not that"),
        ({"note": []}, "the column 'note' holds one number or text a row"),
        ({"cty": "x"}, "no model here takes the column 'cty': leave it out"),
        ({"a": 1, "b": 2}, "no model here takes the columns 'a', 'b': leave them out"),
    ],
)
def test_what_does_not_fit_is_told(row: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Columns(TYPES).of_rows([{**GOOD, **row}])


def test_what_is_missing_is_told_and_what_may_be_meant() -> None:
    columns = Columns(TYPES)
    without = {name: value for name, value in GOOD.items() if name not in ("city", "age")}
    with pytest.raises(ValueError, match="it lacks the columns 'age', 'city': add what is missing"):
        columns.of_rows([GOOD, without])
    with pytest.raises(ValueError, match="takes the column 'cty': 'city' is missing, and may be meant"):
        columns.of_rows([{**without, "age": 1, "cty": "Rome"}])
    for other in (None, [1], "text", 7):
        with pytest.raises(ValueError, match="is not an object that names its columns"):
            columns.of_rows([other])


def test_of_many_rows_the_first_that_does_not_fit_is_named() -> None:
    with pytest.raises(ValueError, match="'old' of input 2 is not that"):
        Columns(TYPES).of_rows([GOOD, GOOD, {**GOOD, "age": "old"}])


def test_what_other_versions_take_is_left_out() -> None:
    columns = Columns(TYPES)
    more = {**GOOD, "street": "x"}
    assert columns.of_rows([more, GOOD], lambda: {"street"}) == columns.of_rows([GOOD, GOOD])
    with pytest.raises(ValueError, match="takes the column 'street'"):
        columns.of_rows([GOOD, more], lambda: {"garden"})


@pytest.mark.parametrize("kind", sorted(DTYPES))
def test_rows_and_columns_are_written_alike(kind: str) -> None:
    name = np.dtype(kind).name
    columns = Columns({"t": "text", "n": name, "a": "any"})
    bounds: list[Any] = [True, False] if name == "bool" else [0, 1, 100]
    if np.dtype(kind).kind == "f":
        bounds = [0.1, -1e-3, 7, 60000]
    elif name != "bool":
        info = np.iinfo(name)
        bounds += [int(info.min), int(info.max)]
    rows: list[dict[str, Any]] = [{"n": each, "t": "x" * i, "a": each} for i, each in enumerate(bounds)]
    together = {each: [row[each] for row in rows] for each in ("n", "t", "a")}
    assert columns.of_rows(rows) == columns.of_columns(together, len(rows))
    if name != "bool":
        with pytest.raises(ValueError, match=f"lies outside {name}"):
            columns.of_rows([{"n": 10**400, "t": "", "a": 1}])


def test_floats_stay_within_their_type() -> None:
    with pytest.raises(ValueError, match="lies outside float32"):
        Columns({"a": "float32"}).of_rows([{"a": 1e300}])


def test_words_for_a_row() -> None:
    assert Columns({"age": "float64", "n": "uint8", "city": "text"}).words() == (
        'an object such as {"age": a number, "n": a whole number, "city": a text}'
    )
    assert Columns({f"c{i}": "any" for i in range(30)}).words().endswith('"c19": a number or text, ...}')


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({}, "from 1 to 1000 columns"),
        ({f"c{i}": "any" for i in range(MOST + 1)}, "not 1001"),
        ({"c" * 70_000: "any"}, "KiB of names"),
        ({"\ud800": "any"}, "Rename the column"),
        ({"when": "datetime64[ns]"}, "'when' holds datetime64"),
    ],
)
def test_no_data_frame_has_such_columns(columns: dict[str, str], words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        check(columns)
