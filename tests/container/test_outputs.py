"""What models return, by JSON and by tensor."""

from __future__ import annotations

import array
import dataclasses
import datetime
import enum
import json
import math
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import numpy as np
import pytest

from clipper_container.outputs import Outputs, encode_outputs
from clipper_container.wire import Fault


def json_of(output: object) -> Any:
    """The output as a client has it; its fault's text where it is refused."""
    encoded = encode_outputs([output], 1, ())
    assert isinstance(encoded, Outputs)
    return encoded.faults[0].message if encoded.faults else json.loads(bytes(encoded.body[0]))


def tensor_of(output: object) -> Any:
    """The output as a client has it who wants it raw: an array, or what JSON has where there is none."""
    encoded = encode_outputs([output], 1, [0])
    assert isinstance(encoded, Outputs)
    if encoded.faults:
        return encoded.faults[0].message
    if not encoded.tensors:
        return json.loads(bytes(encoded.body[0]))
    [(dtype, shape, places)] = encoded.tensors
    assert places == [0]
    return np.frombuffer(bytes(encoded.body[0]), dtype).reshape(shape)


@pytest.mark.parametrize(
    ("outputs", "reason"),
    [
        ([1], "wrong_output_length"),
        ([1, 2, 3], "wrong_output_length"),
        (np.zeros(3), "wrong_output_length"),
        (np.float64(7), "bad_output"),
        (np.array(7), "bad_output"),
        (7, "bad_output"),
        ("ab", "bad_output"),
    ],
)
def test_a_wrong_number_or_kind_of_outputs_is_told(outputs: object, reason: str) -> None:
    fault = encode_outputs(outputs, 2, [])
    assert isinstance(fault, Fault)
    assert fault.reason == reason
    assert "one output for each input" in fault.message


def test_numpy_outputs_are_written_as_numbers() -> None:
    outputs = [np.float32(0.5), np.int64(3), np.array([[1, 2]]), np.bool_(True), {"p": np.float64(1)}]
    encoded = encode_outputs(outputs, 5, [])
    assert isinstance(encoded, Outputs)
    assert encoded.body == [b"0.5", b"3", b"[[1,2]]", b"true", b'{"p":1.0}']
    assert not encoded.faults


def test_one_output_that_json_cannot_hold_costs_one_answer() -> None:
    encoded = encode_outputs([1, object(), "x"], 3, [])
    assert isinstance(encoded, Outputs)
    assert encoded.body == [b"1", b"", b'"x"']
    assert encoded.faults[1].reason == "bad_output"


# Times

UNITS = ("ms", "us", "ns", "ps")


@pytest.mark.parametrize("unit", UNITS)
def test_a_moment_is_the_text_that_python_writes_in_every_unit(unit: str) -> None:
    for text in ("1970-01-02T03:04:05", "1970-01-02T03:04:05.120000"):
        moments = np.array([text], f"M8[{unit}]")
        for output in (moments[0], moments, moments.reshape(1, 1), {"at": moments[0]}):
            assert text in json.dumps(json_of(output))
            assert text in json.dumps(tensor_of(output))
        whole = encode_outputs(moments, 1, ())
        assert isinstance(whole, Outputs)
        assert [bytes(part) for part in whole.body] == [f'"{text}"'.encode()]


def test_coarse_units_and_years_that_python_has_not_are_text_too() -> None:
    for unit, text in {"Y": "2024-01-01", "M": "2024-05-01", "D": "2024-05-06"}.items():
        assert json_of(np.array(["2024-05-06T07:08:09"], f"M8[{unit}]")[0]) == text
    assert json_of(np.datetime64("2024-05-06T07:08:09", "h")) == "2024-05-06T07:00:00"
    assert json_of(np.datetime64("20000-01-02T00:00:00")) == "20000-01-02T00:00:00"
    assert json_of(np.datetime64("2024-05-06T07:08:09.123456789")) == "2024-05-06T07:08:09.123456789"
    assert json_of([np.datetime64("NaT"), np.timedelta64("NaT", "s")]) == [None, None]


def test_a_duration_is_written_as_pythons_own_in_every_unit() -> None:
    for seconds in (0.0, 1.5, 90_000.25, -1.5):
        delta = datetime.timedelta(seconds=seconds)
        for unit in UNITS:
            text = json_of(np.array([delta], f"m8[{unit}]")[0])
            assert text == json.loads(msgspec.json.encode(delta)), unit
    assert json_of([np.timedelta64(3, "Y"), np.array([7], "m8[25s]")[0]]) == ["P3Y", "PT175S"]
    assert json_of(np.timedelta64(3)) == 3


# Numbers that JSON has not


def test_long_floats_are_numbers_or_refused() -> None:
    for output in (np.longdouble(1.5), {"p": np.longdouble(1.5)}):
        assert json_of(output) in (1.5, {"p": 1.5})
    assert json_of(np.array([[1.5, np.nan]], np.longdouble)) == [[1.5, None]]
    assert tensor_of(np.array([1.5], np.longdouble)).tolist() == [1.5]
    whole = encode_outputs(np.array([1.5, 2.5], np.longdouble), 2, ())
    assert isinstance(whole, Outputs)
    assert whole.body == [b"1.5", b"2.5"]
    if np.finfo(np.longdouble).max > np.finfo(np.float64).max:
        too_large = np.longdouble("1e4000")
        assert "beyond the 64-bit floats" in json_of(too_large)
        assert "beyond the 64-bit floats" in tensor_of([too_large])


def test_masked_values_are_null_and_nan() -> None:
    floats = np.ma.array([1.5, 2.5], mask=[False, True])
    whole = np.ma.array([[1, 2], [3, 4]], mask=[[False, True], [False, False]])
    assert json_of(floats) == [1.5, None]
    assert np.isnan(tensor_of(floats)).tolist() == [False, True]
    assert json_of(whole) == tensor_of(whole) == [[1, None], [3, 4]]  # no number says that it is missing
    assert json_of(floats[1]) is None
    assert json_of({"p": np.ma.masked}) == {"p": None}
    for raw in ((), [0, 1]):
        encoded = encode_outputs(whole, 2, raw)
        assert isinstance(encoded, Outputs)
        assert bytes(encoded.body[0]) == b"[1,null]"


def test_what_has_no_form_is_refused_by_name() -> None:
    for look in (json_of, tensor_of):
        assert "it holds a complex" in look(np.array([1j]))
        assert "it holds a complex" in look(np.complex64(1))
        assert "it holds a range" in look({"a": range(3)})


def test_records_are_objects() -> None:
    records = np.array([(1, 2.5, "a")], [("x", "i4"), ("y", "f4"), ("name", "U3")])
    assert json_of(records) == [{"x": 1, "y": 2.5, "name": "a"}]
    assert tensor_of(records[0]) == {"x": 1, "y": 2.5, "name": "a"}


def test_keys_are_written_as_json_dumps_writes_them_or_named() -> None:
    given = {True: 1, None: 2, np.int64(3): 4, np.str_("a"): 5}
    assert json_of(given) == {"true": 1, "null": 2, "3": 4, "a": 5}
    assert "a dict has the key (1, 2)" in json_of({(1, 2): 3})


class Colour(enum.Enum):
    RED = "r"


class Point(NamedTuple):
    x: int
    y: int


@dataclasses.dataclass
class Box:
    label: str
    score: float


PAGE = (Path(__file__).parents[2] / "docs/functions.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("output", "written", "row"),
    [
        ({1}, [1], "sets"),
        (frozenset({"a"}), ["a"], "sets"),
        (Point(1, 2), [1, 2], "named tuples"),
        (array.array("d", [1.5]), [1.5], "`array.array`"),
        (Decimal("1.50"), "1.50", "`Decimal`"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001", "`UUID`"),
        (Colour.RED, "r", "members of an `Enum`"),
        (Box("cat", 0.5), {"label": "cat", "score": 0.5}, "dataclasses"),
        ({1: 2, 1.5: 3}, {"1": 2, "1.5": 3}, "keys of dictionaries"),
        (datetime.date(2024, 1, 2), "2024-01-02", "dates"),
        (datetime.time(3, 4), "03:04:00", "times of day"),
        (bytearray(b"x"), "eA==", "`bytearray`"),
        (memoryview(b"x"), "eA==", "`memoryview`"),
    ],
)
def test_what_python_has_beside_json_is_written_as_the_page_says(
    output: object, written: object, row: str
) -> None:
    assert json_of(output) == written
    outputs = {line.split("|")[1] for line in PAGE.splitlines() if line.startswith("|")}
    assert any(row in cell for cell in outputs)


# Other libraries' kinds


class Listed:
    """As a Series, an Index, a tensor of torch and others: it knows its list."""

    def __init__(self, values: list[Any]) -> None:
        self.values = values

    def tolist(self) -> list[Any]:
        return self.values

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.array(self.values, dtype)


def test_what_knows_its_list_is_taken_by_it() -> None:
    assert json_of({"a": Listed([1, 2])}) == {"a": [1, 2]}
    assert tensor_of(Listed([1, 2])).tolist() == [1, 2]
    for raw in ((), [0, 1]):
        encoded = encode_outputs(Listed([1, 2]), 2, raw)
        assert isinstance(encoded, Outputs)
        assert not encoded.faults
        assert encoded.tensors == ([("<i8", (), raw)] if raw else [])


@pytest.mark.parametrize(
    "outputs",
    [
        [2**63, 1],
        *([True, False], [1, -2], (0.5, math.nan), [2**63, 2**63], [2**70, 1], [1, 2.0], [1, True]),
        *([np.float32(1), np.float32(2)], [np.int8(1), 2], [np.bool_(True)] * 2, [np.longdouble(1)] * 2),
        *(np.arange(2), np.arange(2)[::-1], np.arange(2, dtype=">i4"), np.ones((2, 3), np.float16)),
        *(np.ones((3, 2)).T, np.zeros((2, 0)), np.array([1, 2], object), np.array(["a", "b"])),
        *(np.ma.masked_array([1, 2], [False, True]), np.ma.masked_array([1.5, 2], [False, True])),
        *([np.ones(2), np.zeros(2)], [[1, 2], [3, 4]], ["a", "b"], [b"a", b"b"], [ValueError("x"), 1]),
    ],
    ids=repr,
)
def test_raw_outputs_of_a_batch_are_those_of_each_by_itself(outputs: Any) -> None:
    """However they are written: all at once where they can be."""
    whole = encode_outputs(outputs, 2, [0, 1])
    alone = [encode_outputs(outputs[i : i + 1], 1, [0]) for i in range(2)]
    assert isinstance(whole, Outputs)
    body = b"".join(whole.body)
    for i, one in enumerate(alone):
        assert isinstance(one, Outputs)
        start = sum(whole.sizes[:i])
        assert body[start : start + whole.sizes[i]] == b"".join(one.body)
        told = [(dtype, shape) for dtype, shape, places in whole.tensors if i in places]
        assert told == [(dtype, shape) for dtype, shape, _ in one.tensors]
        assert (i in whole.faults) == (0 in one.faults)


def test_pandas_kinds_come_out_right() -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": [1, 2], "at": pd.to_datetime(["2024-01-02", None])})
    rows = [{"a": 1, "at": "2024-01-02T00:00:00"}, {"a": 2, "at": None}]
    assert json_of(frame) == rows
    encoded = encode_outputs(frame, 2, ())
    assert isinstance(encoded, Outputs)
    assert [json.loads(bytes(part)) for part in encoded.body] == rows
    assert json_of(pd.Series([1, None], dtype="Int64")) == [1, None]
    assert json_of(pd.Categorical(["x", "y"])) == ["x", "y"]
    assert json_of([pd.NA, pd.NaT]) == [None, None]
    assert json_of(pd.Timestamp("2024-01-02T03:04:05")) == "2024-01-02T03:04:05"
    assert json_of(pd.Timedelta("1.5s")) == "PT1.5S"
    assert "it holds an Interval" in json_of(pd.Interval(0, 1))


class Stamp(datetime.datetime):
    """As pandas' Timestamp: a datetime of a class of its own."""


class Odd:
    def tolist(self) -> Any:
        raise SystemExit("no list")


def test_a_class_of_its_own_is_what_it_is_made_of() -> None:
    assert json_of(Stamp(2024, 1, 2)) == "2024-01-02T00:00:00"
    assert json_of({"a": np.str_("x")}) == {"a": "x"}


def test_an_output_that_raises_costs_its_own_answer() -> None:
    encoded = encode_outputs([1, {"a": Odd()}, "caf\udce9", 4], 4, ())
    assert isinstance(encoded, Outputs)
    assert [bytes(part) for part in encoded.body] == [b"1", b"", b"", b"4"]
    assert {fault.reason for fault in encoded.faults.values()} == {"bad_output"}
    assert all(msgspec.json.encode(fault.message) for fault in encoded.faults.values())


def test_numbers_are_written_together_as_each_by_itself() -> None:
    for numbers in (
        [1.5, math.nan, -math.inf, 1e300, 1e-7],
        [1, -2, 2**63, 10**30],
        [3],
        (0.1, 2),
        [True, 1],
    ):
        whole = encode_outputs(numbers, len(numbers), ())
        assert isinstance(whole, Outputs)
        parts = [encode_outputs([number, "x"], 2, ()) for number in numbers]
        assert [whole.body[i] for i in range(len(numbers))] == [part.body[0] for part in parts]  # type: ignore
        assert whole.sizes == list(map(len, whole.body))
