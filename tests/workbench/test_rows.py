"""Inputs as people have them become what their input type has in JSON."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from clipper_container import inputs
from clipperlab import BadRequest, rows

pandas: Any = pytest.importorskip("pandas")
TABLE = pandas.DataFrame({"a": [1.0, 3.0], "b": [2.0, None]})
IMAGE = {"dtype": "uint8", "shape": [1, 2], "data": "AQI="}


@pytest.mark.parametrize(
    ("kind", "given", "sent"),
    [
        ("doubles", np.array([1, 2]), [1, 2]),
        ("doubles", TABLE.iloc[0], [1.0, 2.0]),
        ("floats", pandas.Series([1, 2]), [1, 2]),
        ("integers", (1, np.int8(2)), [1, 2]),
        ("strings", np.str_("ab"), "ab"),
        ("bytes", b"ab", "YWI="),
        ("ndarray", np.array([[1, 2]], np.uint8), IMAGE),
        ("ndarray", [[1, 2], [3, 4]], [[1, 2], [3, 4]]),
        ("json", [[1, 2], [3]], [[1, 2], [3]]),
    ],
)
def test_one_input(kind: str, given: Any, sent: Any) -> None:
    assert not rows.is_several(kind, given)
    assert rows.one(kind, given) == sent
    assert inputs.example_tensor(kind, sent)


@pytest.mark.parametrize(
    ("kind", "given", "sent"),
    [
        ("doubles", TABLE, [[1.0, 2.0], [3.0, None]]),
        ("doubles", np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        ("doubles", [[1, 2], np.array([3])], [[1, 2], [3]]),
        ("strings", ["ab", "c"], ["ab", "c"]),
        ("strings", pandas.Series(["ab", "c"]), ["ab", "c"]),
        ("bytes", [b"ab"], ["YWI="]),
        ("json", TABLE, [{"a": 1.0, "b": 2.0}, {"a": 3.0, "b": None}]),
    ],
)
def test_several_inputs(kind: str, given: Any, sent: Any) -> None:
    assert rows.is_several(kind, given)
    assert rows.several(kind, given) == sent


def test_images_are_several_where_it_is_said() -> None:
    assert rows.several("ndarray", np.array([[[1, 2]]] * 2, np.uint8)) == [IMAGE, IMAGE]


@pytest.mark.slow
def test_a_tensor_is_an_array() -> None:
    torch: Any = pytest.importorskip("torch")
    given = torch.tensor([1.0, 2.0], requires_grad=True)
    assert rows.one("doubles", given) == [1.0, 2.0]
    assert rows.is_several("doubles", given.reshape(1, 2))


def test_what_json_has_needs_no_input_type() -> None:
    for plain in ("text", 1.5, None, [1, 2.5, None], {"a": [1]}, []):
        assert rows.is_plain(plain)
    for other in (np.array([1]), [[1]], ["a"], b"x", pandas.Series([1]), [np.float32(1)]):
        assert not rows.is_plain(other)


def test_what_has_no_json_is_refused() -> None:
    with pytest.raises(BadRequest, match="cannot be written as JSON: it holds a Timestamp"):
        rows.one("json", [pandas.Timestamp(0)])
