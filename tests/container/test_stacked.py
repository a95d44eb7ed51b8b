"""What a model gets that takes named arrays, and what becomes of its outputs."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import numpy as np
import pytest

from clipper_container import inputs
from clipper_container.artifact import Manifest
from clipper_container.loaders import load
from clipper_container.outputs import Outputs, encode_outputs
from clipper_container.replica import warm_up
from clipper_container.signature import Signature
from clipper_container.stacked import Stacked
from clipper_container.tensors import Tensor, as_plain, decode, taken_apart
from clipper_container.wire import Fault

TYPES = {"ids": "int64[-1]", "scale": "float32", "text": "text"}


def batch(rows: list[dict[str, Any]], types: dict[str, str] = TYPES) -> Any:
    tensors = Signature(types).of_rows(rows)
    shapes = [tensor.shape for tensor in tensors]
    return decode(len(rows), [tensors[0].dtype], shapes, b"".join(t.data for t in tensors))


def rows(*lengths: int) -> list[dict[str, Any]]:
    return [{"ids": list(range(n)), "scale": n, "text": f"t{n}"} for n in lengths]


def test_alike_inputs_come_as_one_dictionary_of_arrays() -> None:
    [(places, arrays)] = Stacked(list, TYPES).groups(batch(rows(2, 2, 2)))
    assert places == [0, 1, 2]
    assert list(arrays) == ["ids", "scale", "text"]
    assert (arrays["ids"].shape, arrays["ids"].dtype) == ((3, 2), np.int64)
    assert (arrays["scale"].shape, arrays["scale"].dtype) == ((3,), np.float32)
    assert arrays["text"].tolist() == ["t2"] * 3


@pytest.mark.parametrize("dictionary", [True, False])
def test_ragged_inputs_are_answered_in_their_order_by_a_call_for_each_shape(dictionary: bool) -> None:
    seen = []

    def predict(arrays: Any) -> Any:
        seen.append(arrays["ids"].shape)
        total = arrays["ids"].sum(1)
        return {"total": total, "text": arrays["text"]} if dictionary else total.tolist()

    model = Stacked(predict, TYPES)
    found = list(model(batch(rows(2, 3, 2, 0))))
    assert sorted(seen) == [(1, 0), (1, 3), (2, 2)]
    expected = [1, 3, 1, 0]
    if dictionary:
        assert [row["total"] for row in found] == expected
        assert [row["text"] for row in found] == ["t2", "t3", "t2", "t0"]
    else:
        assert found == expected


def test_a_shape_that_is_answered_too_shortly_fails_alone() -> None:
    answers = encode_outputs(Stacked(lambda arrays: [1], TYPES)(batch(rows(2, 3, 2))), 3, ())
    assert isinstance(answers, Outputs)
    assert bytes(answers.body[1]) == b"1"
    assert {i: fault.reason for i, fault in answers.faults.items()} == dict.fromkeys(
        (0, 2), "wrong_output_length"
    )


def test_a_function_that_waits_is_awaited_for_each_shape() -> None:
    async def predict(arrays: Any) -> Any:
        await asyncio.sleep(0)
        return arrays["ids"].sum(1)

    model = Stacked(predict, TYPES)
    assert model.is_async
    assert list(asyncio.run(model(batch(rows(2, 3))))) == [1, 3]


def test_other_versions_arrays_are_left_out_and_other_types_changed() -> None:
    model = Stacked(list, {"ids": "int32[-1]", "scale": "float64"})
    [(_, arrays)] = model.groups(batch(rows(2)))
    assert {name: array.dtype for name, array in arrays.items()} == {"ids": np.int32, "scale": np.float64}
    with pytest.raises(ValueError, match="an input lacks the array 'more'"):
        Stacked(list, {**TYPES, "more": "int8"}).groups(batch(rows(2)))
    with pytest.raises(ValueError, match="the array 'scale' is to hold int32"):
        Stacked(list, {"scale": "int32"}).groups(batch(rows(2)))
    with pytest.raises(ValueError, match=r"the array 'ids' is to be int64\[-1,-1\]"):
        Stacked(list, {"ids": "int64[-1,-1]"}).groups(batch(rows(2)))


def test_without_a_signature_inputs_are_as_their_json_is() -> None:
    given: list[dict[str, Any]] = [
        {"a": [1, 2], "b": "x", "c": inputs.as_described(np.array([0.5], np.float32))},
        {"a": [1.5, None], "b": "y", "c": inputs.as_described(np.array([1], np.float32))},
    ]
    first, second = Stacked(list, None).groups(given)
    assert (first[1]["a"].dtype, second[1]["a"].dtype, first[1]["c"].dtype) == (
        np.int64,
        np.float64,
        np.float32,
    )
    assert (first[0], second[0], second[1]["b"].tolist()) == ([0], [1], ["y"])
    assert [places for places, _ in Stacked(list, None).groups([{"a": 1}, {"b": 1}, {"a": 2}])] == [
        [0, 2],
        [1],
    ]


def test_values_of_which_nobody_told_are_pythons_own() -> None:
    odd: list[Any] = [{"x": [[1], [1, 2]], "n": [1]}, {"x": {"y": 1}, "n": [1, 2]}]
    first, second = Stacked(list, {"x": "any", "n": "int8[-1]"}).groups(
        batch(odd, {"x": "any", "n": "int8[-1]"})
    )
    assert (first[1]["x"].tolist(), second[1]["x"].tolist()) == ([odd[0]["x"]], [odd[1]["x"]])


def test_arrays_of_one_shape_are_not_copied_on_their_way_in() -> None:
    tensors = Signature({"a": "float32[2]", "b": "int32[1]"}).of_rows([{"a": [1, 2], "b": [3]}] * 3)
    body = bytearray(b"".join(tensor.data for tensor in tensors))
    found = decode(3, [tensors[0].dtype], [tensors[0].shape], body)
    body[:4] = np.float32(9).tobytes()
    assert found.columns["a"].tolist() == [[9, 2], [1, 2], [1, 2]]
    assert found.columns["b"].tolist() == [[3]] * 3


# Outputs


def raw(outputs: Any, count: int = 2) -> list[Any]:
    found = encode_outputs(outputs, count, range(count))
    assert isinstance(found, Outputs), found
    forms = {i: (shape, dtype) for dtype, shape, places in found.tensors for i in places}
    return [Tensor(data, *forms[i]) for i, data in enumerate(found.body)]


def texts(outputs: Any, count: int = 2) -> list[Any]:
    found = encode_outputs(outputs, count, ())
    assert isinstance(found, Outputs), found
    return [msgspec.json.decode(text) for text in found.body]


SCORES = np.array([[0.5, 0.25], [1, 0]], np.float32)


@pytest.mark.parametrize(
    "outputs",
    [
        {"label": np.array([3, 4]), "scores": SCORES},
        {"label": [3, 4], "scores": list(SCORES)},
        [{"label": np.int64(3), "scores": SCORES[0]}, {"label": np.int64(4), "scores": SCORES[1]}],
    ],
)
def test_a_dictionary_of_arrays_and_a_list_of_such_have_named_outputs(outputs: Any) -> None:
    assert texts(outputs) == [{"label": 3, "scores": [0.5, 0.25]}, {"label": 4, "scores": [1, 0]}]
    for i, tensor in enumerate(raw(outputs)):
        parts = taken_apart(tensor)
        assert {name: (part.dtype, part.shape) for name, part in parts.items()} == {
            "label": ("<i8", ()),
            "scores": ("<f4", (2,)),
        }
        assert as_plain(tensor) == texts(outputs)[i]


def test_named_outputs_may_be_texts_and_bytes() -> None:
    [tensor] = raw({"text": ["é"], "blob": [b"\0"], "tags": [np.array(["a", "b"])], "n": [1]}, 1)
    parts = taken_apart(tensor)
    assert {name: part.dtype for name, part in parts.items()} == {
        **{"text": "str", "blob": "bytes", "tags": "json", "n": "<i8"},
    }
    assert as_plain(tensor) == {"text": "é", "blob": "AA==", "tags": ["a", "b"], "n": 1}


@pytest.mark.parametrize(
    "output",
    [
        *(
            {"label": 3},
            {"label": np.int64(3), "more": {"x": 1}},
            {1: np.int64(2)},
            {1: [2], "a": np.int64(2)},
            {},
        ),
        *({"a": np.int64(1), "b": None}, {"a": np.array("x")}, {"a": np.array([None])}),
        *({"a": np.int64(1), "b": [[1], [1, 2]]}, {"a" * 70_000: np.int64(1)}, {"a": np.zeros((1,) * 40)}),
        {str(i): np.int64(i) for i in range(1001)},
    ],
)
def test_other_dictionaries_are_json_as_ever(output: Any) -> None:
    found = encode_outputs([output], 1, (0,))
    assert isinstance(found, Outputs)
    assert not found.tensors


@pytest.mark.parametrize(
    ("outputs", "reason", "said"),
    [
        ({"a": [1, 2], "b": [1]}, "wrong_output_length", "1 outputs by the name 'b' for 2 inputs"),
        ({"a": 3}, "bad_output", "an int by the name 'a'"),
        ({1: [1, 2]}, "bad_output", "Names are texts"),
        ({}, "bad_output", "a dictionary without outputs"),
    ],
)
def test_a_dictionary_that_fits_no_batch_is_refused(outputs: Any, reason: str, said: str) -> None:
    found = encode_outputs(outputs, 2, ())
    assert isinstance(found, Fault)
    assert found.reason == reason
    assert said in found.message


def test_a_warm_up_tells_the_names_of_outputs() -> None:
    cloudpickle: Any = pytest.importorskip("cloudpickle")
    parts = {"function.pickle": cloudpickle.dumps(lambda a: {"sum": a["ids"].sum(1), "ids": a["ids"]})}
    types = {"ids": "int64[-1]"}
    manifest = Manifest(4, "python", "named", "", "", {}, example_input={"ids": [1, 2]}, columns=types)
    warm = warm_up(load("python", parts, "named", types), manifest, 4)
    assert warm.example == ('[["sum","<i8",0],["ids","<i8",1]]', (2,))
    assert [cost for cost, _ in warm.measured][-1] == 4
