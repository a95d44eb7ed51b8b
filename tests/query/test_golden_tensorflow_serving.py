"""TensorFlow Serving's documented requests, and what it answers them: JSON by what it says, not by its bytes.

Rows are from its documentation, its tests and its code. A model of ours stands behind them, half_plus_two or
one with several inputs; no port is open.
"""

from __future__ import annotations

import json
import sys
from typing import Any, NamedTuple

import numpy as np
import pytest

from clipper_container.tensors import array_tensor
from clipper_container.wire import Fault
from clipper_server.query.cors import CORS
from clipper_server.query.protocols.tensorflow_serving import rest, writing
from clipper_server.query.protocols.tensorflow_serving.refusals import HTTP
from clipper_server.query.protocols.tensorflow_serving.rpc import TensorFlowServing
from clipper_server.query.slices import at_once
from tests.support.serving import Fakes, application, post, served, tell

NAN, INF = float("nan"), float("inf")


def half(plus: float) -> Any:
    return lambda given: [np.float32(x.item() / 2 + plus) if x.size == 1 else x / 2 + plus for x in given]


def two_outputs(rows: list[Any]) -> list[Any]:
    return [{"o1": row["a"] * 2, "o2": row["b"].upper()} for row in rows]


HALF = application("half", "floats", {"123": half(2), "124": half(3)}, example=np.float32(0), default=-1)
PLUS_TWO = application("half_plus_two", "floats", {"123": half(2)}, example=np.float32(0))
FLOATS = application("floats_in_rows", "floats", {"1": lambda given: given})
ARRAYS = application("arrays", "ndarray", {"1": lambda given: given})
TEXTS = application("texts", "strings", {"1": lambda given: [text.upper() for text in given]})
BYTES = application("blobs", "bytes", {"1": lambda given: [data[::-1] for data in given]}, example=b"x")
FRAME = application(
    "frame",
    "dataframe",
    {"1": two_outputs, "beta": two_outputs},
    columns={"a": "float64", "b": "text"},
    current="1",
)
CLASSES = application(
    "classes",
    "dataframe",
    {"1": lambda rows: [{"label1": 0.5, "label2": 0.3} for _ in rows]},
    columns={"x": "float64"},
)
NAMES = application("names", "floats", {"1": lambda given: [np.array([0.25, 0.75], "<f4") for _ in given]})
ECHO = application("echo", "doubles", {"1": lambda given: [x[0] for x in given]})
LATE = application(
    "late", "floats", {"1": lambda given: [Fault("deadline", "It was late.")] * len(given)}, default=-1
)
ABSENT = application("absent", "floats", {"7": half(2), "8": half(2)}, absent=["8"])
ODD = application("odd", "floats", {"v2": half(2)})
LABELS = {"half": {"stable": "123", "canary": "124"}, "frame": {"beta": "beta"}, "odd": {"only": "v2"}}
SERVED = served(
    *(HALF, PLUS_TWO, FLOATS, ARRAYS, TEXTS, BYTES, FRAME, CLASSES, NAMES, ECHO, LATE, ABSENT, ODD),
    labels=LABELS,
)


def ask(method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, dict[bytes, bytes]]:
    """Status, JSON and headers."""
    protocol = TensorFlowServing(SERVED)
    if method == "POST":
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        found = post(protocol.routes, path, text, {k.replace("_", "-"): v for k, v in headers.items()})
        if found is not None:
            return found.status, json.loads(found.body), dict(found.all_headers())
    return *tell(protocol.app, method, path), {}


def equal(one: Any, other: Any) -> bool:
    """NaN is NaN, and 3 is not 3.0."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(equal, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    return type(one) is type(other) and (one == other or (one != one and other != other))


class Row(NamedTuple):
    path: str
    body: Any
    answer: Any


ANSWERS = [
    # Rows and columns
    Row(
        "half:predict",
        {"signature_name": "serving_default", "instances": [1.0, 2.0, 5.0]},
        {"predictions": [3.5, 4.0, 5.5]},
    ),
    Row("half_plus_two:predict", {"inputs": [3.0, 4.0]}, {"outputs": [3.5, 4.0]}),
    Row("half_plus_two:predict", {"instances": [3]}, {"predictions": [3.5]}),
    Row("half_plus_two:predict", {"instances": [[3.0], [4.0]]}, {"predictions": [3.5, 4.0]}),
    Row("half_plus_two:predict", {"inputs": [[3.0], [4.0]]}, {"outputs": [3.5, 4.0]}),
    Row(
        "half_plus_two:predict", {"instances": [{"input": 3.0}, {"input": 4.0}]}, {"predictions": [3.5, 4.0]}
    ),
    Row("half_plus_two:predict", {"inputs": {"input": [3.0, 4.0]}}, {"outputs": [3.5, 4.0]}),
    Row("half_plus_two:predict", {"inputs": []}, {"outputs": []}),
    Row(
        "floats_in_rows:predict", {"instances": [[1, 2], [3, 4.5]]}, {"predictions": [[1.0, 2.0], [3.0, 4.5]]}
    ),
    Row("floats_in_rows:predict", {"inputs": [[1, 2], [3, 4.5]]}, {"outputs": [[1.0, 2.0], [3.0, 4.5]]}),
    Row(
        "frame:predict",
        {"instances": [{"a": 1, "b": "x"}, {"a": 3, "b": "y"}]},
        {"predictions": [{"o1": 2.0, "o2": "X"}, {"o1": 6.0, "o2": "Y"}]},
    ),
    Row(
        "frame:predict",
        {"inputs": {"a": [1, 3], "b": ["x", "y"]}},
        {"outputs": {"o1": [2.0, 6.0], "o2": ["X", "Y"]}},
    ),
    Row(
        "frame:predict",
        {"inputs": {"a": [[1], [3]], "b": ["x", {"b64": "eQ=="}]}},
        {"outputs": {"o1": [2.0, 6.0], "o2": ["X", "Y"]}},
    ),
    Row("arrays:predict", {"instances": [[[1, 2], [3, 4]]]}, {"predictions": [[[1, 2], [3, 4]]]}),
    Row("arrays:predict", {"inputs": [[[1, 2], [3, 4.5]]]}, {"outputs": [[[1.0, 2.0], [3.0, 4.5]]]}),
    # Texts and bytes
    Row("texts:predict", {"instances": ["hello", {"b64": "aGVsbG8="}]}, {"predictions": ["HELLO", "HELLO"]}),
    Row("texts:predict", {"inputs": {"b64": "aGVsbG8="}}, {"outputs": ["HELLO"]}),
    Row("blobs:predict", {"instances": [{"b64": "aGVsbG8="}]}, {"predictions": [{"b64": "b2xsZWg="}]}),
    Row("blobs:predict", {"instances": ["hello"]}, {"predictions": [{"b64": "b2xsZWg="}]}),
    # Numbers
    Row("echo:predict", b'{"instances": [NaN, Infinity, -Infinity]}', {"predictions": [NAN, INF, -INF]}),
    Row("echo:predict", b'{"inputs": [NaN, 1]}', {"outputs": [NAN, 1.0]}),
    Row("floats_in_rows:predict", b'{"instances": [[NaN, 0.1]]}', {"predictions": [[NAN, 0.1]]}),
    Row(
        "floats_in_rows:predict",
        {"instances": [[0.1, 1e-7, 3e38, 16777216, 0.12345678]]},
        {"predictions": [[0.1, 1e-07, 3e38, 16777216.0, 0.123456784]]},
    ),
    # What is there besides
    Row("half:predict", b'{"instances": [1.0]} and more', {"predictions": [3.5]}),
    Row("half:predict", b'\xef\xbb\xbf {"instances": [1.0]}', {"predictions": [3.5]}),
    Row("half:predict", {"instances": [1.0], "something": "else"}, {"predictions": [3.5]}),
    # Versions, labels and spellings
    Row("half/versions/123:predict", {"instances": [1.0]}, {"predictions": [2.5]}),
    Row("half/versions/0123:predict", {"instances": [1.0]}, {"predictions": [2.5]}),
    Row("half/labels/stable:predict", {"instances": [1.0]}, {"predictions": [2.5]}),
    Row("half/labels/canary:predict", {"instances": [1.0]}, {"predictions": [3.5]}),
    Row(
        "frame/labels/beta:predict",
        {"instances": [{"a": 1, "b": "x"}]},
        {"predictions": [{"o1": 2.0, "o2": "X"}]},
    ),
    Row("h%61lf/LABELS/st%61ble:PREDICT", {"instances": [1.0]}, {"predictions": [2.5]}),
    # Classify and regress
    Row(
        "half:regress",
        {"signature_name": "serving_default", "context": {"c": 1}, "examples": [{"c": 80.0}]},
        {"results": [43.0]},
    ),
    Row("half:regress", {"examples": [{"x": 80.0}, {"x": [80.0]}]}, {"results": [43.0, 43.0]}),
    Row(
        "classes:classify",
        {"context": {"x": 1.0}, "examples": [{}, {"x": 80.0}]},
        {"results": [[["label1", 0.5], ["label2", 0.3]]] * 2},
    ),
    Row("names:classify", {"examples": [{"x": 1.0}]}, {"results": [[["", 0.25], ["", 0.75]]]}),
    Row("texts:classify", {"examples": [{"x": "cat"}]}, {"results": [[["CAT", 1.0]]]}),
]


@pytest.mark.parametrize("row", ANSWERS, ids=lambda row: f"{row.path} {str(row.body)[:60]}")
def test_answers(row: Row) -> None:
    status, answer, headers = ask("POST", f"/v1/models/{row.path}", row.body)
    assert status == 200, answer
    assert equal(answer, row.answer), answer
    assert headers[b"content-type"] == b"application/json"


class Refusal(NamedTuple):
    method: str
    path: str
    body: Any
    status: int
    says: str


LISTS = (
    "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
    "tensorinfo_map"
)
REFUSALS = [
    # Paths
    Refusal("GET", "/v1/models/m:predict", None, 400, "Malformed request: GET /v1/models/m:predict"),
    Refusal("POST", "/v1/models/half/metadata", {}, 400, "Malformed request: POST /v1/models/half/metadata"),
    Refusal("POST", "/v1/models/half", {}, 400, "Malformed request: POST /v1/models/half"),
    Refusal(
        "GET", "/v1/models/half/version/50", None, 400, "Malformed request: GET /v1/models/half/version/50"
    ),
    Refusal("GET", "/v1/models/half/versions/HELLO", None, 400, "Malformed request: "),
    Refusal("POST", "/v1/models/half/versions/HELLO:predict", {}, 400, "Malformed request: "),
    Refusal("POST", "/v1/models/half/versions/123/labels/stable:predict", {}, 400, "Malformed request: "),
    Refusal("GET", "/v1/models/half/versions/123/labels/stable", None, 400, "Malformed request: "),
    Refusal("DELETE", "/v1/models/half", None, 400, "Malformed request: DELETE /v1/models/half"),
    Refusal("OPTIONS", "/v1/models/half:predict", None, 400, "Malformed request: OPTIONS "),
    Refusal("GET", "/v1/models", None, 400, "Missing model name in request."),
    Refusal("GET", f"/v1/models/half/versions/{2**63}", None, 400, f"Failed to convert version: {2**63}"),
    Refusal("POST", f"/v1/models/half/versions/{'9' * 5000}:predict", {}, 400, "Failed to convert version: "),
    Refusal("GET", "/elsewhere", None, 404, "There is nothing at /elsewhere"),
    # Models, versions, labels
    Refusal(
        "POST",
        "/v1/models/other:predict",
        {"instances": [1]},
        404,
        "Servable not found for request: Latest(other)",
    ),
    Refusal(
        "POST",
        "/v1/models/half/versions/50:predict",
        {"instances": [1]},
        404,
        "Servable not found for request: Specific(half, 50)",
    ),
    Refusal(
        "POST",
        "/v1/models/half/labels/X:predict",
        {"instances": [1]},
        400,
        "Unrecognized servable version label: X",
    ),
    Refusal("POST", "/v1/models/odd/versions/2:predict", {"instances": [1]}, 404, "Specific(odd, 2)"),
    Refusal("GET", "/v1/models/X", None, 404, "Could not find any versions of model X"),
    Refusal("GET", "/v1/models/odd", None, 404, "Could not find any versions of model odd"),
    Refusal("GET", "/v1/models/half/versions/50", None, 404, "Could not find version 50 of model half"),
    Refusal("GET", "/v1/models/half/labels/X", None, 400, "Unrecognized servable version label: X"),
    Refusal("GET", "/v1/models/other/metadata", None, 404, "Servable not found for request: Latest(other)"),
    # JSON
    Refusal("POST", "half:predict", b"", 400, "JSON Parse error: The document is empty"),
    Refusal("POST", "half:predict", b" \n", 400, "JSON Parse error: The document is empty"),
    Refusal("POST", "half:predict", b"x", 400, "JSON Parse error: Invalid value. at offset: 0"),
    Refusal(
        "POST",
        "half:predict",
        b'{"instances": [1, x]}',
        400,
        "JSON Parse error: Invalid value. at offset: 18",
    ),
    Refusal("POST", "half:predict", b'{"instances": [1', 400, "JSON Parse error: Missing a comma"),
    Refusal(
        "POST",
        "half:predict",
        b"{instances",
        400,
        "JSON Parse error: Missing a name for object member. at offset: 1",
    ),
    Refusal("POST", "half:predict", b'{"instances" 1', 400, "JSON Parse error: Missing a colon"),
    Refusal(
        "POST",
        "half:predict",
        b'{"inst',
        400,
        "JSON Parse error: Missing a closing quotation mark in string.",
    ),
    Refusal(
        "POST",
        "half:predict",
        b'{"\xff": 1}',
        400,
        "JSON Parse error: Invalid encoding in string. at offset: 2",
    ),
    Refusal("POST", "half:predict", b"[" * 100_000, 400, "JSON Parse error: It is nested too deeply."),
    Refusal(
        "POST",
        "half:predict",
        b'{"instances": [%b]}' % (b"9" * 5000),
        400,
        "JSON Parse error: Number too big",
    ),
    Refusal("POST", "half:predict", b'{"x": "\\ud800"}', 400, "The surrogate pair in string is invalid."),
    Refusal(
        "POST",
        "half:predict",
        b'{"instances": [1], "signature_name": "\\uD800"}',
        400,
        "The surrogate pair in string is invalid.",
    ),
    Refusal("POST", "half:predict", [1], 400, "JSON Value: [1] Is not object"),
    # What there has to be
    Refusal("POST", "half:predict", {}, 400, "Missing 'inputs' or 'instances' key"),
    Refusal(
        "POST",
        "half:predict",
        {"instances": [1], "inputs": [1]},
        400,
        "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist",
    ),
    Refusal("POST", "half:predict", {"instances": 1}, 400, "Expecting 'instances' to be an list/array"),
    Refusal("POST", "half:predict", {"instances": []}, 400, "No values in 'instances' array"),
    Refusal(
        "POST",
        "half:predict",
        {"signature_name": 5, "instances": [1]},
        400,
        "'signature_name' key must be a string value.",
    ),
    Refusal(
        "POST",
        "half:predict",
        {"signature_name": "x", "instances": [1]},
        400,
        'Serving signature name: "x" not found in signature def',
    ),
    # Types and shapes
    Refusal(
        "POST",
        "half:predict",
        {"instances": ["a"]},
        400,
        'JSON Value: "a" Type: String is not of expected type: float',
    ),
    Refusal("POST", "half:predict", {"instances": [True]}, 400, "Type: True is not of expected type: float"),
    Refusal("POST", "half:predict", {"instances": [None]}, 400, "Type: Null is not of expected type: float"),
    Refusal(
        "POST",
        "half:predict",
        {"instances": [1e40]},
        400,
        "Cannot convert JSON value: 1e+40 to float without loss",
    ),
    Refusal("POST", "texts:predict", {"instances": [1]}, 400, "Type: Number is not of expected type: string"),
    Refusal("POST", "texts:predict", {"instances": [{"b64": "="}]}, 400, "Unable to base64 decode"),
    Refusal("POST", "arrays:predict", {"instances": [["a"]]}, 400, "is not of expected type: float"),
    Refusal("POST", "half:predict", {"instances": [[1, 2], [3]]}, 400, "Expecting tensor size: 2 but got: 1"),
    Refusal("POST", "half:predict", {"instances": [[1, 2], 3]}, 400, "Expecting tensor size: 2 but got: 1"),
    Refusal("POST", "half:predict", {"instances": [[1], 3]}, 400, "Expecting shape [1] but got: []"),
    Refusal(
        "POST",
        "arrays:predict",
        {"instances": [[[1, 2]], [[1], [2]]]},
        400,
        "Expecting shape [1,2] but got: [2,1]",
    ),
    Refusal(
        "POST",
        "half:predict",
        {"inputs": [[1, 2], [3]]},
        400,
        "Encountered list at unexpected size: 1 at level: 1 expected size: 2",
    ),
    Refusal("POST", "half:predict", {"inputs": [[1], 2]}, 400, "found at incorrect level: 2 in the JSON DOM"),
    Refusal(
        "POST",
        "half:predict",
        {"inputs": [1, [2]]},
        400,
        "Encountered list at unexpected level: 1 expected < 1",
    ),
    Refusal("POST", "half:predict", {"inputs": 1}, 400, "its first dimension counts the inputs"),
    Refusal("POST", "half:predict", {"instances": [[[1]]]}, 400, "it is to be [n, m]"),
    # Names
    Refusal(
        "POST", "half:predict", {"inputs": {"x": [1]}}, 400, "Missing named input: input in 'inputs' object."
    ),
    Refusal("POST", "half:predict", {"instances": [{"x": 1}]}, 400, "keys must be equal to: input"),
    Refusal(
        "POST", "half:predict", {"instances": [1, {"input": 1}]}, 400, "got object at item 1 of input list"
    ),
    Refusal(
        "POST", "half:predict", {"instances": [{"input": 1}, 1]}, 400, "got list at item 1 of input list"
    ),
    Refusal(
        "POST", "frame:predict", {"inputs": {"a": [1]}}, 400, "Missing named input: b in 'inputs' object."
    ),
    Refusal(
        "POST", "frame:predict", {"inputs": [1]}, 400, "inputs is a plain value/list, but expecting an object"
    ),
    Refusal("POST", "frame:predict", {"instances": [1.0]}, 400, LISTS),
    Refusal(
        "POST",
        "frame:predict",
        {"instances": [{"a": 1}]},
        400,
        "Failed to process element: 0 of 'instances' list. JSON object: {\"a\": 1} keys must be equal to: "
        "a,b",
    ),
    Refusal(
        "POST",
        "frame:predict",
        {"instances": [{"a": 1, "b": "x", "c": 1}]},
        400,
        "keys must be equal to: a,b",
    ),
    Refusal("POST", "frame:predict", {"instances": [{"a": "x", "b": "x"}]}, 400, "column 'a' holds numbers"),
    Refusal("POST", "frame:predict", {"inputs": {"a": [1], "b": ["x", "y"]}}, 400, "not lists of one length"),
    # Examples
    Refusal("POST", "half:regress", {}, 400, "key 'examples' is expected and was not found"),
    Refusal("POST", "half:regress", {"examples": 1}, 400, "Expecting 'examples' value to be an list/array"),
    Refusal("POST", "half:regress", {"examples": []}, 400, "'examples' value is an empty array"),
    Refusal(
        "POST", "half:regress", {"examples": [1]}, 400, "Example must be JSON object but got JSON Number"
    ),
    Refusal(
        "POST",
        "half:regress",
        {"examples": [{"x": None}]},
        400,
        "Feature: x has element with unexpected JSON type: Null",
    ),
    Refusal(
        "POST",
        "half:regress",
        {"examples": [{"x": [1.0, "a"]}]},
        400,
        "Unexpected element type in feature: x expecting type: float",
    ),
    Refusal("POST", "half:regress", {"examples": [{"x": 2**63}]}, 400, "Only int64 is supported."),
    Refusal("POST", "half:regress", {"examples": [{"x": 1.0, "y": 1.0}]}, 400, "the signature has one input"),
    Refusal(
        "POST", "texts:regress", {"examples": [{"x": "a"}]}, 400, "is not a number: ask for it by predict"
    ),
    Refusal(
        "POST",
        "frame:classify",
        {"examples": [{"a": 1, "b": "x"}]},
        400,
        "is not a score: ask for it by predict",
    ),
]


@pytest.mark.parametrize(
    "row", REFUSALS, ids=lambda row: f"{row.method} {row.path[:60]} {str(row.body)[:60]}"
)
def test_refusals(row: Refusal) -> None:
    path = row.path if row.path.startswith("/") else f"/v1/models/{row.path}"
    status, answer, _ = ask(row.method, path, row.body)
    assert list(answer) == ["error"]
    assert row.says in answer["error"]
    assert status == row.status


def test_statuses_by_code() -> None:
    by_status = {200: "OK", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND"}
    by_status |= {429: "RESOURCE_EXHAUSTED", 499: "CANCELLED", 501: "UNIMPLEMENTED", 503: "UNAVAILABLE"}
    by_status |= {504: "DEADLINE_EXCEEDED"}
    assert all(HTTP[code] == status for status, code in by_status.items())
    assert [c for c, s in HTTP.items() if s == 400] == [
        "INVALID_ARGUMENT",
        "FAILED_PRECONDITION",
        "OUT_OF_RANGE",
    ]
    assert [c for c, s in HTTP.items() if s == 409] == ["ALREADY_EXISTS", "ABORTED"]
    assert [c for c, s in HTTP.items() if s == 500] == ["UNKNOWN", "INTERNAL", "DATA_LOSS"]
    assert len(HTTP) == 17


def state(version: str, state: str = "AVAILABLE") -> dict[str, Any]:
    return {"version": version, "state": state, "status": {"error_code": "OK", "error_message": ""}}


@pytest.mark.parametrize(
    ("path", "states"),
    [
        ("half", [state("124"), state("123")]),
        ("half/versions/123", [state("123")]),
        ("half/labels/stable", [state("123")]),
        ("HALF".lower(), [state("124"), state("123")]),
        ("frame", [state("1")]),
        ("odd/labels/only", [state("v2")]),
        ("absent", [state("8", "LOADING"), state("7")]),
    ],
)
def test_states(path: str, states: list[Any]) -> None:
    assert ask("GET", f"/v1/models/{path}")[:2] == (200, {"model_version_status": states})


def entry(name: str, dtype: str, shape: list[int] | None) -> dict[str, Any]:
    dims = [{"size": str(size), "name": ""} for size in shape or ()]
    return {
        "dtype": dtype,
        "tensor_shape": {"dim": dims, "unknown_rank": shape is None},
        "name": f"{name}:0",
    }


@pytest.mark.parametrize(
    ("model", "version", "inputs", "outputs"),
    [
        ("half", "124", {"input": ("DT_FLOAT", [-1, -1])}, {"output": ("DT_FLOAT", [-1])}),
        ("half/versions/123", "123", {"input": ("DT_FLOAT", [-1, -1])}, {"output": ("DT_FLOAT", [-1])}),
        ("echo", "1", {"input": ("DT_DOUBLE", [-1, -1])}, {"output": ("DT_STRING", [-1])}),
        ("arrays", "1", {"input": ("DT_FLOAT", None)}, {"output": ("DT_STRING", [-1])}),
        ("blobs", "1", {"input": ("DT_STRING", [-1])}, {"output_bytes": ("DT_STRING", [-1])}),
        ("frame", "1", {"a": ("DT_DOUBLE", [-1]), "b": ("DT_STRING", [-1])}, {"output": ("DT_STRING", [-1])}),
    ],
)
def test_metadata(model: str, version: str, inputs: Any, outputs: Any) -> None:
    status, answer, _ = ask("GET", f"/v1/models/{model}/metadata")
    assert status == 200
    name = model.partition("/")[0]
    assert answer["model_spec"] == {"name": name, "signature_name": "", "version": version}
    assert answer["metadata"] == {
        "signature_def": {
            "signature_def": {
                "serving_default": {
                    "inputs": {key: entry(key, *of) for key, of in inputs.items()},
                    "outputs": {key: entry(key, *of) for key, of in outputs.items()},
                    "method_name": "tensorflow/serving/predict",
                    "defaults": {},
                }
            }
        }
    }


def test_default_outputs_are_marked() -> None:
    status, answer, headers = ask("POST", "/v1/models/late:predict", {"instances": [1.0]})
    assert (status, answer, headers[b"x-default-answer"]) == (200, {"predictions": [-1]}, b"deadline")


def test_a_default_output_has_a_point_where_the_model_s_have() -> None:
    failing = {
        **HALF.functions,
        "125": lambda given: [Fault("model_error", "It failed."), *half(3)(given[1:])],
    }
    app = application("half", "floats", failing, current="125", example=np.float32(0), default=-1)
    found = post(
        TensorFlowServing(served(app)).routes, "/v1/models/half:predict", b'{"instances": [1.0, 2.0]}'
    )
    assert found is not None
    assert found.body == b'{"predictions":[-1.0,4.0]}'
    assert dict(found.all_headers())[b"x-default-answer"] == b"model_error"


def test_pages_of_other_origins_may_ask_where_the_cluster_lets_them() -> None:
    def options(cors: CORS | None, headers: list[tuple[bytes, bytes]]) -> tuple[int, dict[bytes, bytes]]:
        fakes = Fakes({"half": HALF}, {}, cors=cors)
        app = TensorFlowServing(fakes).app
        status, _, found = tell(app, "OPTIONS", "/v1/models/half:predict", headers, whole=True)
        return status, found

    page = [(b"origin", b"http://example.com")]
    status, headers = options(CORS(["*"]), page)
    assert status == 200
    assert headers[b"access-control-allow-origin"] == b"*"
    assert headers[b"access-control-allow-methods"] == b"POST, GET"
    assert headers[b"access-control-allow-headers"] == b"Content-Type"
    assert options(CORS(["*"]), [])[0] == 400
    assert options(CORS(["http://other.com"]), page)[0] == 400
    assert options(None, page)[0] == 400


def test_a_deadline_and_the_cache_are_asked_for_in_headers() -> None:
    adapter = TensorFlowServing(SERVED).routes.get(b"/v1/models/half:predict")
    request = adapter.parse(
        {b"x-request-timeout-seconds": b"0.25", b"cache-control": b"no-cache"}, b'{"instances":[1]}'
    )
    assert (request.timeout_s, request.cached, request.protocol) == (0.25, False, "tensorflow-serving")


def test_rows_are_written_by_their_elements() -> None:
    """A step has as many rows as take no time: one of them, where each is large."""
    long, short, image = np.zeros(1000, "<f4"), np.zeros(2, "<f4"), np.ones((3, 2000, 2), "<f4")
    for row, steps in ((long, 20), (short, 1), (image, 320)):
        outputs = [array_tensor(row)] * 20
        assert sum(1 for _ in writing.rows(outputs)) == steps
        written = b"".join(at_once(writing.rows(outputs)))
        assert json.loads(b"[%b]" % written) == [row.tolist()] * 20
    classes = [b'{"a":0.5}'] * 20
    assert sum(1 for _ in rest._each(classes, rest._classes)) > 20
    assert b"".join(at_once(rest._each(classes, rest._classes))) == b",".join([b'[["a",0.5]]'] * 20)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("half:predict", '{"instances":1,"x":DEEP}'),
        ("half:predict", '{"instances":[DEEP]}'),
        ("half:predict", '{"inputs":DEEP}'),
        ("arrays:predict", '{"instances":[DEEP,[1]]}'),
        ("frame:predict", '{"instances":[DEEP]}'),
        ("frame:predict", '{"instances":[{"a":DEEP,"b":"x"}]}'),
        ("classes:classify", '{"x":DEEP}'),
        ("classes:classify", '{"examples":[{"x":DEEP}]}'),
        ("classes:regress", '{"context":{"x":DEEP},"examples":[{"x":1}]}'),
    ],
)
def test_what_is_nested_deeply_is_refused(path: str, body: str) -> None:
    """Reading it, showing it and taking it apart end at depths of their own: some of these meet each."""
    for levels in (*range(100, 800, 100), *range(800, sys.getrecursionlimit() + 10), 100_000):
        text = body.replace("DEEP", "[" * levels + "1" + "]" * levels)
        status, told, _ = ask("POST", f"/v1/models/{path}", text.encode())
        assert (status, list(told)) == (400, ["error"])
    assert "nested too deeply" in told["error"]
