"""Signatures: how values become sets of named arrays, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from clipper_container import examples, named, signature
from clipper_container.errors import BadRequest
from clipper_container.inputs import as_described
from clipper_container.named import Named, Part
from clipper_container.signature import Kind, Signature
from clipper_container.tensors import as_plain, decode

TYPES = {"ids": "int64[-1]", "image": "float32[-1,2]", "flag": "bool", "text": "text", "tags": "text[-1]"} | {
    "blob": "bytes",
    "more": "any",
}
SET: dict[str, Any] = {
    **{"ids": [3, 7], "image": [[0.5, 1], [2, None]], "flag": True, "text": "é", "tags": ["a", "b"]},
    **{"blob": "AAE=", "more": {"x": [1]}},
}


def decoded(types: dict[str, str], rows: list[Any]) -> Named:
    tensors = Signature(types).of_rows(rows)
    assert len({tensor.dtype for tensor in tensors}) == 1
    body = b"".join(tensor.data for tensor in tensors)
    found = decode(len(rows), [tensors[0].dtype], [tensor.shape for tensor in tensors], body)
    assert isinstance(found, Named)
    return found


def test_each_type_arrives_as_it_was_sent() -> None:
    [found] = decoded(TYPES, [SET])
    assert found["ids"].dtype == np.int64
    assert found["image"].dtype == np.float32
    np.testing.assert_array_equal(found["image"], [[0.5, 1], [2, np.nan]])
    assert (found["text"], found["tags"], found["blob"]) == ("é", ["a", "b"], b"\0\1")
    assert (found["flag"], found["more"]) == (True, {"x": [1]})
    assert found["ids"].tolist() == [3, 7]


def test_order_is_nobodys_matter_and_other_names_may_be_spare() -> None:
    one = Signature(TYPES)
    [here], [there] = one.of_rows([SET]), one.of_rows([dict(reversed(SET.items()))])
    assert here == there
    [more] = one.of_rows([{**SET, "next": 1}], lambda: {"next"})
    assert more == here


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"ids": [3, 7]}, "it lacks the arrays 'image', 'flag', 'text', 'tags', 'blob' and 1 more"),
        ({**SET, "idz": 1}, "no model here takes the array 'idz'"),
        ([1], "is not an object that names its arrays"),
        ({**SET, "ids": [1.5]}, r"the array 'ids' holds whole numbers \(int64\), and 1.5 is not that"),
        ({**SET, "ids": 7}, r"the array 'ids' is nested as \[-1\] is, and there is 7 for a list"),
        ({**SET, "ids": [[7]]}, "the array 'ids' has 1 dimensions, and more are given"),
        ({**SET, "ids": [2**63]}, "a number in the array 'ids' lies outside int64"),
        ({**SET, "image": [[1, 2], [3]]}, "the array 'image' has rows of several lengths"),
        ({**SET, "image": [[1, 2, 3]]}, r"shape \[-1, 2\] \(-1 is any size\), and not \[1, 3\]"),
        ({**SET, "image": [[1e300, 0]]}, "a number in the array 'image' lies outside float32"),
        ({**SET, "image": [["x", 0]]}, "the array 'image' holds numbers, and 'x'"),
        ({**SET, "flag": 1}, "the array 'flag' holds true or false, and 1 is not that"),
        ({**SET, "text": None}, "the array 'text' holds a text, and null is not that"),
        ({**SET, "tags": ["a", 1]}, "the array 'tags' holds texts, and 1 is not that"),
        ({**SET, "blob": "no!"}, "the array 'blob' holds bytes, and 'no!' is no base64"),
        ({**SET, "blob": 3}, "the array 'blob' holds bytes, and 3 is no base64"),
        ({**SET, "ids": {"dtype": "f4"}}, "the array 'ids' is none: the object must have the fields"),
        ({**SET, "ids": as_described(np.array([0.5]))}, "the datatype is FP64, and the inputs are INT64"),
        ({**SET, "ids": as_described(np.array([[1]]))}, r"the array 'ids' has the shape \[-1\]"),
        ({**SET, "image": as_described(np.array([[1e300, 0]]))}, "a number lies outside FP32"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(value: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Signature(TYPES).of_rows([value])


def test_arrays_may_come_as_bytes_and_in_other_types() -> None:
    exact = np.array([[0.1, 0.2]], np.float32)
    [found] = decoded({"a": "float32[-1,2]"}, [{"a": as_described(exact)}])
    np.testing.assert_array_equal(found["a"], exact)
    [found] = decoded({"a": "float64[-1]"}, [{"a": as_described(np.array([1, 2], np.int8))}])
    assert found["a"].tolist() == [1.0, 2.0]


def test_columns_of_arrays_are_taken_apart() -> None:
    whole = np.arange(12, dtype=np.int32).reshape(3, 2, 2)
    tensors = Signature({"a": "int64[2,2]", "b": "float32"}).of_columns({"a": whole, "b": np.arange(3.0)}, 3)
    assert [as_plain(tensor) for tensor in tensors] == [
        {"b": float(i), "a": whole[i].tolist()} for i in range(3)
    ]
    with pytest.raises(ValueError, match=r"the shape \[2, 2\], and not \[2\]"):
        Signature({"a": "int64[2,2]"}).of_columns({"a": whole[:, 0]}, 3)


@pytest.mark.parametrize(
    "text", ["float33", "text[", "bytes[2]", "any[-1]", "int8[-2]", "int8[1.5]", "", "f4"]
)
def test_other_types_are_none(text: str) -> None:
    with pytest.raises(BadRequest, match="The array 'a' cannot be"):
        signature.check({"a": text})


@given(st.sampled_from([*TYPES.values(), "uint8[3,-1,4]"]))
def test_a_type_is_read_as_it_is_written(text: str) -> None:
    assert str(Kind.of(text)) == text


ANY_NUMBERS = arrays.arrays(
    arrays.boolean_dtypes()
    | arrays.integer_dtypes(endianness="<")
    | arrays.unsigned_integer_dtypes(endianness="<"),
    arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
)


@given(
    st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=3), ANY_NUMBERS, min_size=1, max_size=3)
)
def test_an_example_tells_a_signature_that_takes_it(given_set: dict[str, Any]) -> None:
    types, written = examples.of_arrays(given_set)
    [found] = decoded(types, [written])
    for name, array in given_set.items():
        assert np.asarray(found[name]).dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_an_example_may_have_all_that_arrays_are_made_of() -> None:
    types, row = examples.of_arrays(
        {"n": 3, "x": 0.5, "l": [[1, 2]], "t": "a", "b": b"\0", "s": np.array(["x", "y"]), "o": {"k": 1}}
    )
    assert types == {
        **{"n": "int64", "x": "float64", "l": "int64[-1,-1]", "t": "text", "b": "bytes", "s": "text[-1]"},
        "o": "any",
    }
    assert row == {"n": 3, "x": 0.5, "l": [[1, 2]], "t": "a", "b": "AA==", "s": ["x", "y"], "o": {"k": 1}}
    for bad, said in (
        ([1], "is a list, and inputs are named arrays"),
        ({1: 2}, "names are texts"),
        ({}, "from 1 to"),
    ):
        with pytest.raises(BadRequest, match=said):
            examples.of_arrays(bad)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*TYPES, "dtype"]), inner),
    max_leaves=9,
)


@given(st.fixed_dictionaries(dict.fromkeys(TYPES, JSON)) | st.dictionaries(st.sampled_from([*TYPES]), JSON))
def test_whatever_comes_is_an_input_or_refused(value: Any) -> None:
    try:
        [tensor] = Signature(TYPES).of_rows([value])
    except ValueError:
        return
    named.check(tensor.dtype, tensor.shape, bytes(tensor.data))


@given(
    st.text()
    | st.lists(st.tuples(st.text(max_size=3), st.sampled_from(["<f4", "json", "|O"]), st.integers(-1, 40)))
)
def test_a_set_that_is_none_is_refused(parts: Any) -> None:
    dtype = parts if isinstance(parts, str) else named.dtype_of([Part(*part) for part in parts])
    for shape in ((), (1,), (0, 2**62), (2, -1)):
        try:
            named.check(dtype, shape, b"12345678")
        except ValueError:
            continue
        found = decode(1, [dtype], [shape], b"12345678")
        assert len(found) == 1
