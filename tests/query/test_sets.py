"""Named arrays and named outputs, from a request's bytes to a model and back to what a client reads."""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipper_container import inputs, wire
from clipper_container.calls import _read
from clipper_container.errors import BadRequest, TooLarge, WireError
from clipper_container.outputs import Outputs, encode_outputs
from clipper_container.signature import Signature
from clipper_container.tensors import Tensor, as_plain
from clipper_container.wire import Fault
from clipper_server.feedback import FeedbackSpec
from clipper_server.management.api.shadows import written
from clipper_server.policies import CascadeSpec, VoteSpec
from clipper_server.query import door
from clipper_server.query.configuration import Configuration
from clipper_server.query.feedback.answered import Raw
from clipper_server.query.feedback.scores import score
from clipper_server.query.policies.cascade import Cascade
from clipper_server.query.policies.vote import Vote
from clipper_server.query.protocols import Adapter, Response, tensors
from clipper_server.query.protocols.open_inference import OpenInferenceProtocol
from clipper_server.query.protocols.tensors import Tensors, Whole
from clipper_server.query.request import Answer, Request
from clipper_server.query.slices import at_once
from clipper_server.querylog import Pair, Said
from clipper_server.snapshot import ApplicationSpec, RequestSpec, Snapshot
from tests.support.fakes import Able, FakeReplica, version_spec
from tests.support.virtual_time import run

TYPES = {"ids": "int64[-1]", "scale": "float32", "text": "text", "tags": "text[-1]", "blob": "bytes"}
SET = {"ids": [3, 7], "scale": 0.5, "text": "é", "tags": ["a", "b"], "blob": "AAE="}
OTHER = {"ids": [1, 2], "scale": 2.0, "text": "", "tags": ["c", "d"], "blob": ""}
LENGTH = b"inference-header-content-length"
INFER = b"/v2/models/app/infer"


def served(
    *versions: dict[str, str] | None, example: Any = None, default: object = None, **changes: Any
) -> Configuration:
    """The application "app", whose model "m" has versions 1, 2, ... with these signatures; 1 is current."""
    loop = asyncio.get_running_loop()
    configuration = Configuration("0", lambda: None, loop, loop.time)
    spec = ApplicationSpec("app", "named", default, 100_000, ["m"])
    specs = [
        version_spec(version=str(i + 1), input_type="named", columns=types)
        for i, types in enumerate(versions)
    ]
    configuration.apply(Snapshot(1, [spec], specs, {"m": "1"}, **changes))
    if example is not None:
        queue = configuration.queue("m", None)
        assert queue is not None
        queue.example = example
    return configuration


def parsed(
    *bodies: Any, versions: tuple[dict[str, str] | None, ...] = (TYPES,), **changes: Any
) -> list[Request]:
    """What comes of each body: of an object what Clipper's protocol makes, of a tuple Open Inference."""

    async def read() -> list[Request]:
        routes = served(*versions, **changes).routes
        return [_parse(routes, body) for body in bodies]

    return run(read())


def _parse(routes: dict[bytes, Adapter], body: Any, **more: Any) -> Request:
    if not isinstance(body, tuple):
        return routes[b"/app/predict"].parse({}, json.dumps(body).encode())
    *whole, rest = body
    text = json.dumps({"inputs": whole, **more}).encode()
    headers = {LENGTH: b"%d" % len(text)} if rest else {}
    return routes[INFER].parse(headers, text + rest)


def sets(request: Request) -> list[Any]:
    return [as_plain(tensor) for tensor in request.tensors]


def part(name: str, datatype: str, shape: list[int], data: list[Any]) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape, "data": data}


def binary(name: str, datatype: str, shape: list[int], size: int) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape, "parameters": {"binary_data_size": size}}


def packed(*texts: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


AS_JSON = (
    part("tags", "BYTES", [2, 2], ["a", "b", "c", "d"]),
    part("ids", "INT32", [2, 2], [[3, 7], [1, 2]]),
    part("scale", "FP64", [2, 1], [0.5, 2.0]),
    part("text", "BYTES", [2], ["é", ""]),
    binary("blob", "BYTES", [2, 1], 10),
    packed(b"\0\1", b""),
)
_IDS, _TEXTS = np.array([[3, 7], [1, 2]]).tobytes(), packed("é".encode(), b"")
AS_BYTES = (
    binary("ids", "INT64", [2, 2], len(_IDS)),
    binary("text", "BYTES", [2, 1], len(_TEXTS)),
    *AS_JSON[:1],
    AS_JSON[2],
    binary("blob", "BYTES", [2], 10),
    _IDS + _TEXTS + packed(b"\0\1", b""),
)


def test_inputs_come_in_every_form() -> None:
    one, several, as_json, as_bytes = parsed({"input": SET}, {"input_batch": [SET, OTHER]}, AS_JSON, AS_BYTES)
    assert sets(one) == [SET]
    assert sets(several) == [SET, OTHER]
    assert several.tensors == as_json.tensors == as_bytes.tensors  # so one entry of the cache
    assert several.tensors[0] == one.tensors[0]
    [none] = parsed({"input_batch": []})
    assert none.tensors == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"input": {**SET, "ids": "x"}}, "the array 'ids' is nested"),
        (
            {"input": {**{n: v for n, v in SET.items() if n != "ids"}, "idz": 1}},
            "'ids' is missing, and may be meant",
        ),
        ({"input": {n: SET[n] for n in ("ids", "text")}}, "it lacks the arrays 'scale', 'tags', 'blob'"),
        ({"input": [1]}, "is not an object that names its arrays"),
        ({"input_batch": {"ids": [[1]]}}, "it lacks the arrays 'scale', 'text', 'tags', 'blob'"),
        ({"input_batch": {"ids": [[1]], "text": []}}, "not lists of one length"),
        ({"input_batch": 1}, "neither a list of rows nor an object of columns"),
        ({}, 'Give either "input" or "input_batch"'),
        (AS_JSON[1:], "it lacks the array 'tags'"),
        ((part("idz", "INT64", [1], [1]), b""), "no model here takes the array 'idz'"),
        (
            (*AS_JSON[:1], part("ids", "FP32", [2, 1], [1, 2]), *AS_JSON[2:]),
            "the datatype is FP32, and the",
        ),
        (
            (*AS_JSON[:1], part("ids", "INT64", [2], [1, 2]), *AS_JSON[2:]),
            r"'ids' has the shape \[-1\]",
        ),
        (
            (*AS_JSON[:1], part("ids", "BYTES", [2], ["a", "b"]), *AS_JSON[2:]),
            "of INT64, and is sent as BYTES",
        ),
        ((*AS_JSON[:3], part("text", "INT8", [2], [1, 2]), *AS_JSON[4:]), "is of BYTES, and is sent as INT8"),
        ((*AS_JSON[:1], part("ids", "INT64", [1, 1], [1]), *AS_JSON[2:]), "with one n for all"),
        ((part("ids", "INT64", [], [1]), b""), "with one n for all"),
        ((b"",), "with one n for all"),
        ((AS_JSON[1], AS_JSON[1], b""), "two inputs have one name"),
        (
            (*AS_JSON[:4], binary("blob", "BYTES", [2, 2], 10), AS_JSON[5]),
            "'blob' has one element for each input",
        ),
        ((*AS_BYTES[:-1], b"short"), "bytes follow the JSON, and binary_data_size is"),
        ((binary("text", "BYTES", [1], 5), b"\1\0\0\0\xff"), "is not UTF-8 text"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_is_expected(body: Any, said: str) -> None:
    with pytest.raises(BadRequest, match=said) as refused:
        parsed(body)
    wanted = (
        '"name": "ids", "datatype": "INT64", "shape": [-1, -1]'
        if isinstance(body, tuple)
        else '"ids": numbers'
    )
    assert wanted in str(refused.value)


def test_each_version_takes_its_own_and_a_new_array_may_come_early() -> None:
    more = {**TYPES, "mask": "bool[-1]"}
    early, named, exact = parsed(
        {"input": {**SET, "mask": [True]}},
        {"input": {**SET, "mask": [True]}, "version": 2},
        {"input": SET},
        versions=(TYPES, more),
    )
    assert early.tensors == exact.tensors
    assert sets(named) == [{**SET, "mask": [True]}]
    with pytest.raises(BadRequest, match="it lacks the array 'mask'"):
        parsed({"input": SET, "version": "2"}, versions=(TYPES, more))


def test_where_nobody_knows_the_names_any_set_travels() -> None:
    large = np.arange(100, dtype="<f4").reshape(1, 100)
    for versions in ((), (None,)):
        one, whole = parsed(
            {"input": {"a": [1], "b": {"c": 2}}},
            (
                part("a", "FP64", [1, 2], [1, 2]),
                part("t", "BYTES", [1, 2], ["x", "y"]),
                binary("l", "FP32", [1, 100], 400),
                large.tobytes(),
            ),
            versions=versions,
        )
        assert {tensor.dtype for tensor in one.tensors + whole.tensors} == {"json"}
        assert sets(one) == [{"a": [1], "b": {"c": 2}}]
        assert sets(whole) == [{"a": [1.0, 2.0], "t": ["x", "y"], "l": inputs.as_described(large[0])}]


def test_what_one_request_may_cost_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    few = RequestSpec(max_inputs=1)
    for body in ({"input_batch": [SET] * 2}, AS_JSON, (binary("ids", "INT64", [2**62, 1], 0), b"")):
        with pytest.raises(TooLarge, match="1 is the most"):
            parsed(body, requests=few)
    monkeypatch.setattr(tensors, "MAX_CELLS", 5)
    with pytest.raises(TooLarge, match="5 such values are the most"):
        parsed(AS_JSON)


def test_bytes_alone_name_no_arrays() -> None:
    async def ask() -> None:
        served(TYPES).routes[INFER].parse({LENGTH: b"0"}, b"abc")

    with pytest.raises(BadRequest, match="bytes alone do not name their arrays"):
        run(ask())


def test_inputs_of_several_shapes_and_spellings_share_a_batch_and_the_cache() -> None:
    async def ask() -> None:
        configuration = served({"ids": "int64[-1]"}, cache_size=1 << 20)
        queue = configuration.queue("m", None)
        assert queue is not None
        replica = FakeReplica(queue)
        application = configuration.applications["app"]
        body = {"input_batch": [{"ids": [1]}, {"ids": [1, 2]}, {"ids": []}]}
        for _ in range(2):
            done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            application.ask(_parse(configuration.routes, body), done.set_result)
            assert all(answer.fault is None for answer in await done)
        assert sum(map(len, replica.batches)) == queue.metrics.hits == 3

    run(ask())


def test_tensors_of_any_protocol_become_inputs() -> None:
    async def ask() -> None:
        configuration = served({"ids": "int64[-1]", "text": "text"})
        found = Tensors(configuration.applications["app"], configuration.routes[INFER].limits)
        ids = Whole("<i4", (2, 1), np.array([[1], [2]], "<i4").tobytes())
        given = found.inputs({"ids": ids, "text": Whole("bytes", (2,), [b"a", b"b"])}, None)
        assert [as_plain(tensor) for tensor in given] == [
            {"ids": [1], "text": "a"},
            {"ids": [2], "text": "b"},
        ]
        assert found.inputs({"ids": ids, "text": Whole("bytes", (2,), packed(b"a", b"b"))}, None) == given
        assert [tuple(each) for each in found.described(None)] == [
            ("ids", "<i8", (-1, -1)),
            ("text", "bytes", (-1,)),
        ]

    run(ask())


# Outputs


def outputs_of(outputs: Any, count: int) -> list[Tensor | bytes]:
    found = encode_outputs(outputs, count, range(count))
    assert isinstance(found, Outputs)
    said: list[Tensor | bytes] = []
    forms = {i: (dtype, shape) for dtype, shape, places in found.tensors for i in places}
    for i, data in enumerate(found.body):
        dtype, shape = forms.get(i, ("", ()))
        said.append(Tensor(bytes(data), shape, dtype) if dtype else bytes(data))
    return said


SCORES = np.array([[0.5, 0.25], [1, 0]], "<f4")
NAMED = {"label": np.array([3, 4]), "scores": SCORES, "text": ["a", "é"]}
EXAMPLE = '[["label","<i8",0],["scores","<f4",1],["text","str",1]]', (2, 1)
LATE = Fault("deadline", "It came too late.")


def told(said: list[Any], *, example: Any = None, default: object = None, **more: Any) -> Response:
    """What Open Inference tells of these outputs, None for a default one; both ways of writing it agree."""

    async def tell() -> Response:
        routes = served({"ids": "int64[-1]"}, example=example, default=default).routes
        adapter = routes[INFER]
        request = _parse(routes, (part("ids", "INT64", [1, 1], [1]), b""), **more)
        answers = [Answer(i, output, None if output else LATE, "1") for i, output in enumerate(said)]
        written = adapter.encode(request, answers)
        stepped = at_once(adapter.encode_in_steps(request, answers))
        assert written.body == stepped.body + b"".join(stepped.rest)
        assert (written.status, sorted(written.headers)) == (stepped.status, sorted(stepped.headers))
        return written

    return run(tell())


def read(response: Response) -> list[dict[str, Any]]:
    assert response.status == 200, response.body
    found: list[dict[str, Any]] = json.loads(response.body)["outputs"]
    return found


def test_each_named_output_is_a_tensor() -> None:
    assert read(told(outputs_of(NAMED, 2))) == [
        {"name": "label", "shape": [2], "datatype": "INT64", "data": [3, 4]},
        {"name": "scores", "shape": [2, 2], "datatype": "FP32", "data": [0.5, 0.25, 1.0, 0.0]},
        {"name": "text", "shape": [2], "datatype": "BYTES", "data": ["a", "é"]},
    ]


@pytest.mark.parametrize("example", [None, EXAMPLE])
def test_outputs_are_told_as_they_are_asked_for(example: Any) -> None:
    wanted = [{"name": "text"}, {"name": "label", "parameters": {"binary_data": True}}]
    response = told(outputs_of(NAMED, 2), example=example, outputs=wanted)
    length = int(dict(response.headers)[LENGTH])
    assert json.loads(response.body[:length])["outputs"] == [
        {"name": "text", "shape": [2], "datatype": "BYTES", "data": ["a", "é"]},
        {"name": "label", "shape": [2], "datatype": "INT64", "parameters": {"binary_data_size": 16}},
    ]
    assert response.body[length:] == np.array([3, 4]).tobytes()


def test_all_may_be_binary() -> None:
    response = told(outputs_of(NAMED, 2), parameters={"binary_data_output": True})
    length = int(dict(response.headers)[LENGTH])
    sizes = [each["parameters"]["binary_data_size"] for each in json.loads(response.body[:length])["outputs"]]
    assert sizes == [16, 16, 11]
    assert response.body[length:][32:] == packed(b"a", "é".encode())


def test_an_unknown_output_is_refused_with_those_there_are() -> None:
    words = "there is no output 'lable', only label, scores, text"
    with pytest.raises(BadRequest, match=words):
        told([], example=EXAMPLE, outputs=[{"name": "lable"}])
    with pytest.raises(BadRequest, match="there is no output 'a', only output"):
        told([], example=b"3", outputs=[{"name": "a"}])
    late = told(outputs_of(NAMED, 2), outputs=[{"name": "lable"}])  # nobody knew before it was answered
    assert (late.status, words in late.body.decode()) == (400, True)
    one = told([b"3"], outputs=[{"name": "a"}])
    assert (one.status, b"there is no output 'a', only output" in one.body) == (400, True)
    assert read(told([b"3"], outputs=[{"name": "output"}]))[0]["name"] == "output"


def test_a_default_output_with_the_same_names_is_one_of_them() -> None:
    default = {"label": -1, "scores": [0.0, 0.0], "text": ""}
    [label, scores, text] = read(told([*outputs_of(NAMED, 2), None], default=default))
    assert (label["data"], text["data"]) == ([3, 4, -1], ["a", "é", ""])
    assert (scores["shape"], scores["datatype"]) == ([3, 2], "FP64")
    alone = read(told([None], default=default, example=EXAMPLE))
    assert [each["name"] for each in alone] == ["label", "scores", "text"]


def test_another_default_output_makes_one_of_texts() -> None:
    [output] = read(told([*outputs_of(NAMED, 2), None], default="none"))
    assert (output["name"], output["datatype"]) == ("output", "BYTES")
    assert output["data"] == [
        '{"label":3,"scores":[0.5,0.25],"text":"a"}',
        '{"label":4,"scores":[1.0,0.0],"text":"é"}',
        "none",
    ]


def test_objects_of_the_same_names_are_named_outputs_too() -> None:
    said = [
        b'{"cat": 0.75, "words": ["a", "b"], "more": {"x": 1}}',
        b'{"more":1,"cat":0.5,"words":["c","d"]}',
    ]
    for example in (None, said[0], b'{"other": 1}'):
        assert read(told(said, example=example)) == [
            {"name": "cat", "shape": [2], "datatype": "FP64", "data": [0.75, 0.5]},
            {"name": "words", "shape": [2], "datatype": "BYTES", "data": ['["a", "b"]', '["c","d"]']},
            {"name": "more", "shape": [2], "datatype": "BYTES", "data": ['{"x": 1}', "1"]},
        ]
        wanted = [{"name": "cat"}]
        assert [each["name"] for each in read(told(said, example=example, outputs=wanted))] == ["cat"]
    late = told(said, outputs=[{"name": "dog"}])
    assert (late.status, b"there is no output 'dog', only cat, words, more" in late.body) == (400, True)


@pytest.mark.parametrize(
    "said", [[b'{"a": 1}', b'{"b": 1}'], [b'{"a": 1}', b"2"], [b"{}", b"{}"], [b'{"a": 1}', None]]
)
def test_objects_of_several_names_are_texts(said: list[Any]) -> None:
    [output] = read(told(said, default="?"))
    assert (output["name"], output["datatype"]) == ("output", "BYTES")
    assert output["data"] == [each.decode() if each else "?" for each in said]


def test_one_name_of_several_shapes_is_of_texts_and_lists_of_texts_are_rows() -> None:
    rows = [
        {"a": np.array([1]), "t": np.array(["x", "y"])},
        {"a": np.array([1, 2]), "t": np.array(["z", "w"])},
    ]
    [a, t] = read(told(outputs_of(rows, 2)))
    assert a == {"name": "a", "shape": [2], "datatype": "BYTES", "data": ["[1]", "[1,2]"]}
    assert t == {"name": "t", "shape": [2, 2], "datatype": "BYTES", "data": ["x", "y", "z", "w"]}


def test_metadata_has_an_input_and_an_output_for_each_name() -> None:
    async def describe() -> None:
        adapter = served({**TYPES, "image": "uint8[28,-1]", "more": "any"}, example=EXAMPLE).routes[INFER]
        assert isinstance(adapter, OpenInferenceProtocol)
        assert [(each["name"], each["datatype"], each["shape"]) for each in adapter.described_inputs()] == [
            ("ids", "INT64", [-1, -1]),
            ("scale", "FP32", [-1]),
            ("text", "BYTES", [-1]),
            ("tags", "BYTES", [-1, -1]),
            ("blob", "BYTES", [-1]),
            ("image", "UINT8", [-1, 28, -1]),
            ("more", "BYTES", [-1]),
        ]
        named = {"label": ("INT64", [-1]), "scores": ("FP32", [-1, 2]), "text": ("BYTES", [-1])}
        assert adapter.described_outputs() == named
        unknown = served({"ids": "int64[-1]"}).routes[INFER]
        assert isinstance(unknown, OpenInferenceProtocol)
        assert unknown.described_outputs() == {"output": ("BYTES", [-1])}

    run(describe())


def test_clippers_protocol_tells_them_as_an_object() -> None:
    found = encode_outputs(NAMED, 2, ())
    assert isinstance(found, Outputs)

    async def tell() -> bytes:
        routes = served({"ids": "int64[-1]"}).routes
        request = _parse(routes, {"input": {"ids": [1]}})
        return routes[b"/app/predict"].encode(request, [Answer(7, bytes(found.body[0]), None, "1")]).body

    assert json.loads(run(tell()))["output"] == {"label": 3, "scores": [0.5, 0.25], "text": "a"}


def test_a_cascade_knows_how_sure_named_outputs_are() -> None:
    [output] = outputs_of({"output": np.array([3]), "confidence": np.array([0.75])}, 1)
    complaints: list[str] = []
    cascade = Cascade(CascadeSpec(["m:1", "m:2"], 0.7), lambda _version, text: complaints.append(text))
    assert cascade.enough("m:1", output)
    combined = cascade.combine(cascade.decide(None, Able()), [output])
    assert (combined.outcome, combined.confidence) == (Tensor(np.int64(3).tobytes(), (), "<i8"), 0.75)
    for other in ({"output": np.array([3])}, {"output": np.array([3]), "confidence": ["much"]}):
        assert not cascade.enough("m:1", *outputs_of(other, 1))
    assert len(complaints) == 2


def test_named_outputs_are_voted_on_and_compared_with_labels() -> None:
    three, four, again = outputs_of({"label": np.array([3, 4, 3]), "text": ["a", "b", "a"]}, 3)
    vote = Vote(VoteSpec(["m:1", "m:2", "m:3"]))
    decision = vote.decide(None, Able())
    assert vote.combine(decision, [four, three, again]).outcome == three
    assert vote.combine(decision, [four, three, b'{"label":3,"text":"a"}']).confidence == pytest.approx(2 / 3)
    assert isinstance(three, Tensor)
    raw = Raw(bytes(three.data), three.shape, three.dtype)
    assert score(FeedbackSpec(), {"label": 3, "text": "a"}, raw) == 1.0
    assert score(FeedbackSpec(), {"label": 4, "text": "a"}, raw) == 0.0


def test_a_pipeline_gets_named_outputs_as_a_dictionary() -> None:
    [output] = outputs_of({"label": np.array([3]), "scores": SCORES[:1], "text": ["a"]}, 1)
    assert isinstance(output, Tensor)
    called = wire.Called(1, output.dtype, output.shape, None)
    found = _read(called, memoryview(output.data))
    assert (found["label"], found["scores"].tolist(), found["text"]) == (3, [0.5, 0.25], "a")
    assert type(found["label"]) is int


def test_a_shadows_pair_shows_named_inputs_and_outputs_in_plain_values() -> None:
    [given] = Signature({"ids": "int64[-1]", "blob": "bytes"}).of_rows([{"ids": [1], "blob": "AAE="}])
    [output] = outputs_of({"label": np.array([3]), "scores": SCORES[:1]}, 1)
    assert isinstance(output, Tensor)
    said = Said(bytes(output.data), output.dtype, output.shape, len(output.data), ms=1.0)
    pair = Pair(1, 7, 0.0, "app", "m:1", False, said, said, bytes(given.data), given.dtype, given.shape)
    [shown] = json.loads(written([pair]))
    assert shown["input"] == {"ids": [1], "blob": "AAE="}
    assert shown["after"]["output"] == {"label": 3, "scores": [0.5, 0.25]}


# Whatever comes


@given(
    st.lists(
        st.tuples(
            st.text(max_size=2), st.sampled_from(["<f4", "|b1", "str", "json", "|O", ""]), st.integers(-1, 40)
        )
    ),
    st.lists(st.integers(-1, 4) | st.just(2**62), max_size=4),
    st.binary(max_size=20),
)
def test_a_replica_may_say_any_set_and_ends_alone(parts: Any, shape: list[int], data: bytes) -> None:
    dtype = msgspec.json.encode(parts).decode()
    reply = wire.Reply(1, 0.0, 0, [len(data)], [(dtype, tuple(shape), [0])], {}, None)

    class Asked:
        raw = True

    with contextlib.suppress(WireError):
        [outcome] = door.outcomes(reply, memoryview(data), [Asked()])  # type: ignore[list-item, misc]
        assert isinstance(outcome, Tensor)
        as_plain(outcome)
    with contextlib.suppress(WireError):
        door.checked(wire.Ready([], [], (dtype, tuple(shape))))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*TYPES, "dtype", "x"]), inner)
    ),
    max_leaves=8,
)
WHOLES = st.fixed_dictionaries(
    {
        "name": st.sampled_from([*TYPES, "x"]),
        "datatype": st.sampled_from(["FP64", "FP16", "BYTES", "INT64", "UINT64", "BOOL", "no"]),
        "shape": st.lists(st.integers(-1, 3) | st.just(2**60), max_size=3),
    },
    optional={
        "data": VALUES,
        "parameters": st.fixed_dictionaries({"binary_data_size": st.integers(-1, 9) | st.just(2**60)}),
    },
)


@given(st.fixed_dictionaries({}, optional={"input": VALUES, "input_batch": VALUES}))
def test_whatever_is_asked_is_read_or_refused(body: Any) -> None:
    for versions in ((TYPES,), (None,)):
        with contextlib.suppress(BadRequest, TooLarge):
            [request] = parsed(body, versions=versions)
            assert sets(request) is not None


@given(st.lists(WHOLES, max_size=4), st.binary(max_size=30))
def test_whatever_tensors_come_are_read_or_refused(whole: list[Any], rest: bytes) -> None:
    for versions in ((TYPES,), ({"ids": "any"},), (None,)):
        with contextlib.suppress(BadRequest, TooLarge):
            [request] = parsed((*whole, rest), versions=versions)
            assert sets(request) is not None
