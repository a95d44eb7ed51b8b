"""Bodies that are no JSON: what is read and written by a short way comes out as by the long one."""

from __future__ import annotations

import csv
import io
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipper_container.tensors import Tensor
from clipper_server.query.protocols import tables

numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)


@given(
    st.lists(st.lists(numbers, min_size=1, max_size=3), min_size=1, max_size=4),
    st.sampled_from(["\n", "\r\n", "\n\n"]),
)
def test_lines_of_plain_numbers_are_read_as_their_cells_say(rows: list[list[float]], end: str) -> None:
    body = end.join(",".join(map(repr, row)) for row in rows).encode()
    text = tables.as_json(body)
    assert text is not None
    assert msgspec.json.decode(text, type=list[list[float]]) == [
        list(map(float, line)) for line in tables.cells(body)
    ]


@pytest.mark.parametrize("body", [b"a,1", b"1, 2", b'"1",2', b"1],[2", b"1\r2", b"null,1", b"1\t2"])
def test_what_else_a_line_has_is_left_to_the_cells(body: bytes) -> None:
    assert tables.as_json(body) is None


@pytest.mark.parametrize(
    "output",
    [
        *(5.5, -1, 1e300, [1, 2.5], [], "a,b", 'a"b', "", None, True, [None, "x", False], [[1], {"a": 2}]),
        {"a": [1, 2]},
    ],
    ids=repr,
)
@pytest.mark.parametrize("spaced", [False, True])
def test_an_output_is_a_line_of_csv(output: Any, spaced: bool) -> None:
    text = msgspec.json.encode(output)
    written = io.StringIO()
    values = output if isinstance(output, list) else [output]
    cells = [
        value if isinstance(value, str) else "" if value is None else msgspec.json.encode(value).decode()
        for value in values
    ]
    csv.writer(written, lineterminator="\n").writerow(cells)
    found = tables.line(msgspec.json.format(text, indent=1) if spaced else text)
    assert found == written.getvalue().encode()


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_arrays_of_one_head_have_their_own_numbers(version: tuple[int, int]) -> None:
    for values in (np.arange(6.0).reshape(2, 3), -np.arange(6.0).reshape(2, 3), np.arange(3), np.arange(4)):
        file = io.BytesIO()
        np.lib.format.write_array(file, values, version)
        found = tables.array(file.getvalue())
        assert found == Tensor(values.tobytes(), values.shape, values.dtype.str)
        assert np.load(io.BytesIO(tables.saved(found))).tolist() == values.tolist()
