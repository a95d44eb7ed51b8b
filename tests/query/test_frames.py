"""Rows of data frames, from a request's bytes to what a version's replica is sent, and to its model."""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
from collections.abc import Callable
from typing import Any, cast

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipper_container import wire
from clipper_container.artifact import Manifest
from clipper_container.errors import BadRequest, TooLarge
from clipper_container.frames import Framed
from clipper_container.links import Work
from clipper_container.loaders import load
from clipper_container.replica import answer, warm_up
from clipper_container.tensors import decode
from clipper_server.policies import SplitSpec
from clipper_server.query.application import Application
from clipper_server.query.configuration import Configuration
from clipper_server.query.protocols import Adapter, tensors
from clipper_server.query.protocols.open_inference import OpenInferenceProtocol
from clipper_server.query.request import Request
from clipper_server.query.task import Task
from clipper_server.snapshot import ApplicationSpec, RequestSpec, Snapshot
from tests.support.fakes import FakeReplica, new_queue, version_spec
from tests.support.virtual_time import run

TYPES = {"age": "float64", "city": "text", "rooms": "int32"}
ROW = {"age": 3.5, "city": "Rome", "rooms": 2}
OTHER = {"age": 1, "city": None, "rooms": 0}
LENGTH = b"inference-header-content-length"


def served(*versions: dict[str, str] | None, **changes: Any) -> Configuration:
    """The application "app", whose model "m" has the versions 1, 2, ... with these columns; 1 is current."""
    loop = asyncio.get_running_loop()
    configuration = Configuration("0", lambda: None, loop, loop.time)
    spec = ApplicationSpec("app", "dataframe", None, 100_000, ["m"], policy=changes.pop("policy", None))
    specs = [
        version_spec(version=str(i + 1), input_type="dataframe", columns=columns)
        for i, columns in enumerate(versions)
    ]
    configuration.apply(Snapshot(1, [spec], specs, {"m": "1"}, **changes))
    return configuration


def parsed(
    *bodies: Any, versions: tuple[dict[str, str] | None, ...] = (TYPES,), **changes: Any
) -> list[Request]:
    """What comes of each body: of an object what Clipper's protocol makes, of a tuple Open Inference."""

    async def read() -> list[Request]:
        routes = served(*versions, **changes).routes
        return [_parse(routes, body) for body in bodies]

    return run(read())


def _parse(routes: dict[bytes, Adapter], body: Any) -> Request:
    if not isinstance(body, tuple):
        return routes[b"/app/predict"].parse({}, json.dumps(body).encode())
    *tensors, rest = body
    text = json.dumps({"inputs": tensors}).encode()
    headers = {LENGTH: b"%d" % len(text)} if rest else {}
    return routes[b"/v2/models/app/infer"].parse(headers, text + rest)


def rows(request: Request) -> list[Any]:
    """The inputs as a container decodes them."""
    found = []
    for tensor in request.tensors:
        each = decode(1, [tensor.dtype], [tensor.shape], tensor.data)[0]
        found.append({name: getattr(v, "item", lambda v=v: v)() for name, v in each.items()})
    return found


def column(name: str, datatype: str, data: Any, **changes: Any) -> dict[str, Any]:
    shape = [len(data)] if isinstance(data, list) else [1]
    return {"name": name, "datatype": datatype, "shape": shape, "data": data, **changes}


def binary(name: str, datatype: str, size: int, shape: list[int]) -> dict[str, Any]:
    parameters = {"binary_data_size": size}
    return {"name": name, "datatype": datatype, "shape": shape, "parameters": parameters}


AS_TENSORS = (
    column("rooms", "INT64", [2, 0]),
    column("age", "FP32", [3.5, 1]),
    column("city", "BYTES", ["Rome", "x"]),
    b"",
)
TEXTS = b"".join(struct.pack("<I", len(text)) + text for text in (b"Rome", b"x"))
AS_BYTES = (
    binary("age", "FP64", 16, [2, 1]),
    binary("city", "BYTES", len(TEXTS), [2]),
    column("rooms", "INT32", [2, 0]),
    np.array([3.5, 1]).tobytes() + TEXTS,
)


def test_a_row_and_several_come_in_every_form() -> None:
    both = [ROW, {**OTHER, "city": "x"}]
    one, *several = parsed(
        {"input": ROW},
        {"input_batch": both},
        {"input_batch": {"city": ["Rome", "x"], "age": [3.5, 1], "rooms": [2, 0]}},
        {"input_batch": {"columns": ["city", "age", "rooms"], "data": [["Rome", 3.5, 2], ["x", 1, 0]]}},
        {
            "input_batch": {
                **{"index": [7, 8], "columns": ["age", "city", "rooms"]},
                "data": [[3.5, "Rome", 2], [1, "x", 0]],
            }
        },
        AS_TENSORS,
        AS_BYTES,
    )
    assert rows(one) == [ROW]
    assert not one.form
    for request in several:
        assert rows(request) == both
        assert request.tensors == several[0].tensors  # so one entry of the cache
    assert several[0].tensors[0] == one.tensors[0]


def test_without_rows_there_is_nothing_to_ask() -> None:
    bodies: list[Any] = [[], {name: [] for name in TYPES}, {"columns": list(TYPES), "data": []}]
    for body in bodies:
        [request] = parsed({"input_batch": body})
        assert request.tensors == []


def test_columns_named_as_a_split_are_columns() -> None:
    [request] = parsed(
        {"input_batch": {"columns": ["a"], "data": ["b"]}}, versions=({"columns": "text", "data": "text"},)
    )
    assert rows(request) == [{"columns": "a", "data": "b"}]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"input": {**ROW, "age": "x"}}, "the column 'age' holds numbers, and 'x' is not that"),
        ({"input": {"age": 1, "rooms": 2, "cty": "x"}}, "'city' is missing, and may be meant"),
        ({"input": [1, "x", 2]}, "is not an object that names its columns"),
        ({"input": {"age": [1], "city": ["x"], "rooms": [1]}}, "several rows are an input_batch"),
        ({"input_batch": {"age": [1, 2], "city": ["x"], "rooms": [1]}}, "not lists of one length"),
        ({"input_batch": {"age": 1}}, "not lists of one length"),
        ({"input_batch": {}}, "not lists of one length"),
        ({"input_batch": 7}, "neither a list of rows nor an object of columns"),
        ({"input_batch": {"columns": ["a", "a"], "data": [[1, 2]]}}, "two columns have one name"),
        ({"input_batch": {"columns": ["a"], "data": [[1, 2]]}}, "not as long as there are columns"),
        ({"input_batch": {"columns": [1], "data": [[1]]}}, "no model here takes the column '1'"),
        ({"input_batch": {"columns": [[1]], "data": [[1]]}}, "no list of names"),
        ({"input_batch": [ROW, None]}, "null is not an object"),
        ({"input": ROW, "input_batch": [ROW]}, 'Give either "input" or "input_batch"'),
        ({}, 'Give either "input" or "input_batch"'),
        ({"input": {}}, "it lacks the columns 'age', 'city', 'rooms'"),
        ((column("age", "FP64", [1]), b""), "it lacks the columns 'city', 'rooms'"),
        ((*AS_TENSORS[:2], column("city", "FP64", [1, 2]), b""), "is of BYTES, and is sent as FP64"),
        (
            (*AS_TENSORS[1:3], column("rooms", "FP64", [1, 2]), b""),
            "the datatype is FP64, and the inputs are INT32",
        ),
        ((*AS_TENSORS[1:3], column("rooms", "BOOL", [True, False]), b""), "the datatype is BOOL"),
        ((*AS_TENSORS[1:3], column("rooms", "INT64", [2**40, 2]), b""), "a number lies outside INT32"),
        ((*AS_TENSORS[:2], column("city", "BYTES", ["x"]), b""), "with one n for all"),
        ((*AS_TENSORS[:3], column("age", "FP64", [1, 2]), b""), "two inputs have one name"),
        ((*AS_TENSORS[:2], column("city", "BYTES", ["x", "y"] * 2, shape=[2, 2]), b""), "with one n for all"),
        ((*AS_TENSORS[:2], column("city", "BYTES", ["x"], shape=[]), b""), "with one n for all"),
        ((b"",), "with one n for all"),
        ((*AS_BYTES[:3], b"too short"), "bytes follow the JSON"),
        ((binary("age", "FP64", 8, [2]), *AS_BYTES[1:3], bytes(8) + TEXTS), "needs 16 bytes, not 8"),
        (
            (AS_BYTES[0], binary("city", "BYTES", 5, [2]), AS_BYTES[2], bytes(16) + b"\1\0\0\0x"),
            "does not have 1 elements",
        ),
        (
            (AS_BYTES[0], binary("city", "BYTES", 10, [2]), AS_BYTES[2], bytes(16) + b"\1\0\0\0\xff" * 2),
            "is not UTF-8",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_what_is_expected(body: Any, words: str) -> None:
    with pytest.raises(BadRequest, match=words) as refused:
        parsed(body)
    wanted = '"name": "city", "datatype": "BYTES"' if isinstance(body, tuple) else '"city": a text'
    assert wanted in str(refused.value)


def test_bytes_alone_name_no_columns() -> None:
    async def ask() -> None:
        served(TYPES).routes[b"/v2/models/app/infer"].parse({LENGTH: b"0"}, b"abc")

    with pytest.raises(BadRequest, match="bytes alone do not name their columns"):
        run(ask())


def test_a_new_column_may_come_before_its_version_is_current() -> None:
    more = {**TYPES, "garden": "bool"}
    early, named, exact = parsed(
        {"input": {**ROW, "garden": True}},
        {"input": {**ROW, "garden": True}, "version": 2},
        {"input": ROW},
        versions=(TYPES, more),
    )
    assert early.tensors == exact.tensors
    assert rows(named) == [{**ROW, "garden": True}]
    with pytest.raises(BadRequest, match="it lacks the column 'garden'"):
        parsed({"input": ROW, "version": "2"}, versions=(TYPES, more))


def test_a_query_has_the_columns_of_all_that_may_be_asked_for_it() -> None:
    policy = SplitSpec({"m": 0.5, "m:2": 0.5})
    versions: Any = (TYPES, {"age": "float64", "city": "any", "garden": "bool"})
    [request] = parsed({"input": {**ROW, "garden": True}}, versions=versions, policy=policy)
    assert rows(request) == [{**ROW, "garden": True}]
    with pytest.raises(BadRequest, match="it lacks the column 'garden'"):
        parsed({"input": ROW}, versions=versions, policy=policy)
    [request] = parsed({"input": {**ROW, "garden": True, "city": 7}}, versions=versions, policy=policy)
    assert rows(request)[0]["city"] == 7  # they do not say the same: each says what it can take


def test_columns_follow_the_current_version() -> None:
    async def move() -> None:
        configuration = served(TYPES, {"garden": "bool"})
        for current, row in (("1", ROW), ("2", {"garden": True}), ("1", ROW)):
            assert configuration.snapshot is not None
            configuration.apply(msgspec.structs.replace(configuration.snapshot, current={"m": current}))
            adapter = configuration.routes[b"/v2/models/app/infer"]
            assert isinstance(adapter, OpenInferenceProtocol)
            assert [each["name"] for each in adapter.described_inputs()] == list(row)
            request = _parse(configuration.routes, {"input": row})
            assert rows(request) == [row]

    run(move())


def test_where_nobody_knows_the_columns_any_row_travels() -> None:
    for versions in ((), (None,)):
        one, columns, tensors = parsed(
            {"input": {"a": 1, "b": [2]}},
            {"input_batch": {"a": [1, 2]}},
            (column("a", "FP64", [1, None]), column("b", "BYTES", ["x", "y"]), b""),
            versions=versions,
        )
        assert {tensor.dtype for tensor in one.tensors + columns.tensors + tensors.tensors} == {"json"}
        assert rows(one) == [{"a": 1, "b": [2]}]
        assert rows(columns) == [{"a": 1}, {"a": 2}]
        assert rows(tensors) == [{"a": 1, "b": "x"}, {"a": None, "b": "y"}]
        with pytest.raises(BadRequest, match="an object that names its columns"):
            parsed({"input": [1]}, versions=versions)


def test_an_infinity_needs_a_type() -> None:
    infinite = binary("a", "FP64", 8, [1]), np.array([np.inf]).tobytes()
    assert rows(parsed(infinite, versions=({"a": "float64"},))[0]) == [{"a": np.inf}]
    with pytest.raises(BadRequest, match="the column 'a' has an infinity"):
        parsed(infinite, versions=({"a": "any"},))


def test_what_one_request_may_cost_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    few = RequestSpec(max_inputs=2)
    for body in (
        {"input_batch": [ROW] * 3},
        {"input_batch": {"age": [1] * 3, "city": ["x"] * 3, "rooms": [1] * 3}},
        (
            column("age", "FP64", [1] * 3),
            column("city", "BYTES", ["x"] * 3),
            column("rooms", "INT8", [1] * 3),
            b"",
        ),
        (binary("age", "FP64", 0, [2**62]), b""),
    ):
        with pytest.raises(TooLarge, match="2 is the most"):
            parsed(body, requests=few)
    monkeypatch.setattr(tensors, "MAX_CELLS", 1)
    with pytest.raises(TooLarge, match="2 rows of 1 columns of text; 1 such values are the most"):
        parsed(AS_TENSORS)


def test_metadata_has_an_input_a_column() -> None:
    async def describe() -> list[dict[str, Any]]:
        adapter = served({**TYPES, "note": "any"}).routes[b"/v2/models/app/infer"]
        assert isinstance(adapter, OpenInferenceProtocol)
        return adapter.described_inputs()

    assert run(describe()) == [
        {"name": "age", "datatype": "FP64", "shape": [-1]},
        {"name": "city", "datatype": "BYTES", "shape": [-1]},
        {"name": "rooms", "datatype": "INT32", "shape": [-1]},
        {"name": "note", "datatype": "FP64", "shape": [-1]},
    ]


def test_a_row_is_answered_from_the_cache_however_it_is_written() -> None:
    async def ask() -> None:
        configuration = served(TYPES, cache_size=1 << 20)
        queue = configuration.queue("m", None)
        assert queue is not None
        replica = FakeReplica(queue)
        application = configuration.applications["app"]
        for row in (ROW, dict(reversed(ROW.items())), {**ROW, "rooms": 2.0}):
            await _answered(application, _parse(configuration.routes, {"input": row}))
        assert (len(replica.batches), queue.metrics.hits) == (1, 2)
        await _answered(application, _parse(configuration.routes, {"input": {**ROW, "city": "Rom"}}))
        assert len(replica.batches) == 2

    run(ask())


def test_a_row_may_cost_what_a_size_function_says_of_its_columns() -> None:
    async def ask() -> None:
        configuration = served(TYPES)
        queue = new_queue(size="len(x['city'])", input_type="dataframe", columns=TYPES)
        for city, cost in (("Rome", 4), ("", 1), (None, 1)):
            request = _parse(configuration.routes, {"input": {**ROW, "city": city}})
            task = Task(queue, request.tensors[0], False, 0.0, 1.0)
            queue.put(task, 0.0)
            assert task.cost == cost

    run(ask())


async def _answered(application: Application, request: Request) -> None:
    done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    application.ask(request, done.set_result)
    assert all(answer.fault is None for answer in await done)


# What comes of it in a container


def _pipeline() -> tuple[Any, Any]:
    pandas: Any = pytest.importorskip("pandas")
    compose: Any = pytest.importorskip("sklearn.compose")
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    columns = compose.ColumnTransformer([("city", OneHotEncoder(), ["city"])], remainder="passthrough")
    frame = pandas.DataFrame({"city": ["Rome", "Bonn"] * 4, "rooms": range(8), "age": np.arange(8) / 2})
    return make_pipeline(columns, LogisticRegression()).fit(frame, frame["city"]), frame


def test_a_pipeline_that_selects_by_name_answers() -> None:
    import cloudpickle

    pipeline, frame = _pipeline()
    types = {"city": "text", "rooms": "int64", "age": "float64"}
    predict = load("sklearn", {"model.pickle": cloudpickle.dumps(pipeline)}, "dataframe", types)
    records = frame.to_dict("records")
    example = Manifest(4, "sklearn", "dataframe", "", "", {}, example_input=records[0], columns=types)
    assert warm_up(predict, example, 4).example == ("str", (4,))
    turned = [dict(reversed(row.items())) for row in records]
    [request] = parsed({"input_batch": turned}, versions=(types,))
    assert answered(predict, request) == [b'"Rome"', b'"Bonn"'] * 4


def answered(predict: Callable[[Any], Any], request: Request) -> list[bytes]:
    tensors = request.tensors
    shapes = [tensor.shape for tensor in tensors]
    batch = wire.Batch(1, len(tensors), [tensors[0].dtype], shapes, [])
    body = memoryview(b"".join(tensor.data for tensor in tensors))
    _, outputs = answer(predict, Work(cast(Any, None), batch, body))
    assert not isinstance(outputs, wire.Fault), outputs
    return [bytes(part) for part in outputs.body]


# Whatever comes

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*TYPES, "columns", "data", "x"]), inner)
    ),
    max_leaves=8,
)
ROWS = st.fixed_dictionaries(
    {"age": st.none() | st.floats(allow_nan=False, allow_infinity=False), "city": st.none() | st.text()}
    | {"rooms": st.integers(-(2**31), 2**31 - 1)}
)
TENSORS = st.fixed_dictionaries(
    {
        "name": st.sampled_from([*TYPES, "x"]),
        "datatype": st.sampled_from(["FP64", "FP16", "BYTES", "INT32", "UINT64", "BOOL", "no"]),
        "shape": st.lists(st.integers(-1, 3) | st.just(2**60), max_size=3),
    },
    optional={
        "data": VALUES,
        "parameters": st.fixed_dictionaries({"binary_data_size": st.integers(-1, 9) | st.just(2**60)}),
    },
)


@given(st.lists(ROWS, min_size=1, max_size=5))
def test_good_rows_arrive_at_the_model(given_rows: list[dict[str, Any]]) -> None:
    pytest.importorskip("pandas")
    frames: list[Any] = []

    def predict(frame: Any) -> list[int]:
        frames.append(frame)
        return [0] * len(frame)

    [request] = parsed({"input_batch": given_rows})
    answered(Framed(predict, TYPES), request)
    [frame] = frames
    assert list(frame.columns) == list(TYPES)
    for name in TYPES:
        found = [None if value != value else value for value in frame[name].tolist()]
        assert found == [row[name] for row in given_rows]


@given(st.fixed_dictionaries({}, optional={"input": VALUES, "input_batch": VALUES | st.lists(ROWS)}))
def test_whatever_is_asked_is_read_or_refused(body: Any) -> None:
    for versions in ((TYPES,), (None,)):
        with contextlib.suppress(BadRequest, TooLarge):
            [request] = parsed(body, versions=versions)
            assert rows(request) is not None


@given(st.lists(TENSORS, max_size=4), st.binary(max_size=30))
def test_whatever_tensors_come_are_read_or_refused(tensors: list[Any], rest: bytes) -> None:
    for versions in ((TYPES,), (None,)):
        with contextlib.suppress(BadRequest, TooLarge):
            [request] = parsed((*tensors, rest), versions=versions)
            assert rows(request) is not None
