"""The Open Inference Protocol: from bytes to the internal request, and from answers to bytes."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from clipper_container.errors import BadRequest, TooLarge
from clipper_container.inputs import INPUT_TYPES
from clipper_container.tensors import Tensor, array_tensor, decode
from clipper_container.wire import Fault
from clipper_server.query.application import Application
from clipper_server.query.protocols import Response
from clipper_server.query.protocols.open_inference import OpenInferenceProtocol, infer_path, quick
from clipper_server.query.protocols.open_inference.tensors import DATATYPES
from clipper_server.query.request import Answer, Choice, Request
from clipper_server.query.slices import at_once

Array = np.ndarray[Any, Any]
LENGTH = b"inference-header-content-length"
LATE = Fault("deadline", "It came too late.")
NUMBERS = [name for name in DATATYPES if name not in ("BOOL", "FP16")]

# One row for each datatype: numbers that show its width, its sign and the order of its bytes.
EXAMPLES: dict[str, list[Any]] = {
    "BOOL": [True, False, False, True],
    "UINT8": [0, 1, 2, 2**8 - 1],
    "UINT16": [0, 1, 258, 2**16 - 1],
    "UINT32": [0, 1, 258, 2**32 - 1],
    "UINT64": [0, 1, 258, 2**64 - 1],
    "INT8": [-(2**7), -1, 1, 2**7 - 1],
    "INT16": [-(2**15), -1, 258, 2**15 - 1],
    "INT32": [-(2**31), -1, 258, 2**31 - 1],
    "INT64": [-(2**63), -1, 258, 2**63 - 1],
    "FP16": [-0.5, 0.0, 1.5, 65504.0],
    "FP32": [-0.5, 0.0, 1.5, 2.0**100],
    "FP64": [-0.5, 0.0, 0.1, 1e300],
}


def adapter(
    input_type: str = "ndarray", version: str | None = None, default: object = -1
) -> OpenInferenceProtocol:
    application = SimpleNamespace(
        spec=SimpleNamespace(name="m"),
        asks_for_units=False,
        asks_for_contexts=False,
        features=0,
        input_type=INPUT_TYPES[input_type],
        default_output=msgspec.json.encode(default),
        example=lambda _version: None,
        queues=lambda _version: [],
        all_queues=list,
    )
    as_one = cast(Application, application)
    application.outputs = partial(Application.outputs, as_one)
    return OpenInferenceProtocol(as_one, version)


def parse(protocol: OpenInferenceProtocol, body: object, **headers: str) -> Request:
    given = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return protocol.parse(given, body if isinstance(body, bytes) else json.dumps(body).encode())


def tensor(shape: Sequence[int], datatype: str, data: object, **more: object) -> dict[str, Any]:
    return {"name": "x", "shape": list(shape), "datatype": datatype, "data": data, **more}


def ask(kind: str, shape: Sequence[int], datatype: str, data: object, **more: object) -> list[Tensor]:
    request = parse(adapter(kind), {"inputs": [tensor(shape, datatype, data)], **more})
    return list(request.tensors)


def with_binary(
    shape: Sequence[int], datatype: str, data: bytes, **more: object
) -> tuple[dict[bytes, bytes], bytes]:
    """The headers and body of a request with its tensor in binary."""
    parameters = {"binary_data_size": len(data)}
    described = {"name": "x", "shape": list(shape), "datatype": datatype, "parameters": parameters}
    text = json.dumps({"inputs": [described], **more}).encode()
    return {LENGTH: b"%d" % len(text)}, text + data


def ask_binary(kind: str, shape: Sequence[int], datatype: str, data: bytes) -> list[Tensor]:
    return list(adapter(kind).parse(*with_binary(shape, datatype, data)).tensors)


def values(tensors: Sequence[Tensor]) -> list[Any]:
    """The inputs as a model gets them."""
    return [decode(1, [t.dtype], [t.shape], t.data)[0] for t in tensors]


def lists(tensors: Sequence[Tensor]) -> list[Any]:
    return [value.tolist() for value in values(tensors)]


def elements(*texts: bytes) -> bytes:
    """BYTES in binary."""
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


class Told(NamedTuple):
    """A response, read as a client reads it."""

    body: dict[str, Any]
    headers: dict[bytes, bytes]
    datatype: str
    shape: list[int]
    data: Any  # as it came: a list, or bytes

    @property
    def defaults(self) -> Any:
        return self.body["parameters"].get("defaults")


def read(response: Response) -> Told:
    headers = dict(response.headers)
    assert response.status == 200
    assert len(headers) == len(response.headers)
    length = headers.get(LENGTH)
    body = json.loads(response.body if length is None else response.body[: int(length)])
    (output,) = body["outputs"]
    if length is None:
        assert headers[b"content-type"] == b"application/json"
        assert "parameters" not in output
        return Told(body, headers, output["datatype"], output["shape"], output["data"])
    assert headers[b"content-type"] == b"application/octet-stream"
    assert "data" not in output
    rest = response.body[int(length) :]
    assert output["parameters"] == {"binary_data_size": len(rest)}
    return Told(body, headers, output["datatype"], output["shape"], rest)


def answers(*outputs: object) -> list[Answer]:
    """Arrays are raw tensors, a Fault is one for the default output, and all else is JSON."""
    made = []
    for i, output in enumerate(outputs):
        if isinstance(output, Fault):
            made.append(Answer(64 + i, None, output, "1"))
        elif isinstance(output, Tensor):
            made.append(Answer(64 + i, output, None, "1"))
        elif isinstance(output, np.ndarray | np.generic):
            made.append(Answer(64 + i, array_tensor(output), None, "1"))
        else:
            made.append(Answer(64 + i, msgspec.json.encode(output), None, "1"))
    return made


def asked(protocol: OpenInferenceProtocol, binary: bool = False, **more: object) -> Request:
    parameters = {"binary_data_output": binary}
    body = {"inputs": [tensor([1, 1], "FP32", [0])], "parameters": parameters, **more}
    return parse(protocol, body)


def told(*outputs: object, binary: bool = False, default: object = -1) -> Told:
    protocol = adapter(default=default)
    return read(protocol.encode(asked(protocol, binary), answers(*outputs)))


def refusal(kind: str, body: object, **headers: str) -> str:
    with pytest.raises(BadRequest) as caught:
        parse(adapter(kind), body, **headers)
    return str(caught.value)


# Examples of the protocol's own


def test_the_example_of_the_protocol() -> None:
    protocol = adapter("floats")
    body = (
        b'{"id":"42","parameters":{},"inputs":[{"name":"x","shape":[2,2],"datatype":"FP32","parameters":{},'
        b'"data":[1.0,2.0,3.0,4.0]}],"outputs":[{"name":"output"}]}'
    )
    request = protocol.parse({}, body)
    assert lists(request.tensors) == [[1, 2], [3, 4]]
    assert (request.version, request.timeout_s, request.cached, request.raw) == (None, None, True, True)
    response = protocol.encode(request, answers(np.array([3], "<f4"), np.array([7], "<f4")))
    assert (response.status, list(response.headers)) == (200, [(b"content-type", b"application/json")])
    assert json.loads(response.body) == {
        "model_name": "m",
        "model_version": "1",
        "id": "42",
        "parameters": {"query_ids": [64, 65]},
        "outputs": [{"name": "output", "shape": [2, 1], "datatype": "FP32", "data": [3.0, 7.0]}],
    }


def test_the_example_of_the_binary_extension() -> None:
    text = (
        b'{"inputs":[{"name":"x","shape":[2,2],"datatype":"FP32","parameters":{"binary_data_size":16}}],'
        b'"outputs":[{"name":"output","parameters":{"binary_data":true}}]}'
    )
    numbers = struct.pack("<4f", 1, 2, 3, 4)
    protocol = adapter("floats")
    request = protocol.parse({LENGTH: b"%d" % len(text)}, text + numbers)
    assert b"".join(t.data for t in request.tensors) == numbers
    response = protocol.encode(request, answers(np.array([3], "<f4"), np.array([7], "<f4")))
    length = int(dict(response.headers)[LENGTH])
    assert json.loads(response.body[:length])["outputs"] == [
        {"name": "output", "shape": [2, 1], "datatype": "FP32", "parameters": {"binary_data_size": 8}}
    ]
    assert response.body[length:] == struct.pack("<2f", 3, 7)


def test_errors_have_the_body_of_the_protocol() -> None:
    response = adapter().refuse(400, "short", "A sentence.")
    assert (response.status, json.loads(response.body)) == (400, {"error": "A sentence."})


def test_a_model_has_a_path_and_so_has_each_version() -> None:
    assert infer_path("m", None) == "/v2/models/m/infer"
    protocol = adapter(version="2")
    assert infer_path("m", "2") == "/v2/models/m/versions/2/infer"
    assert asked(protocol).version == "2"


# Datatypes


@pytest.mark.parametrize("datatype", [name for name in DATATYPES if name != "FP16"])
def test_each_datatype_comes_as_json_flat_and_nested(datatype: str) -> None:
    row = EXAMPLES[datatype]
    for data in (row, [row[:2], row[2:]]):
        tensors = ask("ndarray", [2, 2], datatype, data)
        assert lists(tensors) == [row[:2], row[2:]]
        assert {t.dtype for t in tensors} == {DATATYPES[datatype]}


@pytest.mark.parametrize("datatype", DATATYPES)
def test_each_datatype_comes_in_binary(datatype: str) -> None:
    row = EXAMPLES[datatype]
    data = np.array(row, DATATYPES[datatype]).tobytes()
    tensors = ask_binary("ndarray", [2, 2], datatype, data)
    assert lists(tensors) == [row[:2], row[2:]]
    assert {t.dtype for t in tensors} == {DATATYPES[datatype]}


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("datatype", DATATYPES)
def test_each_datatype_goes_out(datatype: str, binary: bool) -> None:
    row = np.array(EXAMPLES[datatype], DATATYPES[datatype])
    answer = told(row[:2], row[2:], binary=binary)
    assert (answer.datatype, answer.shape) == (datatype, [2, 2])
    if binary or datatype == "FP16":
        assert answer.data == row.tobytes()
    else:
        assert answer.data == row.tolist()


def test_half_floats_do_not_come_as_json() -> None:
    with pytest.raises(BadRequest, match="FP16 cannot travel as JSON: send it as binary data"):
        ask("ndarray", [1, 1], "FP16", [1.5])


@pytest.mark.parametrize("datatype", ["BF16", "FLOAT", "fp32", ""])
def test_unknown_datatypes_are_refused(datatype: str) -> None:
    with pytest.raises(BadRequest, match=f"there is no datatype {datatype}, only BOOL"):
        ask("floats", [1, 1], datatype, [1])


def test_a_bool_in_binary_is_0_or_1() -> None:
    with pytest.raises(BadRequest, match="a BOOL is one byte, 0 or 1"):
        ask_binary("ndarray", [2], "BOOL", b"\1\2")


# Which datatypes an application takes


@pytest.mark.parametrize("kind", ["floats", "doubles"])
@pytest.mark.parametrize("datatype", NUMBERS)
def test_floats_take_all_numbers(kind: str, datatype: str) -> None:
    for tensors in (
        ask(kind, [1, 2], datatype, [1, 2]),
        ask_binary(kind, [1, 2], datatype, np.array([1, 2], DATATYPES[datatype]).tobytes()),
    ):
        assert lists(tensors) == [[1, 2]]
        assert tensors[0].dtype == INPUT_TYPES[kind].dtype


def test_floats_take_half_floats_in_binary() -> None:
    assert lists(ask_binary("floats", [1, 2], "FP16", np.array([1.5, -2], "<f2").tobytes())) == [[1.5, -2]]


@pytest.mark.parametrize("datatype", [name for name in NUMBERS if "INT" in name])
def test_integers_take_all_whole_numbers(datatype: str) -> None:
    for tensors in (
        ask("integers", [2, 1], datatype, [1, 2]),
        ask_binary("integers", [2, 1], datatype, np.array([1, 2], DATATYPES[datatype]).tobytes()),
    ):
        assert lists(tensors) == [[1], [2]]
        assert tensors[0].dtype == "<i4"


@pytest.mark.parametrize(
    ("kind", "datatype"),
    [("integers", "FP32"), ("integers", "FP64"), ("integers", "BOOL"), ("doubles", "BOOL")],
)
def test_other_kinds_of_numbers_are_refused(kind: str, datatype: str) -> None:
    wants = "INT32" if kind == "integers" else "FP64"
    with pytest.raises(BadRequest, match=f"the datatype is {datatype}, and the inputs are {wants}"):
        ask_binary(kind, [1, 1], datatype, np.ones(1, DATATYPES[datatype]).tobytes())


@pytest.mark.parametrize(
    ("datatype", "number"),
    [
        *((name, EXAMPLES[name][-1] + 1) for name in NUMBERS if "INT" in name),
        *((name, EXAMPLES[name][0] - 1) for name in NUMBERS if "INT" in name),
        ("INT32", 10**400),
        ("FP32", 1e300),
        ("FP32", -1e39),
        ("FP64", 10**400),
    ],
)
def test_numbers_outside_the_datatype_are_refused(datatype: str, number: float) -> None:
    with pytest.raises(BadRequest, match=f"a number lies outside {datatype}"):
        ask("ndarray", [1, 2], datatype, [0, number])


@pytest.mark.parametrize(
    ("kind", "datatype", "number", "told"),
    [
        ("integers", "INT64", 2**31, "outside INT32"),
        ("integers", "INT64", -(2**31) - 1, "outside INT32"),
        ("integers", "UINT64", 2**64 - 1, "outside INT32"),
        ("floats", "FP64", 1e39, "outside FP32"),
    ],
)
def test_numbers_outside_the_applications_type_are_refused(
    kind: str, datatype: str, number: float, told: str
) -> None:
    with pytest.raises(BadRequest, match=told):
        ask(kind, [1, 1], datatype, [number])
    with pytest.raises(BadRequest, match=told):
        ask_binary(kind, [1, 1], datatype, np.array([number], DATATYPES[datatype]).tobytes())


def test_infinities_and_nan_come_in_binary_and_stay() -> None:
    odd = np.array([np.inf, -np.inf, np.nan])
    (found,) = values(ask_binary("floats", [1, 3], "FP64", odd.tobytes()))
    assert np.array_equal(found, odd, equal_nan=True)


@pytest.mark.parametrize("datatype", ["FP32", "FP64"])
def test_null_is_nan_for_floats(datatype: str) -> None:
    assert (
        str(lists(ask("doubles", [2, 2], datatype, [[1.5, None], [None, 2]]))) == "[[1.5, nan], [nan, 2.0]]"
    )


def test_a_byte_order_mark_is_skipped() -> None:
    given = "\ufeff".encode() + msgspec.json.encode({"inputs": [tensor([1, 1], "FP64", [1.5])]})
    for headers in ({}, {LENGTH: b"%d" % len(given)}):
        assert lists(adapter("doubles").parse(headers, given).tensors) == [[1.5]]


def test_large_whole_numbers_are_good_floats() -> None:
    assert lists(ask("doubles", [1, 2], "FP64", [10**20, 2**63])) == [[1e20, 2.0**63]]


@pytest.mark.parametrize(
    ("datatype", "item"),
    [
        ("INT32", 1.0),
        ("INT32", True),
        ("INT32", "1"),
        ("INT32", None),
        ("FP32", True),
        ("FP32", "1"),
        ("FP32", {}),
        ("BOOL", 1),
        ("BOOL", "true"),
    ],
)
def test_data_of_another_kind_is_refused(datatype: str, item: object) -> None:
    with pytest.raises(BadRequest, match=f"the data is not all {datatype}"):
        ask("ndarray", [1, 2], datatype, [True if datatype == "BOOL" else 1, item])


# Shapes


def test_one_dimension_is_one_input_of_numbers() -> None:
    assert lists(ask("doubles", [3], "FP64", [1, 2, 3])) == [[1, 2, 3]]


def test_one_dimension_is_as_many_arrays() -> None:
    tensors = ask("ndarray", [3], "FP64", [1, 2, 3])
    assert lists(tensors) == [1, 2, 3]
    assert tensors[0].shape == ()


def test_arrays_have_any_shape() -> None:
    tensors = ask("ndarray", [2, 1, 2, 3], "UINT8", np.arange(12).reshape(2, 1, 2, 3).tolist())
    assert [t.shape for t in tensors] == [(1, 2, 3)] * 2
    assert lists(tensors) == np.arange(12).reshape(2, 1, 2, 3).tolist()


@pytest.mark.parametrize("kind", ["ndarray", "floats"])
@pytest.mark.parametrize("length", [3, 300])
def test_large_binary_inputs_are_slices_of_the_body(kind: str, length: int) -> None:
    sent = np.arange(2 * length, dtype="<f4").reshape(2, length)
    headers, body = with_binary([2, length], "FP32", sent.tobytes())
    whole = bytearray(body)
    tensors = adapter(kind).parse(headers, whole).tensors
    whole[-4:] = struct.pack("<f", 7)
    if length == 300:
        sent[1, -1] = 7
    assert lists(tensors) == sent.tolist()


@pytest.mark.parametrize(
    ("kind", "shape", "datatype", "data", "said"),
    [
        ("floats", [2, 2], "FP32", [1, 2, 3], "has 4 elements, and the data has 3"),
        ("floats", [], "FP32", [1], r"the shape is \[\]"),
        ("ndarray", [], "FP32", [1], r"the shape is \[\]"),
        ("floats", [1, 1, 1], "FP32", [1], "has 3 dimensions"),
        ("floats", [2, 2], "FP32", [[1, 2], [3]], "nested, but not as the shape"),
        ("floats", [2, 2], "FP32", [[1, 2], 3, 4], "nested, but not as the shape"),
        ("floats", [3, 2], "FP32", [[1, 2, 3], [4, 5, 6]], "nested, but not as the shape"),
        ("floats", [1, 2], "FP32", [[1, [2]]], "not all FP32"),
        ("strings", [2], "BYTES", ["a"], "has 2 elements, and the data has 1"),
        ("strings", [], "BYTES", ["a"], r"the shape is \[\]"),
        ("strings", [1, 2], "BYTES", ["a", "b"], r"the shape is \[1, 2\]"),
        ("strings", [1, 1, 1], "BYTES", ["a"], r"the shape is \[1, 1, 1\]"),
        ("floats", [-1, 2], "FP32", [1, 2], r"Expected `int` >= 0 - at `\$.inputs\[0\].shape\[0\]`"),
        ("floats", [2.5], "FP32", [1, 2], "Expected `int`, got `float`"),
        ("floats", [2**70], "FP32", [1, 2], "Expected `int` <= "),
        ("ndarray", [1] * 33, "FP32", [1], "Expected `array` of length <= 32"),
        ("floats", [1, 1], "FP32", 1, "Expected `array"),
        ("floats", [1, 1], "FP32", "1", "Expected `array"),
        ("ndarray", [10**4, 0], "FP32", [], "several inputs without elements"),
        ("floats", [2, 0], "FP32", [[], []], "several inputs without elements"),
        ("ndarray", [1, 0, 2**62], "FP32", [], "is too large"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(
    kind: str, shape: list[int], datatype: str, data: object, said: str
) -> None:
    with pytest.raises(BadRequest, match=said):
        ask(kind, shape, datatype, data)


@pytest.mark.parametrize("size", [0, 8, 15, 17, 32])
def test_binary_data_of_another_size_than_the_shape_says_is_refused(size: int) -> None:
    with pytest.raises(BadRequest, match=rf"shape \[2, 2\] of float32 needs 16 bytes, not {size}"):
        ask_binary("floats", [2, 2], "FP32", bytes(size))


@pytest.mark.parametrize("kind", ["floats", "ndarray"])
def test_a_request_may_have_no_inputs(kind: str) -> None:
    assert ask(kind, [0, 4], "FP32", []) == []
    assert ask_binary(kind, [0, 4], "FP32", b"") == []
    assert ask("strings", [0], "BYTES", []) == []


@pytest.mark.parametrize("shape", [[1, 0], [1, 0, 3], [1, 2, 0]])
def test_an_input_may_have_no_elements(shape: list[int]) -> None:
    (value,) = values(ask("ndarray", shape, "FP32", []))
    assert value.shape == tuple(shape[1:])
    assert lists(ask("floats", [0], "FP32", [])) == lists(ask("doubles", [1, 0], "FP32", [[]])) == [[]]


def test_the_answer_to_no_inputs_has_no_outputs() -> None:
    answer = told()
    assert (answer.shape, answer.data, answer.body["model_version"]) == ([0], [], "")
    assert told(binary=True).data == b""


@pytest.mark.parametrize(
    ("example", "datatype", "shape"),
    [(None, "INT64", [0]), (("<f4", (3, 2)), "FP32", [0, 3, 2]), (b'"text"', "BYTES", [0])],
)
def test_the_answer_to_no_inputs_is_of_the_known_datatype(
    example: object, datatype: str, shape: list[int]
) -> None:
    protocol = adapter()
    protocol.application.example = lambda _version: example  # type: ignore[method-assign, return-value, assignment]
    for binary in (False, True):
        answer = read(protocol.encode(asked(protocol, binary), []))
        assert (answer.datatype, answer.shape, len(answer.data)) == (datatype, shape, 0)


# Text

TEXTS = ["", "some text", "ünïcode ✓", "a\0b", '"']


@pytest.mark.parametrize("kind", ["strings", "bytes"])
def test_text_comes_both_ways(kind: str) -> None:
    wanted: list[Any] = TEXTS if kind == "strings" else [text.encode() for text in TEXTS]
    column = [[text] for text in TEXTS]
    count = len(TEXTS)
    packed = elements(*(text.encode() for text in TEXTS))
    assert values(ask(kind, [count], "BYTES", TEXTS)) == wanted
    assert values(ask(kind, [count, 1], "BYTES", column)) == wanted
    assert values(ask_binary(kind, [count], "BYTES", packed)) == wanted
    assert values(ask_binary(kind, [count, 1], "BYTES", packed)) == wanted


def test_bytes_that_are_no_text_come_in_binary() -> None:
    odd = b"\xff\0\xfe"
    assert values(ask_binary("bytes", [1], "BYTES", elements(odd))) == [odd]
    with pytest.raises(BadRequest, match="an element is not UTF-8 text"):
        ask_binary("strings", [1], "BYTES", elements(odd))
    with pytest.raises(BadRequest, match="an element is not JSON"):
        ask_binary("json", [1], "BYTES", elements(odd))


def test_json_comes_as_text() -> None:
    wanted = [{"a": [1, None]}, 7, "x"]
    texts = [json.dumps(value) for value in wanted]
    assert values(ask("json", [3], "BYTES", texts)) == wanted
    assert values(ask_binary("json", [3], "BYTES", elements(*(t.encode() for t in texts)))) == wanted
    with pytest.raises(BadRequest, match="an element is not JSON"):
        ask("json", [1], "BYTES", ["{"])
    with pytest.raises(BadRequest, match="nested too deeply"):
        ask("json", [1], "BYTES", ["[" * 100_000])


@pytest.mark.parametrize(
    ("packed", "said"),
    [
        (b"\1", "ends in the middle of an element's length"),
        (elements(b"abc")[:-1], "ends in the middle of an element."),
        (elements(b"abc") + b"\0\0\0", "ends in the middle of an element's length"),
        (b"\xff\xff\xff\xff", "ends in the middle of an element."),
        (b"", "does not have 0 elements"),
        (elements(b"a", b"b"), "does not have 2 elements"),
    ],
)
def test_truncated_elements_are_refused(packed: bytes, said: str) -> None:
    with pytest.raises(BadRequest, match=re.escape(said)):
        ask_binary("bytes", [1], "BYTES", packed)


@pytest.mark.parametrize("item", [1, None, True, {}])
def test_the_data_of_text_is_strings(item: object) -> None:
    with pytest.raises(BadRequest, match="the data of BYTES must be strings"):
        ask("strings", [2], "BYTES", ["a", item])


@pytest.mark.parametrize(
    ("kind", "datatype"), [("strings", "FP32"), ("json", "INT8"), ("bytes", "UINT8"), ("floats", "BYTES")]
)
def test_text_and_numbers_are_not_taken_for_each_other(kind: str, datatype: str) -> None:
    data = ["1"] if datatype == "BYTES" else [1]
    said = f"the datatype is {datatype}. m takes one input tensor"
    assert said in refusal(kind, {"inputs": [tensor([1], datatype, data)]})


def test_arrays_are_not_text() -> None:
    assert "the datatype is BYTES" in refusal("ndarray", {"inputs": [tensor([1], "BYTES", ["1"])]})


# The request around the tensor


@pytest.mark.parametrize("given", ["42", "", "ü", None])
@pytest.mark.parametrize("binary", [False, True])
def test_the_id_is_echoed(given: str | None, binary: bool) -> None:
    protocol = adapter()
    response = protocol.encode(asked(protocol, binary, id=given), answers(1.5))
    assert read(response).body.get("id") == given
    assert ("id" in read(response).body) == (given is not None)


@pytest.mark.parametrize("many", [1, 100])
@pytest.mark.parametrize(
    ("rows", "classes", "expected"),
    [
        ([[0.25, 0.75, 0.5]], 2, ["0.750000:1", "0.500000:2"]),
        ([[0.25, 0.75, 0.5]], 9, ["0.750000:1", "0.500000:2", "0.250000:0"]),
        ([[1, 7], [5, 2]], 1, ["7:1", "5:0"]),
        ([[3, 7, 7, 3]], 4, ["7:1", "7:2", "3:0", "3:3"]),
        ([2.5, 3.5], 1, ["2.500000:0", "3.500000:0"]),
    ],
)
def test_classes_are_the_largest_numbers_and_their_places(
    rows: list[Any], classes: int, expected: list[str], many: int
) -> None:
    protocol = adapter()
    wanted = [{"name": "output", "parameters": {"classification": classes}}]
    request = asked(protocol, outputs=wanted)
    found = answers(*(np.array(row) for row in rows * many))
    for response in (protocol.encode(request, found), at_once(protocol.encode_in_steps(request, found))):
        body = json.loads(b"".join((response.body, *response.rest)))
        (output,) = body["outputs"]
        assert (output["datatype"], output["data"]) == ("BYTES", expected * many)
        assert output["shape"] == [len(rows) * many, len(expected) // len(rows)]


def test_of_no_rows_there_are_no_classes() -> None:
    protocol = adapter()
    request = asked(protocol, outputs=[{"name": "output", "parameters": {"classification": 1}}])
    (output,) = json.loads(protocol.encode(request, []).body)["outputs"]
    assert (output["datatype"], output["data"]) == ("BYTES", [])


def test_an_output_of_another_name_is_refused_where_a_model_has_answered_without_names() -> None:
    protocol = adapter()
    request = asked(protocol, outputs=[{"name": "y"}])
    default = Answer(1, None, Fault("deadline", "It was late."), "1")
    for encode in (protocol.encode, lambda r, a: at_once(protocol.encode_in_steps(r, a))):
        told = encode(request, [default])
        body = json.loads(b"".join((told.body, *told.rest)))
        assert body["outputs"][0]["name"] == "y"  # nobody knows any
        response = encode(request, answers(np.array([1])))
        assert response.status == 400
        assert json.loads(response.body)["error"] == (
            "The request does not fit: there is no output 'y', only output."
        )


def test_texts_have_no_classes() -> None:
    protocol = adapter()
    request = asked(protocol, outputs=[{"name": "output", "parameters": {"classification": 1}}])
    found = answers("a", "b")
    for response in (protocol.encode(request, found), at_once(protocol.encode_in_steps(request, found))):
        assert response.status == 400
        assert "The output is no numbers" in json.loads(response.body)["error"]


def test_the_output_may_be_asked_for_by_its_name() -> None:
    protocol = adapter()
    for outputs in ([{"name": "output"}], [], None):
        response = protocol.encode(asked(protocol, outputs=outputs), answers(1.5))
        assert read(response).body["outputs"][0]["name"] == "output"


@pytest.mark.parametrize(
    ("of_all", "of_one", "binary"),
    [
        (None, None, False),
        (True, None, True),
        (False, None, False),
        (None, True, True),
        (None, False, False),
        (True, False, False),
        (False, True, True),
    ],
)
def test_binary_outputs_are_asked_for(of_all: bool | None, of_one: bool | None, binary: bool) -> None:
    protocol = adapter()
    body = {
        "inputs": [tensor([1, 1], "FP32", [0])],
        "parameters": {} if of_all is None else {"binary_data_output": of_all},
        "outputs": [{"name": "output", "parameters": {} if of_one is None else {"binary_data": of_one}}],
    }
    response = protocol.encode(parse(protocol, body), answers(1.5))
    assert read(response).data == (struct.pack("<d", 1.5) if binary else [1.5])


def test_optional_parts_may_be_null() -> None:
    body = {
        "id": None,
        "parameters": None,
        "outputs": [{"name": "output", "parameters": None}],
        "inputs": [tensor([1, 1], "FP32", [1], parameters=None)],
    }
    assert lists(parse(adapter(), body).tensors) == [[1]]


def test_what_is_not_known_is_passed_over() -> None:
    given = tensor([1, 1], "FP32", [1], parameters={"content_type": "np"})
    body = {"inputs": [given], "parameters": {"priority": 0, "sequence_id": 0, "other": 1}, "model_name": "m"}
    assert lists(parse(adapter(), body).tensors) == [[1]]


ONE = tensor([1, 1], "FP32", [1])


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "Error parsing JSON: Input data was truncated"),
        (b"{", "Error parsing JSON"),
        (b"\xff", "Error parsing JSON"),
        (b'{"inputs": [{"name": "\xff"}]}', "Error parsing JSON"),
        (b"[" * 100_000, "Expected `object`, got `array`"),
        (b'{"inputs": [], "x": ' + b"[" * 100_000, "nested too deeply"),
        (b'{"inputs":[{"name":"x","data":' + b"[" * 100_000, "nested too deeply"),
        ([], "Expected `object`, got `array`"),
        ({}, "missing required field `inputs`"),
        ({"inputs": []}, "it has 0 inputs, and an application takes one tensor"),
        ({"inputs": [ONE, {**ONE, "name": "z"}]}, "it has 2 inputs, and an application takes one tensor"),
        (
            {"inputs": [ONE], "outputs": [{"name": "y"}] * 2},
            "two outputs have one name",
        ),
        ({"inputs": [{**ONE, "name": None}]}, "Expected `str`, got `null` - at `$.inputs[0].name`"),
        ({"inputs": [{"shape": [1], "datatype": "FP32", "data": [1]}]}, "missing required field `name`"),
        ({"inputs": [{"name": "x", "datatype": "FP32", "data": [1]}]}, "missing required field `shape`"),
        ({"inputs": [{"name": "x", "shape": [1], "data": [1]}]}, "missing required field `datatype`"),
        ({"inputs": [{"name": "x", "shape": [1], "datatype": "FP32"}]}, 'must have either "data" or'),
        ({"inputs": [{**ONE, "data": None}]}, 'must have either "data" or'),
        ({"inputs": [{**ONE, "parameters": {"binary_data_size": 4}}]}, 'must have either "data" or'),
        ({"inputs": [{**ONE, "parameters": {"binary_data_size": 0}}]}, 'must have either "data" or'),
        ({"inputs": [{**ONE, "parameters": {"binary_data_size": -1}}]}, "Expected `int` >= 0"),
        ({"inputs": [{**ONE, "parameters": {"binary_data_size": "4"}}]}, "Expected `int | null`, got `str`"),
        ({"inputs": [{**ONE, "parameters": []}]}, "Expected `object | null`, got `array`"),
        ({"inputs": [ONE], "id": 42}, "Expected `str | null`, got `int`"),
        ({"inputs": [ONE], "parameters": {"binary_data_output": 1}}, "Expected `bool | null`, got `int`"),
        (
            {"inputs": [ONE], "outputs": [{"name": "output", "parameters": {"binary_data": "yes"}}]},
            "Expected `bool | null`, got `str`",
        ),
        (
            {"inputs": [ONE], "outputs": [{"name": "output", "parameters": {"classification": -1}}]},
            "Expected `int` >= 0",
        ),
        ({"inputs": [ONE], "parameters": {"priority": 1}}, "requests have no priority"),
        ({"inputs": [ONE], "parameters": {"sequence_id": 7}}, "sequences of them are not kept"),
        ({"inputs": [ONE], "parameters": {"sequence_id": "a"}}, "sequences of them are not kept"),
        ({"inputs": [ONE], "parameters": {"sequence_start": True}}, "sequences of them are not kept"),
        ({"inputs": [ONE], "parameters": {"sequence_end": True}}, "sequences of them are not kept"),
        (
            {"inputs": [{**ONE, "parameters": {"shared_memory_region": "r"}}]},
            "no memory is shared with clients",
        ),
        (
            {"inputs": [ONE], "outputs": [{"name": "output", "parameters": {"shared_memory_region": "r"}}]},
            "no memory is shared with clients",
        ),
    ],
)
def test_a_request_that_is_not_of_the_protocol_is_told_why(body: object, said: str) -> None:
    message = refusal("floats", body)
    assert said in message
    assert message.endswith(
        'm takes one input tensor, {"name": "input", "datatype": "FP32", "shape": [-1, -1], "data": [...]}.'
    )


def test_the_binary_size_is_that_of_what_follows() -> None:
    text = json.dumps(
        {"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "parameters": {"binary_data_size": 4}}]}
    ).encode()
    length = str(len(text))
    for rest in (b"", b"123", b"12345"):
        message = refusal("floats", text + rest, inference_header_content_length=length)
        assert f"{len(rest)} bytes follow the JSON, and binary_data_size is 4" in message
    assert "0 bytes follow the JSON, and binary_data_size is 4" in refusal("floats", text)
    text = json.dumps({"inputs": [ONE]}).encode()
    message = refusal("floats", text + b"1234", inference_header_content_length=str(len(text)))
    assert "4 bytes follow the JSON, and binary_data_size is 0" in message


@pytest.mark.parametrize("length", ["-1", "1.5", "x", "", "1000", "9" * 5000, "²"])
def test_a_header_length_that_cannot_be_is_refused(length: str) -> None:
    message = refusal("floats", {"inputs": [ONE]}, inference_header_content_length=length)
    assert "Inference-Header-Content-Length is" in message


def test_a_header_length_that_cuts_the_json_is_refused() -> None:
    message = refusal("floats", {"inputs": [ONE]}, inference_header_content_length="10")
    assert "Error parsing JSON: Input data was truncated" in message


def test_the_header_length_may_be_the_whole_body() -> None:
    text = json.dumps({"inputs": [ONE]}).encode()
    request = parse(adapter("floats"), text, inference_header_content_length=str(len(text)))
    assert lists(request.tensors) == [[1]]


# Time and cache


def test_a_timeout_is_given_in_microseconds_or_by_header() -> None:
    body = {"inputs": [ONE], "parameters": {"timeout": 20_000}}
    assert parse(adapter(), body).timeout_s == 0.02
    assert parse(adapter(), body, x_request_timeout_seconds="1.5").timeout_s == 1.5
    assert parse(adapter(), {"inputs": [ONE]}, x_request_timeout_seconds="0.1").timeout_s == 0.1
    assert parse(adapter(), {"inputs": [ONE], "parameters": {"timeout": None}}).timeout_s is None


@pytest.mark.parametrize(
    ("timeout", "said"),
    [
        (0, "A timeout must be from 1 to"),
        (-5, "A timeout must be from 1 to"),
        ("5", "Expected `int | null`, got `str` - at `$.parameters.timeout`"),
        (1.5, "Expected `int | null`, got `float`"),
        (True, "Expected `int | null`, got `bool`"),
        (10**400, "Expected `int` <= "),
    ],
)
def test_a_timeout_that_is_none_is_refused(timeout: object, said: str) -> None:
    assert said in refusal("floats", {"inputs": [ONE], "parameters": {"timeout": timeout}})


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "soon", ""])
def test_a_timeout_by_header_that_is_none_is_refused(seconds: str) -> None:
    message = refusal("floats", {"inputs": [ONE]}, x_request_timeout_seconds=seconds)
    assert "X-Request-Timeout-Seconds must be a number above 0" in message


def test_the_cache_can_be_left_out() -> None:
    assert parse(adapter(), {"inputs": [ONE]}).cached
    assert not parse(adapter(), {"inputs": [ONE]}, cache_control="no-cache").cached
    raw = parse(adapter("floats"), b"1234", inference_header_content_length="0", cache_control="no-cache")
    assert not raw.cached


# Raw: the body is the input's bytes


def raw(kind: str, body: bytes, **headers: str) -> Request:
    return parse(adapter(kind), body, inference_header_content_length="0", **headers)


@pytest.mark.parametrize(
    ("kind", "body", "wanted"),
    [
        ("floats", struct.pack("<2f", 1.5, 2), [1.5, 2]),
        ("doubles", struct.pack("<2d", 1.5, 2), [1.5, 2]),
        ("integers", struct.pack("<2i", 1, -2), [1, -2]),
        ("floats", b"", []),
        ("strings", "ü".encode(), "ü"),
        ("strings", b"", ""),
        ("bytes", b"\xff\0", b"\xff\0"),
        ("json", b'{"a": [1]}', {"a": [1]}),
    ],
)
def test_a_raw_body_is_one_input(kind: str, body: bytes, wanted: object) -> None:
    request = raw(kind, body, x_request_timeout_seconds="2")
    (value,) = values(request.tensors)
    assert (value.tolist() if isinstance(value, np.ndarray) else value) == wanted
    assert request.timeout_s == 2


def test_the_answer_to_a_raw_body_is_binary() -> None:
    protocol = adapter("floats")
    request = parse(protocol, b"1234", inference_header_content_length="0")
    answer = read(protocol.encode(request, answers(np.array([1, 2], "<f4"))))
    assert (answer.datatype, answer.shape, answer.data) == ("FP32", [1, 2], struct.pack("<2f", 1, 2))
    assert "id" not in answer.body


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        ("floats", b"12345", r"shape \[1\] of float32 needs 4 bytes, not 5"),
        ("strings", b"\xff", "not UTF-8"),
        ("json", b"", "not JSON"),
        ("json", b"[" * 100_000, "nested too deeply"),
        ("ndarray", b"1234", "bytes alone do not tell their shape"),
    ],
)
def test_a_raw_body_that_does_not_fit_is_refused(kind: str, body: bytes, said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        raw(kind, body)


# Outputs


@pytest.mark.parametrize(
    ("outputs", "datatype", "shape", "data"),
    [
        ([1, 2], "INT64", [2], [1, 2]),
        ([1, 2.5], "FP64", [2], [1, 2.5]),
        ([True, False], "BOOL", [2], [True, False]),
        ([[1, 2], [3, 4]], "INT64", [2, 2], [1, 2, 3, 4]),
        ([[1, 2.5]], "FP64", [1, 2], [1, 2.5]),
        ([[[1], [2]]], "INT64", [1, 2, 1], [1, 2]),
        ([np.array([1, 2], "<u2"), np.array([3, 4], "<u2")], "UINT16", [2, 2], [1, 2, 3, 4]),
        ([np.float32(1.5), 2], "FP64", [2], [1.5, 2]),
        ([np.zeros((2, 0), "<f4")], "FP32", [1, 2, 0], []),
        (["text"], "BYTES", [1], ["text"]),
        (["a", '"b"'], "BYTES", [2], ["a", '"b"']),
        ([["a", "b"]], "BYTES", [1], ['["a","b"]']),
        ([{"a": 1}, 7], "BYTES", [2], ['{"a":1}', "7"]),
        ([None], "BYTES", [1], ["null"]),
        ([[1, None]], "BYTES", [1], ["[1,null]"]),
        ([[1, "a"]], "BYTES", [1], ['[1,"a"]']),
        ([[[1, 2], [3]]], "BYTES", [1], ["[[1,2],[3]]"]),
        ([10**30], "BYTES", [1], [str(10**30)]),
        ([[1, 2], [3]], "BYTES", [2], ["[1,2]", "[3]"]),
        ([np.array([1, 2], "<f4"), np.array([3], "<f4")], "BYTES", [2], ["[1.0,2.0]", "[3.0]"]),
        ([Tensor(b"raw", (3,), "bytes"), Tensor("ü".encode(), (2,), "str")], "BYTES", [2], ["raw", "ü"]),
    ],
)
def test_outputs_become_one_tensor(
    outputs: list[Any], datatype: str, shape: list[int], data: list[object]
) -> None:
    answer = told(*outputs)
    assert (answer.datatype, answer.shape, answer.data) == (datatype, shape, data)
    assert (answer.defaults, answer.headers.get(b"x-default-answer")) == (None, None)
    in_binary = told(*outputs, binary=True)
    assert (in_binary.datatype, in_binary.shape) == (datatype, shape)
    if datatype == "BYTES":
        assert in_binary.data == elements(*(str(text).encode() for text in data))
    else:
        assert np.frombuffer(in_binary.data, DATATYPES[datatype]).tolist() == data


def test_bytes_that_are_no_text_go_out_in_binary() -> None:
    answer = told(Tensor(b"\xff\0", (2,), "bytes"), Tensor(b"text", (4,), "bytes"))
    assert (answer.datatype, answer.shape, answer.data) == ("BYTES", [2], elements(b"\xff\0", b"text"))


def test_what_json_does_not_have_goes_out_as_null() -> None:
    assert told(np.array([np.nan, np.inf, 1], "<f4")).data == [None, None, 1]


def test_an_output_that_cannot_be_read_goes_out_as_it_is() -> None:
    deep = b"[" * 100_000
    protocol = adapter()
    answer = read(protocol.encode(asked(protocol), [Answer(1, deep, None, "1")]))
    assert answer.data == [deep.decode()]


def test_default_outputs_are_marked() -> None:
    answer = told(np.array([1.5, 2.5]), LATE, default=[0, -1])
    assert (answer.datatype, answer.shape, answer.data) == ("FP64", [2, 2], [1.5, 2.5, 0, -1])
    assert answer.defaults == {"1": ["deadline", "It came too late."]}
    assert answer.headers[b"x-default-answer"] == b"deadline"
    assert answer.body["parameters"]["query_ids"] == [64, 65]


@pytest.mark.parametrize(
    ("default", "datatype", "data"),
    [(-1, "INT64", [-1, -1]), ("none", "BYTES", ["none", "none"]), (None, "BYTES", ["null", "null"])],
)
def test_default_outputs_may_be_all(default: object, datatype: str, data: list[object]) -> None:
    answer = told(LATE, Fault("no_replicas", "None."), default=default)
    assert (answer.datatype, answer.data) == (datatype, data)
    assert answer.headers[b"x-default-answer"] == b"deadline, no_replicas"
    assert sorted(answer.defaults) == ["0", "1"]


def test_default_outputs_are_marked_in_binary() -> None:
    answer = told(LATE, binary=True)
    assert answer.data == struct.pack("<q", -1)
    assert answer.headers[b"x-default-answer"] == b"deadline"


@pytest.mark.parametrize(
    ("default", "output"),
    [
        (1.5, ("FP64", [-1])),
        ("-1.0", ("FP64", [-1])),
        ("-1", ("INT64", [-1])),
        ("1,5", ("BYTES", [-1])),
        ("[1]", ("BYTES", [-1])),
        ([[1, 2]], ("INT64", [-1, 1, 2])),
        ("none", ("BYTES", [-1])),
        (None, ("BYTES", [-1])),
    ],
)
def test_outputs_are_told_before_any_answer_by_the_default_output(
    default: object, output: tuple[str, list[int]]
) -> None:
    assert adapter(default=default).described_outputs() == {"output": output}


@pytest.mark.parametrize(
    ("kind", "datatype", "shape"),
    [
        ("integers", "INT32", [-1, -1]),
        ("floats", "FP32", [-1, -1]),
        ("doubles", "FP64", [-1, -1]),
        ("ndarray", "FP32", [-1, -1]),
        ("strings", "BYTES", [-1]),
        ("bytes", "BYTES", [-1]),
        ("json", "BYTES", [-1]),
    ],
)
def test_the_metadata_of_inputs(kind: str, datatype: str, shape: list[int]) -> None:
    [described] = adapter(kind).described_inputs()
    assert described == {"name": "input", "datatype": datatype, "shape": shape}


# Whatever comes

KINDS = st.sampled_from(sorted(INPUT_TYPES))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)


def accepts_or_refuses(kind: str, headers: dict[bytes, bytes], body: bytes) -> None:
    """Any exception but a refusal fails the test, and so does an input that no model could read."""
    try:
        request = adapter(kind).parse(headers, body)
    except (BadRequest, TooLarge) as error:
        assert str(error).endswith(".")  # noqa: PT017 - there may be none
    else:
        values(request.tensors)


@given(KINDS, st.binary(max_size=60), st.none() | st.integers(-1, 60))
def test_any_bytes_are_taken_or_refused(kind: str, body: bytes, length: int | None) -> None:
    accepts_or_refuses(kind, {} if length is None else {LENGTH: b"%d" % length}, body)


@given(KINDS, st.binary(max_size=8), st.binary(max_size=8))
def test_any_headers_are_taken_or_refused(kind: str, length: bytes, seconds: bytes) -> None:
    accepts_or_refuses(kind, {LENGTH: length, b"x-request-timeout-seconds": seconds}, b"1234")


@st.composite
def mutated(draw: st.DrawFn) -> tuple[dict[bytes, bytes], bytes]:
    """A good request with one or two parts replaced, and perhaps some bytes."""
    small = st.integers(-1, 5) | st.sampled_from([2**31, 2**63, 2**64, 10**30, 10**400])
    datatypes = st.sampled_from([*DATATYPES, "BYTES", "BF16"])
    data = draw(st.binary(max_size=24))
    made: dict[str, Any] = tensor([1, 2], "FP32", [1, 2])
    whole: dict[str, Any] = {"inputs": [made], "id": "1", "parameters": {}, "outputs": [{"name": "output"}]}
    made["datatype"] = draw(datatypes)
    made["shape"] = draw(st.lists(small, max_size=4) | st.just([1, 2]))
    if draw(st.booleans()):
        del made["data"]
        made["parameters"] = {"binary_data_size": len(data)}
    else:
        data = b""
        scalars = st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3) | small
        made["data"] = draw(st.lists(scalars, max_size=5) | JSON)
    for place, name in draw(
        st.lists(
            st.tuples(st.just(made), st.sampled_from([*made, "parameters"]))
            | st.tuples(st.just(whole), st.sampled_from([*whole])),
            max_size=2,
        )
    ):
        place[name] = draw(JSON)
    text = json.dumps(whole).encode()
    length = len(text) + draw(st.sampled_from([0, 0, 0, 0, -1, 1]))
    body = bytearray(text + data)
    for place_of in draw(st.lists(st.integers(0, len(body) - 1), max_size=2)):
        body[place_of] = draw(st.integers(0, 255))
    headers = {LENGTH: b"%d" % length} if data or draw(st.booleans()) else {}
    return headers, bytes(body)


@given(KINDS, mutated())
def test_any_change_to_a_request_is_taken_or_refused(
    kind: str, request_: tuple[dict[bytes, bytes], bytes]
) -> None:
    accepts_or_refuses(kind, *request_)


@given(
    st.sampled_from(sorted(DATATYPES)).flatmap(
        lambda name: arrays.arrays(DATATYPES[name], arrays.array_shapes(max_dims=4, max_side=4))
    )
)
def test_a_binary_round_trip_is_exact(array: Array) -> None:
    name = next(name for name, dtype in DATATYPES.items() if dtype == array.dtype.str)
    protocol = adapter()
    more = {"parameters": {"binary_data_output": True}}
    request = protocol.parse(*with_binary(array.shape, name, array.tobytes(), **more))
    outputs = [np.asarray(value) for value in values(request.tensors)]
    answer = read(protocol.encode(request, answers(*outputs)))
    assert (answer.datatype, answer.shape, answer.data) == (name, [*array.shape], array.tobytes())


@given(st.lists(st.binary(max_size=8), min_size=1, max_size=5))
def test_a_binary_round_trip_of_bytes_is_exact(texts: list[bytes]) -> None:
    protocol = adapter("bytes")
    more = {"parameters": {"binary_data_output": True}}
    request = protocol.parse(*with_binary([len(texts)], "BYTES", elements(*texts), **more))
    outputs = [Tensor(text, (len(text),), "bytes") for text in values(request.tensors)]
    answer = read(protocol.encode(request, answers(*outputs)))
    assert (answer.datatype, answer.shape, answer.data) == ("BYTES", [len(texts)], elements(*texts))


@given(
    arrays.arrays(
        "<f4",
        arrays.array_shapes(max_dims=3, max_side=4),
        elements=st.floats(allow_nan=False, allow_infinity=False, width=32),
    )
)
def test_a_round_trip_over_json_is_exact(array: Array) -> None:
    protocol = adapter()
    request = parse(protocol, {"inputs": [tensor(array.shape, "FP32", array.tolist())]})
    outputs = [np.asarray(value) for value in values(request.tensors)]
    answer = read(protocol.encode(request, answers(*outputs)))
    assert answer.shape == [*array.shape]
    assert np.array_equal(np.array(answer.data, "<f4"), array.reshape(-1))


BINARY = {"binary_data": True}
ROWS_OF = [
    ("doubles", [1, 3], "FP64", [1, 2.5, -0.0], {}),
    ("doubles", [2, 2], "FP64", [1.0, 2.0, 1e308, 5e-324], {"id": 'a"b'}),
    ("floats", [2, 1], "FP32", [1.5, 3], {"outputs": [{"name": "output"}]}),
    ("floats", [1, 1], "FP32", [1e39], {}),
    ("integers", [1, 2], "INT32", [-(2**31), 2**31 - 1], {"parameters": {"timeout": 5000}}),
    ("integers", [1, 1], "INT32", [2**31], {}),
    ("doubles", [1, 2], "FP32", [1.5, 2.5], {}),
    ("doubles", [1, 2], "FP64", [[1.5, 2.5]], {}),
    ("doubles", [2, 2], "FP64", [[1.5, 2], [3, 4.5]], {}),
    ("doubles", [2, 2], "FP64", [[1.5, 2], 3, 4.5], {}),
    ("doubles", [2, 2], "FP64", [1.5, 2, [3, 4.5]], {}),
    ("doubles", [1, 4], "FP64", [[1.5, 2], [3, 4.5]], {}),
    ("doubles", [2, 2], "FP64", [[1.5, 2], [3]], {}),
    ("doubles", [2], "FP64", [1.5, 2.5], {}),
    ("doubles", [1, 3], "FP64", [1.5, 2.5], {}),
    ("doubles", [0, 3], "FP64", [], {}),
    ("doubles", [-1, -2], "FP64", [1.0, 2.0], {}),
    ("doubles", [1, 1], "FP64", [True], {}),
    ("doubles", [1, 1], "FP64", [None], {}),
    ("doubles", [1, 1], "FP64", [1.0], {"parameters": {"binary_data_output": True}}),
    (
        "doubles",
        [1, 1],
        "FP64",
        [1.0],
        {"outputs": [{"name": "output", "parameters": {"binary_data": True}}]},
    ),
    ("doubles", [1, 1], "FP64", [1.0], {"parameters": {"sequence_id": 7}}),
    ("doubles", [1, 1], "FP64", [1.0], {"parameters": {"classification": 7}}),
]


@pytest.mark.parametrize("row", ROWS_OF, ids=str)
def test_what_is_read_quickly_is_read_as_all_else_is(row: tuple[str, Any, str, Any, dict[str, Any]]) -> None:
    kind, shape, datatype, data, more = row
    found = []
    for quickly in (True, False):
        protocol = adapter(kind)
        if not quickly:
            protocol._quick = None
        try:
            request = parse(protocol, {"inputs": [tensor(shape, datatype, data)], **more})
            tensors = [(bytes(t.data), tuple(t.shape), t.dtype) for t in request.tensors]
            found.append((tensors, request.form, request.timeout_s))
        except BadRequest as error:
            found.append(str(error))  # type: ignore[arg-type]
    assert found[0] == found[1]


OUTPUTS = [
    [np.int64(3)],
    [np.float32(0.1), np.float32(np.inf)],
    [np.array([1.5, np.nan])] * 3,
    [np.array([[True, False]])],
    [np.zeros((0,))] * 2,
    [np.uint8(255), np.int64(1)],
    [np.float16(1.5)],
    [np.zeros(1000)],
    [b"text"],
    ["text", np.int64(3)],
    [np.int64(i) for i in range(100)],
]


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("found", OUTPUTS, ids=lambda found: str(found)[:30])
@pytest.mark.parametrize("more", [{}, {"id": "é"}, {"outputs": [{"name": "output"}]}], ids=str)
def test_what_is_written_quickly_is_written_as_all_else_is(
    found: list[Any], more: dict[str, Any], many: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []
    for quickly in (True, False):
        protocol = adapter("doubles")
        request = parse(protocol, {"inputs": [ONE_DOUBLE], **more})
        if not quickly:
            monkeypatch.setattr(quick, "whole", lambda _: None)  # by which `written` goes, too
        given = answers(*found)
        response = (
            at_once(protocol.encode_in_steps(request, given)) if many else protocol.encode(request, given)
        )
        body = b"".join((response.body, *response.rest))
        told.append((response.status, dict(response.headers), body))
    assert told[0] == told[1]


@pytest.mark.parametrize(
    "more", [{"choice": Choice("m:2", None, 1, 1)}, {"token": "t"}, {"partial": True}], ids=str
)
def test_what_there_is_more_to_say_of_is_not_written_quickly(more: dict[str, Any]) -> None:
    protocol = adapter("doubles")
    request = parse(protocol, {"inputs": [ONE_DOUBLE]})
    plain, said = answers(np.int64(1)), [msgspec.structs.replace(*answers(np.int64(1)), **more)]
    assert quick.written("m", request.form, plain) is not None
    assert quick.written("m", request.form, said) is None
    parameters = json.loads(protocol.encode(request, said).body)["parameters"]
    assert parameters.keys() - {"query_ids"}


ONE_DOUBLE = tensor([1, 1], "FP64", [1.0])
