from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipper_container import inputs
from clipper_container.errors import BadRequest
from clipper_container.inputs import INPUT_TYPES
from clipper_container.named import DTYPES
from clipper_container.tensors import Tensor, decode, sized_tensor


def roundtrip(name: str, values: list[object]) -> list[object]:
    kind = INPUT_TYPES[name]
    tensors = [kind.encode(msgspec.json.decode(msgspec.json.encode(v), type=kind.json)) for v in values]
    body = b"".join(t.data for t in tensors)
    shapes, dtypes = [t.shape for t in tensors], [t.dtype for t in tensors]
    if len(set(shapes)) == 1:
        shapes = shapes[:1]
    if len(set(dtypes)) == 1:
        dtypes = dtypes[:1]
    return list(decode(len(values), dtypes, shapes, body))


@given(st.lists(st.lists(st.floats(allow_nan=False, allow_infinity=False)), min_size=1))
def test_doubles_arrive_as_they_were_sent(values: list[list[float]]) -> None:
    assert [list(row) for row in roundtrip("doubles", list(values))] == values  # type: ignore[call-overload]


@given(st.lists(st.text(), min_size=1))
def test_strings_arrive_as_they_were_sent(values: list[str]) -> None:
    assert roundtrip("strings", list(values)) == values


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.lists(JSON, min_size=1))
def test_json_arrives_as_it_was_sent(values: list[object]) -> None:
    assert roundtrip("json", values) == [msgspec.json.decode(msgspec.json.encode(v)) for v in values]


def test_bytes_travel_as_base64() -> None:
    assert roundtrip("bytes", ["aGVsbG8=", ""]) == [b"hello", b""]


def test_inputs_of_one_shape_come_as_one_array_without_a_copy() -> None:
    body = bytearray(np.arange(6, dtype="<f8").tobytes())
    batch = decode(2, ["<f8"], [(3,)], body)
    assert isinstance(batch, np.ndarray)
    assert batch.shape == (2, 3)
    body[:8] = np.float64(7).tobytes()
    assert batch[0, 0] == 7


def test_whole_numbers_are_good_floats() -> None:
    assert roundtrip("doubles", [[1, 2]])[0] == pytest.approx([1.0, 2.0])


@pytest.mark.parametrize("name", ["floats", "doubles", "ndarray"])
def test_a_missing_number_is_nan(name: str) -> None:
    for sent in ([[1.5, None], [None, None]], [[1.5, math.nan], [None, math.nan]]):
        found = np.asarray(roundtrip(name, list(sent)))
        assert np.array_equal(found, [[1.5, math.nan], [math.nan, math.nan]], equal_nan=True)


@pytest.mark.parametrize("given", [[1.5, math.nan], np.array([1.5, math.nan]), [np.float32(1.5), None]])
@pytest.mark.parametrize("name", ["floats", "doubles", "ndarray"])
def test_an_example_may_lack_numbers(name: str, given: object) -> None:
    tensor = inputs.example_tensor(name, inputs.to_json(name, given))
    found = np.frombuffer(tensor.data, tensor.dtype)
    assert found[0] == 1.5
    assert np.isnan(found[1])
    with pytest.raises(BadRequest, match="JSON has no infinity"):
        inputs.to_json(name, [math.inf])


@pytest.mark.parametrize(
    ("sent", "dtype"),
    [
        ([1, 2**63 + 1], "<u8"),
        ([[2**64 - 1], [0]], "<u8"),
        ([1, -(2**63)], "<i8"),
        ([1.5, 2**53 + 2], "<f8"),
        ([None, 2**53], "<f8"),
    ],
)
def test_whole_numbers_in_arrays_keep_their_digits(sent: list[object], dtype: str) -> None:
    tensor = INPUT_TYPES["ndarray"].encode(sent)
    assert tensor.dtype == dtype
    found = np.frombuffer(tensor.data, dtype).reshape(tensor.shape).tolist()
    assert [None if value != value else value for value in found] == sent


@pytest.mark.parametrize("sent", [[-1, 2**63 + 1], [2**64], [1.5, 2**53 + 1], [None, 2**53 + 1]])
def test_whole_numbers_that_no_array_holds_are_refused(sent: list[object]) -> None:
    with pytest.raises(ValueError, match="too large to keep all of its digits"):
        INPUT_TYPES["ndarray"].encode(sent)


def test_a_number_that_does_not_fit_is_told() -> None:
    for name, number in (("integers", 2**31), ("floats", 1e300), ("floats", -1e300)):
        with pytest.raises(ValueError, match="32-bit"):
            INPUT_TYPES[name].encode([number])


def test_text_that_is_not_base64_is_told() -> None:
    with pytest.raises(ValueError, match="not base64"):
        INPUT_TYPES["bytes"].encode("???")


@pytest.mark.parametrize("shapes", [[(2,), (5,)], [(2,)], [(1,), (1,), (1,)]])
def test_shapes_that_do_not_add_up_are_refused(shapes: list[tuple[int, ...]]) -> None:
    with pytest.raises(ValueError, match=r"add up|shape|reshape"):
        decode(2, ["<f8"], shapes, bytes(24))


def test_short_names_are_understood_and_others_told() -> None:
    assert inputs.canonical("d") == "doubles"
    assert inputs.canonical("ints") == "integers"
    with pytest.raises(BadRequest, match="Choose one of: integers, floats"):
        inputs.canonical("images")


def test_an_example_input_may_be_an_array() -> None:
    example = inputs.to_json("doubles", np.array([1.0, 2.0]))
    assert inputs.example_tensor("doubles", example) == Tensor(np.array([1.0, 2.0]).tobytes(), (2,), "<f8")
    nested = inputs.to_json("json", {"a": np.float64(1), "b": [np.arange(2)]})
    assert nested == {"a": 1.0, "b": [[0, 1]]}
    assert inputs.example_tensor("json", nested) == Tensor(b'{"a":1.0,"b":[[0,1]]}', (21,), "json")
    with pytest.raises(BadRequest, match="The example input is not of the type doubles"):
        inputs.example_tensor("doubles", [[1.0]])
    with pytest.raises(BadRequest, match="cannot be written as JSON: it holds an object"):
        inputs.to_json("json", object())


@given(
    st.sampled_from(sorted(DTYPES)),
    st.lists(st.integers(0, 4), max_size=3),
    st.integers(1, 4),
    st.integers(0, 255),
)
def test_arrays_arrive_as_they_were_sent(dtype: str, shape: list[int], count: int, fill: int) -> None:
    size = int(np.prod(shape, dtype=int)) * np.dtype(dtype).itemsize
    array = np.frombuffer(bytes([fill % 2]) * size, dtype).reshape(shape)
    value = inputs.to_json("ndarray", array)
    arrived = roundtrip("ndarray", [value] * count)
    assert len(arrived) == count
    for one in arrived:
        found = np.asarray(one)
        assert (found.dtype, found.shape, found.tobytes()) == (array.dtype, array.shape, array.tobytes())


def test_arrays_of_several_types_and_shapes_come_as_a_list() -> None:
    values = [[1, 2], [[1.5]], {"dtype": "uint8", "shape": [1], "data": "AQ=="}]
    arrived = roundtrip("ndarray", list(values))
    assert [(a.dtype.str, a.shape, a.tolist()) for a in arrived if isinstance(a, np.ndarray)] == [
        ("<i8", (2,), [1, 2]),
        ("<f8", (1, 1), [[1.5]]),
        ("|u1", (1,), [1]),
    ]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([[1], [1, 2]], "all rows of one length"),
        ("text", "all rows of one length"),
        ([["a"]], "all rows of one length"),
        (None, "all rows of one length"),
        ({"dtype": "uint8", "shape": [2]}, "no others"),
        ({"dtype": "object", "shape": [1], "data": ""}, "no type of numbers"),
        ({"dtype": "nonsense", "shape": [1], "data": ""}, "no type of numbers"),
        ({"dtype": "uint8", "shape": [-1], "data": ""}, "list of whole numbers"),
        ({"dtype": "uint8", "shape": [2], "data": "AQ=="}, "needs 2 bytes, not 1"),
        ({"dtype": "uint8", "shape": [2], "data": "?"}, "not base64"),
        ({"dtype": "u1", "shape": [10**30, 0], "data": ""}, "too large"),
        ({"dtype": "u1", "shape": [2**62, 0], "data": ""}, "too large"),
        ({"dtype": "u1", "shape": [1] * 33, "data": "AQ=="}, "too large"),
        *(({"dtype": d, "shape": [], "data": ""}, "no type") for d in ("f4,(", ",", "a", None, {"names": 1})),
    ],
)
def test_what_is_no_array_is_told(value: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        INPUT_TYPES["ndarray"].encode(value)


@pytest.mark.parametrize("shape", [(-1,), (-1, -4), (2, -2)])
def test_no_tensor_has_a_size_below_0(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="has a size below 0"):
        sized_tensor(bytes(4), shape, "|u1")
