"""Open Inference over gRPC: messages in and out, and in which status a call ends that is not answered."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator
from typing import Any, cast

import grpc
import grpc.aio
import numpy as np
import pytest

from clipper_container.tensors import array_tensor
from clipper_container.wire import Fault
from clipper_server.query import rpc
from clipper_server.query.configuration import Configuration
from clipper_server.query.protocols.kinds import load
from clipper_server.query.protocols.open_inference.tensors import DATATYPES
from clipper_server.query.protocols.rpc import Call
from clipper_server.query.protocols.structure import MOST_FIELDS
from clipper_server.snapshot import ApplicationSpec, Snapshot
from tests.support.fakes import FakeReplica, version_spec
from tests.support.over_grpc import Client, served, trailing, until
from tests.support.virtual_time import run

pytestmark = pytest.mark.anyio
Code = grpc.StatusCode
FOREVER_S = 3600.0
TYPED = {
    "BOOL": ("bool_contents", [True, False]),
    "UINT8": ("uint_contents", [0, 255]),
    "UINT16": ("uint_contents", [0, 65535]),
    "UINT32": ("uint_contents", [0, 2**32 - 1]),
    "UINT64": ("uint64_contents", [0, 2**64 - 1]),
    "INT8": ("int_contents", [-128, 127]),
    "INT16": ("int_contents", [-(2**15), 2**15 - 1]),
    "INT32": ("int_contents", [-(2**31), 2**31 - 1]),
    "INT64": ("int64_contents", [-(2**63), 2**63 - 1]),
    "FP32": ("fp32_contents", [-0.5, 2.0**100]),
    "FP64": ("fp64_contents", [0.1, 1e300]),
}


@pytest.fixture
async def configuration() -> Configuration:
    configuration = Configuration("0", lambda: None, asyncio.get_running_loop())
    applications = [
        ApplicationSpec("m", "doubles", -1, 20_000_000, ["m"]),
        ApplicationSpec("strict", "doubles", -1, 20_000_000, ["m"], "reject"),
        ApplicationSpec("any", "ndarray", -1, 20_000_000, ["any"]),
        ApplicationSpec("texts", "strings", "?", 20_000_000, ["texts"]),
        ApplicationSpec("alone", "doubles", 7, 20_000_000, []),
    ]
    versions = [
        version_spec(),
        version_spec(version="2", credential="2"),
        version_spec(model="any", input_type="ndarray"),
        version_spec(model="texts", input_type="strings"),
    ]
    current = {"m": "1", "any": "1", "texts": "1"}
    configuration.apply(Snapshot(1, applications=applications, versions=versions, current=current))
    return configuration


@pytest.fixture
async def client(configuration: Configuration) -> AsyncIterator[Client]:
    async with served(configuration, "open-inference-grpc") as client:
        yield client


def attach(configuration: Configuration, model: str = "m", version: str = "1", **options: Any) -> FakeReplica:
    """Answers each input with itself, as a tensor of bytes of the model's type."""
    queue = configuration.queue(model, version)
    assert queue is not None
    options.setdefault("cost_s", 0.0)
    options.setdefault("answer", lambda inputs: [array_tensor(np.frombuffer(i, "<f8")) for i in inputs])
    return FakeReplica(queue, **options)


def asks(*rows: list[float], model: str = "m", **more: Any) -> dict[str, Any]:
    """A request of doubles, raw."""
    shape = [len(rows), len(rows[0])]
    return {
        "model_name": model,
        "inputs": [{"name": "input", "datatype": "FP64", "shape": shape}],
        "raw_input_contents": [np.array(rows, "<f8").tobytes()],
        **more,
    }


def numbers(answer: Any) -> list[Any]:
    (output,), (raw,) = answer.outputs, answer.raw_output_contents
    found: list[Any] = np.frombuffer(raw, DATATYPES[output.datatype]).reshape(output.shape).tolist()
    return found


# Answers


async def test_a_request_is_answered_with_its_id_and_version(
    configuration: Configuration, client: Client
) -> None:
    attach(configuration)
    answer = await client.call("ModelInfer", asks([1, 2], [3, 4], id="42"))
    assert (answer.model_name, answer.model_version, answer.id) == ("m", "1", "42")
    assert [(o.name, o.datatype, list(o.shape)) for o in answer.outputs] == [("output", "FP64", [2, 2])]
    assert numbers(answer) == [[1, 2], [3, 4]]
    assert not answer.outputs[0].HasField("contents")
    assert len(json.loads(answer.parameters["query_ids"].string_param)) == 2


async def test_a_version_is_asked_by_its_name(configuration: Configuration, client: Client) -> None:
    first, second = attach(configuration), attach(configuration, version="2")
    answer = await client.call("ModelInfer", asks([1], model_version="2"))
    assert (answer.model_version, len(first.batches), len(second.batches)) == ("2", 0, 1)


@pytest.mark.parametrize("datatype", TYPED)
async def test_typed_contents_are_as_good_as_raw_ones(
    datatype: str, configuration: Configuration, client: Client
) -> None:
    seen: list[bytes] = []

    def answer(inputs: list[bytes]) -> list[Any]:
        seen.extend(inputs)
        return [array_tensor(np.float64(0))] * len(inputs)

    attach(configuration, "any", answer=answer)
    field, values = TYPED[datatype]
    described = {"name": "input", "datatype": datatype, "shape": [2]}
    await client.call(
        "ModelInfer", {"model_name": "any", "inputs": [{**described, "contents": {field: values}}]}
    )
    raw = np.array(values, DATATYPES[datatype]).tobytes()
    await client.call("ModelInfer", {"model_name": "any", "inputs": [described], "raw_input_contents": [raw]})
    assert b"".join(seen) in (raw, raw + raw)  # once, where the cache knew


@pytest.mark.parametrize("size", [100, 2 * MOST_FIELDS])
@pytest.mark.parametrize("more", [{}, {"parameters": {"timeout": {"int64_param": 5_000_000}}}])
async def test_a_large_request_is_read_as_a_small_one(
    size: int, more: dict[str, Any], configuration: Configuration, client: Client
) -> None:
    seen: list[bytes] = []

    def answer(inputs: list[bytes]) -> list[Any]:
        seen.extend(inputs)
        return [array_tensor(np.float64(1))] * len(inputs)

    attach(configuration, "any", answer=answer)
    raw = bytes(i % 251 for i in range(size))
    described = {"name": "input", "datatype": "UINT8", "shape": [1, size]}
    asked = {"model_name": "any", "id": "x", "inputs": [described], "raw_input_contents": [raw], **more}
    told = await client.call("ModelInfer", asked)
    assert (told.id, numbers(told), seen) == ("x", [1.0], [raw])
    error = await client.refused("ModelInfer", {**asked, "raw_input_contents": [raw[1:]]})
    assert f"needs {size} bytes, not {size - 1}" in (error.details() or "")


async def test_texts_come_typed_and_raw(configuration: Configuration, client: Client) -> None:
    attach(configuration, "texts", answer=lambda inputs: [b'"%b!"' % i for i in inputs])
    described = {"name": "input", "datatype": "BYTES", "shape": [2]}
    typed = {**described, "contents": {"bytes_contents": [b"a", "é".encode()]}}
    raw = b"".join(struct.pack("<I", len(t)) + t for t in (b"a", "é".encode()))
    for fields in ({"inputs": [typed]}, {"inputs": [described], "raw_input_contents": [raw]}):
        answer = await client.call("ModelInfer", {"model_name": "texts", **fields})
        expected = b"".join(struct.pack("<I", len(t)) + t for t in (b"a!", "é!".encode()))
        assert answer.raw_output_contents[0] == expected
        assert (answer.outputs[0].datatype, list(answer.outputs[0].shape)) == ("BYTES", [2])


@pytest.mark.parametrize("classes", [0, 1])
async def test_many_inputs_are_answered_in_order(
    classes: int, configuration: Configuration, client: Client
) -> None:
    attach(configuration)
    rows = [[float(i)] for i in range(2000)]
    wanted = [{"name": "output", "parameters": {"classification": {"int64_param": classes}}}]
    answer = await client.call("ModelInfer", asks(*rows, outputs=wanted))
    assert len(json.loads(answer.parameters["query_ids"].string_param)) == 2000
    if classes:
        assert answer.raw_output_contents[0].endswith(b"1999.000000:0")
        assert list(answer.outputs[0].shape) == [2000, 1]
    else:
        assert numbers(answer) == rows


async def test_many_texts_have_no_classes(configuration: Configuration, client: Client) -> None:
    attach(configuration, "texts", answer=lambda inputs: [b'"a"'] * len(inputs))
    for many in (1, 500):
        asked = {
            "model_name": "texts",
            "inputs": [{"name": "input", "datatype": "BYTES", "shape": [many]}],
            "raw_input_contents": [struct.pack("<I", 1) + b"a" if many == 1 else b"\1\0\0\0a" * many],
            "outputs": [{"name": "output", "parameters": {"classification": {"int64_param": 2}}}],
        }
        error = await client.refused("ModelInfer", asked)
        assert error.code() == Code.INVALID_ARGUMENT
        assert "The output is no numbers" in (error.details() or "")


# Time


class Context:
    """What gRPC tells a method of a call whose client waits for so long."""

    def __init__(self, waits_s: float) -> None:
        self._gives_up_at = asyncio.get_running_loop().time() + waits_s
        self.trailing: dict[str, str] = {}

    def invocation_metadata(self) -> tuple[()]:
        return ()

    def time_remaining(self) -> float:
        return self._gives_up_at - asyncio.get_running_loop().time()

    def set_trailing_metadata(self, metadata: tuple[tuple[str, str], ...]) -> None:
        self.trailing = dict(metadata)


@pytest.mark.parametrize("waits_s", [0.01, 0.5, 10.0])
def test_a_calls_deadline_gives_the_default_output_in_time(waits_s: float) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        configuration = Configuration("0", lambda: None, loop, loop.time)
        application = ApplicationSpec("m", "doubles", -1, 20_000_000, ["m"])
        configuration.apply(Snapshot(1, [application], [version_spec()], {"m": "1"}))
        attach(configuration, cost_s=FOREVER_S)
        spoken = load("open-inference-grpc", configuration)
        path = "/inference.GRPCInferenceService/ModelInfer"
        assert spoken.protos is not None
        takes, gives, *_ = spoken.protos.methods[path]
        asked = takes(**asks([1, 2])).SerializeToString()
        context = Context(waits_s)
        data = await cast(Any, spoken.methods[path])(asked, Call(context))
        assert 0 < context.time_remaining() < 0.2 * waits_s
        answer = gives.FromString(data)
        assert numbers(answer) == [-1]
        assert context.trailing["x-default-answer"] == "deadline"
        assert json.loads(answer.parameters["defaults"].string_param)["0"][0] == "deadline"

    run(main())


async def test_the_mark_of_a_default_output_is_trailing_metadata(
    configuration: Configuration, client: Client
) -> None:
    call = client.call("ModelInfer", asks([1], model="alone"))
    assert numbers(await call) == [7]
    assert trailing(await call.trailing_metadata())["x-default-answer"] == "no_model_linked"


async def test_the_parameter_timeout_does_so_too(configuration: Configuration, client: Client) -> None:
    attach(configuration, cost_s=FOREVER_S)
    answer = await client.call("ModelInfer", asks([1], parameters={"timeout": {"int64_param": 1000}}))
    assert json.loads(answer.parameters["defaults"].string_param)["0"][0] == "deadline"


async def test_what_a_cancelled_call_waits_for_does_not_begin(
    configuration: Configuration, client: Client
) -> None:
    queue = configuration.queue("m", "1")
    assert queue is not None
    replica = attach(configuration, cost_s=FOREVER_S, credits=0)
    call = client.call("ModelInfer", asks([1], [2]))
    await until(lambda: queue.waiting.count == 2)
    call.cancel()
    await until(lambda: configuration.applications["m"].metrics.cancelled == 2)
    assert not replica.batches


# Refusals


async def test_what_there_is_not_is_not_found(client: Client) -> None:
    error = await client.refused("ModelInfer", asks([1], model="other"))
    assert (error.code(), error.details()) == (Code.NOT_FOUND, "Model with name other does not exist.")
    for method, name in (("ModelMetadata", "name"), ("ModelReady", "name")):
        error = await client.refused(method, {name: "m", "version": "9"})
        assert error.code() == Code.NOT_FOUND
        assert error.details() == "Model with name m and version 9 does not exist."


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"raw_input_contents": []}, "does not have|bytes"),
        ({"raw_input_contents": [b"", b""]}, "There are 2 raw contents, and 1 inputs"),
        ({"inputs": [{"name": "x", "datatype": "FP65", "shape": [1]}]}, "there is no datatype FP65"),
        (
            {"inputs": [{"name": "x", "datatype": "FP64", "shape": [1], "contents": {"fp64_contents": [1]}}]},
            "either raw, for all inputs, or typed",
        ),
        ({"inputs": [{"name": "x", "datatype": "FP64", "shape": [1, -1]}]}, ""),
        ({"parameters": {"timeout": {"string_param": "soon"}}}, "The parameters do not fit"),
        ({"parameters": {"timeout": {"int64_param": -1}}}, "A timeout must be from 1"),
    ],
)
async def test_what_does_not_fit_is_an_invalid_argument(
    changes: dict[str, Any], told: str, configuration: Configuration, client: Client
) -> None:
    error = await client.refused("ModelInfer", {**asks([1]), **changes})
    assert error.code() == Code.INVALID_ARGUMENT
    details = error.details() or ""
    assert any(part in details for part in told.split("|")), details
    assert configuration.applications["m"].metrics.bad_requests == 1


async def test_bytes_that_are_no_message_are_an_invalid_argument(client: Client) -> None:
    for name in (
        *("ModelReady", "ModelMetadata", "ModelInfer", "ModelConfig", "ModelStatistics"),
        *("RepositoryIndex", "RepositoryModelLoad", "RepositoryModelUnload"),
    ):
        error = await client.refused(name, b"\xff\xff\xff")
        assert error.code() == Code.INVALID_ARGUMENT, name


async def test_overload_says_when_to_come_again(configuration: Configuration, client: Client) -> None:
    attach(configuration, answer=lambda _: Fault("overload", "Too much."))
    error = await client.refused("ModelInfer", asks([1], model="strict"))
    assert (error.code(), error.details()) == (Code.RESOURCE_EXHAUSTED, "Too much.")
    assert int(trailing(error)["retry-after"]) >= 1


async def test_our_own_faults_are_internal_and_no_others_are(
    configuration: Configuration, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    attach(configuration)

    def broken(*_: Any) -> Any:
        raise RuntimeError("a fault of ours")

    with monkeypatch.context() as patch:
        patch.setattr(configuration.applications["m"], "ask", broken)
        error = await client.refused("ModelInfer", asks([1]))
    assert error.code() == Code.INTERNAL
    assert "a fault of Clipper Lab" in (error.details() or "")
    assert numbers(await client.call("ModelInfer", asks([1]))) == [[1]]


async def test_a_message_that_is_too_large_is_refused_and_the_connection_goes_on(
    configuration: Configuration, client: Client
) -> None:
    attach(configuration)
    error = await client.refused("ModelInfer", asks([0.0] * (1 << 18)))
    assert error.code() == Code.RESOURCE_EXHAUSTED
    assert numbers(await client.call("ModelInfer", asks([1]))) == [[1]]


async def test_a_message_of_too_many_parts_is_refused_before_it_is_read(client: Client) -> None:
    error = await client.refused("ModelInfer", MANY_PARTS)
    assert error.code() == Code.RESOURCE_EXHAUSTED
    assert "Send numbers as raw bytes" in (error.details() or "")


async def test_a_stream_with_such_a_message_ends(client: Client) -> None:
    stream = client.channel.stream_stream("/inference.GRPCInferenceService/ModelStreamInfer")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async for _ in stream(iter([MANY_PARTS]), timeout=60):
            pass
    assert caught.value.code() == Code.RESOURCE_EXHAUSTED


async def test_an_error_is_no_longer_than_clients_take(client: Client) -> None:
    error = await client.refused("ModelInfer", asks([1], model="x" * 50_000))
    assert error.code() == Code.NOT_FOUND
    assert len(error.details() or "") == rpc.MAX_WORDS


async def test_calls_beyond_so_many_at_once_are_refused(
    configuration: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rpc, "MAX_CALLS", 1)
    attach(configuration, cost_s=FOREVER_S, credits=0)
    queue = configuration.queue("m", "1")
    assert queue is not None
    async with served(configuration, "open-inference-grpc") as client:
        first = client.call("ModelInfer", asks([1]))
        await until(lambda: queue.waiting.count == 1)
        assert (await client.refused("ModelInfer", asks([2]))).code() == Code.RESOURCE_EXHAUSTED
        first.cancel()


MANY_PARTS = b"\x2a\x00" * (MOST_FIELDS + 1)  # inputs of nothing


# About the server and its models


async def test_the_server_and_its_models_tell_of_themselves(
    configuration: Configuration, client: Client
) -> None:
    assert (await client.call("ServerLive")).live
    assert not (await client.call("ModelReady", {"name": "m"})).ready
    attach(configuration)
    assert (await client.call("ModelReady", {"name": "m"})).ready
    assert not (await client.call("ModelReady", {"name": "m", "version": "2"})).ready
    about = await client.call("ServerMetadata")
    assert about.name == "clipperlab"
    found = await client.call("ModelMetadata", {"name": "m"})
    assert (found.name, list(found.versions), found.platform) == ("m", ["1", "2"], "clipperlab")
    assert [(t.name, t.datatype, list(t.shape)) for t in found.inputs] == [("input", "FP64", [-1, -1])]
    assert [t.name for t in found.outputs] == ["output"]
