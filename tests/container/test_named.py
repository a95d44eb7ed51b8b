"""Sets of named arrays, as they travel."""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clipper_container import named
from clipper_container.named import Named, Part
from clipper_container.tensors import decode

ROW = [Part("age", "<f8", 0), Part("ok", "|b1", 0), Part("city", "json", 1), Part("ids", "<i4", 1)]


def row(age: float, ok: bool, city: str | None, ids: list[int]) -> tuple[bytes, tuple[int, ...]]:
    text, numbers = msgspec.json.encode(city), np.array(ids, "<i4").tobytes()
    return np.float64(age).tobytes() + bytes([ok]) + text + numbers, (len(text), len(ids))


def decoded(rows: list[tuple[bytes, tuple[int, ...]]]) -> Any:
    shapes = [shape for _, shape in rows]
    body = b"".join(data for data, _ in rows)
    return decode(len(rows), [named.dtype_of(ROW)], shapes, body)


def plain(found: Any) -> list[Any]:
    return [{name: _plain(value) for name, value in each.items()} for each in found]


def _plain(value: Any) -> Any:
    """Not by way of an array for texts: numpy takes the zeros at their ends away."""
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


@given(
    st.lists(
        st.tuples(
            st.floats(allow_nan=False),
            st.booleans(),
            st.none() | st.text(),
            st.lists(st.integers(-9, 9), max_size=3),
        ),
        min_size=1,
    )
)
def test_they_arrive_as_they_were_sent(rows: list[tuple[float, bool, str | None, list[int]]]) -> None:
    found = decoded([row(*each) for each in rows])
    assert isinstance(found, Named)
    names = ("age", "ok", "city", "ids")
    assert plain(found) == [dict(zip(names, each, strict=True)) for each in rows]
    assert len(found) == len(rows)


def test_numbers_alone_are_views_of_what_came() -> None:
    dtype = named.dtype_of([Part("a", "<f8", 0), Part("b", "<i4", 0)])
    body = bytearray(np.array([(1.5, 2), (3.5, 4)], "<f8,<i4").tobytes())
    found = decode(2, [dtype], [()], body)
    assert found[1] == {"a": 3.5, "b": 4}
    body[:8] = np.float64(7).tobytes()
    assert found.columns["a"].tolist() == [7, 3.5]


def test_arrays_of_one_shape_are_one_array() -> None:
    found = decoded([row(1, True, "x", [1, 2]), row(2, False, None, [3, 4])])
    assert found.columns["ids"].shape == (2, 2)
    found = decoded([row(1, True, "x", [1, 2]), row(2, False, None, [])])
    assert [each.tolist() for each in found.columns["ids"]] == [[1, 2], []]


def test_several_kinds_in_a_batch_are_dictionaries() -> None:
    data, shape = row(1, True, "x", [])
    other = named.dtype_of([Part("age", "<f4", 0)])
    found = decode(
        *(3, [named.dtype_of(ROW), other, "json"], [shape, (), (2,)]),
        data + np.float32(2).tobytes() + b"{}",
    )
    assert plain(found) == [{"age": 1, "ok": True, "city": "x", "ids": []}, {"age": 2}, {}]


@pytest.mark.parametrize(
    ("dtype", "shapes", "body"),
    [
        ('[["a","<f8",0]]', [()], bytes(15)),
        ('[["a","json",1]]', [(3,)], b"12"),
        ('[["a","json",1]]', [(-1,)], b"12"),
        ('[["a","json",1]]', [()], b""),
        ('[["a","json",2]]', [(1, 1)], b"1"),
        ('[["a","str",1]]', [(1,)], b"\xff"),
        ('[["a","json",1]]', [(1,)], b"{"),
        ('[["a","O",0]]', [()], bytes(8)),
        ("[1]", [()], b""),
        ("[", [()], b""),
    ],
)
def test_what_does_not_add_up_is_refused(dtype: str, shapes: list[tuple[int, ...]], body: bytes) -> None:
    with pytest.raises((ValueError, msgspec.DecodeError)):
        decode(1, [dtype], shapes, body)


DTYPES = st.sampled_from(
    [named.dtype_of(ROW), '[["a","str",1]]', '[["a","<f8",0]]', "json", "<f8", "[]", "["]
)


@given(
    st.integers(1, 3),
    st.lists(DTYPES, min_size=1, max_size=3),
    st.lists(st.lists(st.integers(-2, 40), max_size=3), min_size=1, max_size=3),
    st.binary(max_size=60),
)
@example(3, ["json", "json", "json"], [[]], b"")
@example(2, ["json", "<f8"], [[2], [1]], b"[]" + bytes(8))
@example(1, [named.dtype_of(ROW)], [[2, 1]], bytes(9) + b"[]" + bytes(4))
def test_whatever_comes_is_read_or_refused(
    count: int, dtypes: list[str], shapes: list[list[int]], body: bytes
) -> None:
    with contextlib.suppress(ValueError, IndexError, msgspec.MsgspecError):
        found = decode(count, dtypes, shapes, body)
        assert len(found) == count


def test_inputs_of_several_kinds_are_each_read() -> None:
    found = decode(3, ["json", "<f8", "str"], [[2], [1], [3]], b"[]" + bytes(8) + b"abc")
    assert found[0] == []
    assert found[1].tolist() == [0.0]
    assert found[2] == "abc"
