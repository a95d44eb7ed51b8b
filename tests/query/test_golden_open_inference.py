"""What clients of KServe, Triton and MLServer expect to the letter: requests, and the answers to them.

Where those servers differ ours has KServe's bodies with Triton's statuses.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import httpx2
import msgspec
import numpy as np
import pytest

import clipper_server
from clipper_container.errors import ClusterError, NotFound
from clipper_container.tensors import array_tensor
from clipper_server.query.configuration import Configuration
from clipper_server.query.protocols.open_inference import OpenInferenceProtocol
from clipper_server.query.protocols.open_inference.refusals import (
    NO_EXPLAIN,
    NO_LOGGING,
    NO_REGIONS,
    NO_TRACE,
)
from clipper_server.snapshot import ApplicationSpec, Snapshot
from tests.support.fakes import FakeReplica, version_spec, with_a_cache
from tests.support.over_grpc import Client, served, until
from tests.support.over_http import served_over_http

pytestmark = pytest.mark.anyio
Code = grpc.StatusCode
TOKEN = "a-token"
INPUT = {"name": "input", "datatype": "FP32", "shape": [-1, -1]}
OUTPUT = {"name": "output", "datatype": "FP32", "shape": [-1, 1]}
INFER = {
    "id": "42",
    "parameters": {},
    "inputs": [
        {"name": "input", "shape": [2, 2], "datatype": "FP32", "parameters": {}, "data": [1.0, 2.0, 3.0, 4.0]}
    ],
    "outputs": [{"name": "output"}],
}
NESTED = {"inputs": [{**INFER["inputs"][0], "data": [[1.0, 2.0], [3.0, 4.0]]}]}  # type: ignore[index]
NO_MODEL = {"error": "Model with name x does not exist."}
NO_VERSION = {"error": "Model with name m and version 9 does not exist."}
NOT_READY = {"error": "Model with name idle is not ready."}
READY = {"name": "m", "version": "1", "state": "READY", "reason": ""}
IDLE = [
    {
        "name": "idle",
        "version": "7",
        "state": "UNAVAILABLE",
        "reason": "It has no replica that is ready.",
    },
    {
        "name": "m",
        "version": "2",
        "state": "UNAVAILABLE",
        "reason": "It has no replica that is ready.",
    },
]


class ToManagement:
    """What was passed on; `says` is what management answers."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.says: Exception | None = None

    async def __call__(self, method: str, path: str, token: str, body: object = None) -> None:
        self.asked.append((method, path, token, body))
        if self.says is not None:
            raise self.says


@pytest.fixture
async def management() -> ToManagement:
    return ToManagement()


@pytest.fixture
async def configuration(management: ToManagement) -> Configuration:
    configuration = Configuration("0", lambda: None, asyncio.get_running_loop())
    applications = [
        ApplicationSpec("m", "floats", -1.0, 20_000_000, ["sums"]),
        ApplicationSpec("idle", "floats", -1.0, 20_000_000, ["idle"]),
        ApplicationSpec("json", "json", None, 20_000_000, ["json"]),
    ]
    versions = [
        version_spec(model="sums", input_type="floats"),
        version_spec(model="sums", version="2", input_type="floats", credential="2"),
        version_spec(model="idle", version="7", input_type="floats"),
        version_spec(model="json", input_type="json"),
    ]
    current = {"sums": "1", "idle": "7", "json": "1"}
    configuration.apply(Snapshot(1, applications, versions, current))
    configuration.pass_on = management

    def add(inputs: list[bytes]) -> list[Any]:
        return [array_tensor(np.frombuffer(i, "<f4").sum(keepdims=True)) for i in inputs]

    sums, as_they_are = configuration.queue("sums", "1"), configuration.queue("json", "1")
    assert sums is not None
    assert as_they_are is not None
    FakeReplica(sums, 0.0, answer=add)
    sums.example = "<f4", (1,)
    FakeReplica(as_they_are, 0.0)
    return configuration


@pytest.fixture
async def client(configuration: Configuration) -> AsyncIterator[httpx2.AsyncClient]:
    async with served_over_http(configuration) as client:
        yield client


@pytest.fixture
async def over_grpc(configuration: Configuration) -> AsyncIterator[Client]:
    async with served(configuration, "open-inference-grpc") as client:
        yield client


# REST

ABOUT = {
    "name": "clipperlab",
    "version": clipper_server.__version__,
    "extensions": [
        *("binary_tensor_data", "classification", "model_configuration", "model_repository", "statistics")
    ],
}
METADATA = {
    "name": "m",
    "versions": ["1", "2"],
    "platform": "clipperlab",
    "inputs": [INPUT],
    "outputs": [OUTPUT],
}
CONFIG = {
    "name": "m",
    "platform": "clipperlab",
    "backend": "clipperlab",
    "version_policy": {"all": {}},
    "max_batch_size": 20_000,
    "input": [{"name": "input", "data_type": "TYPE_FP32", "dims": [-1]}],
    "output": [{"name": "output", "data_type": "TYPE_FP32", "dims": [1]}],
    "dynamic_batching": {},
    "model_transaction_policy": {"decoupled": False},
}
ROWS: list[tuple[str, str, Any, int, Any]] = [
    # The server
    ("GET", "/v2", None, 200, ABOUT),
    ("GET", "/v2/health/live", None, 200, {"live": True}),
    ("GET", "/v2/health/ready", None, 503, {"error": "Server is not ready."}),
    ("GET", "/v2/models", None, 200, {"models": ["idle", "json", "m"]}),
    # Its models
    ("GET", "/v2/models/m", None, 200, METADATA),
    ("GET", "/v2/models/m/versions/1", None, 200, METADATA),
    ("GET", "/v2/models/m/ready", None, 200, {"name": "m", "ready": True}),
    ("GET", "/v2/models/m/versions/1/ready", None, 200, {"name": "m", "ready": True}),
    ("GET", "/v2/models/idle/ready", None, 503, NOT_READY),
    ("GET", "/v2/models/idle/versions/7/ready", None, 503, NOT_READY),
    *(
        (method, f"/v2/models/{model}{what}", {}, 404, error)
        for model, error in (("x", NO_MODEL), ("m/versions/9", NO_VERSION))
        for method, what in (
            *(("GET", ""), ("GET", "/ready"), ("POST", "/infer"), ("GET", "/config"), ("GET", "/stats")),
        )
    ),
    # Wrong methods and routes
    ("POST", "/v2", {}, 405, {"error": "Send a GET or HEAD to /v2."}),
    ("GET", "/v2/models/m/infer", None, 405, {"error": "Send a POST to /v2/models/m/infer."}),
    ("POST", "/v2/models/m/ready", {}, 405, {"error": "Send a GET or HEAD to /v2/models/m/ready."}),
    ("GET", "/v2/repository/index", None, 405, {"error": "Send a POST to /v2/repository/index."}),
    ("GET", "/v2/nothing", None, 404, {"error": "There is nothing at /v2/nothing."}),
    ("POST", "/v2/models/m/generate", {}, 404, {"error": "There is nothing at /v2/models/m/generate."}),
    # Triton's extensions
    ("POST", "/v2/repository/index", {"ready": True}, 200, [{**READY, "name": "json"}, READY]),
    (
        "POST",
        "/v2/repository/index",
        None,
        200,
        [IDLE[0], {**READY, "name": "json"}, READY, IDLE[1]],
    ),
    ("GET", "/v2/models/m/config", None, 200, CONFIG),
    ("GET", "/v2/models/m/versions/1/config", None, 200, CONFIG),
    ("POST", "/v2/repository/models/m/load", {}, 200, {"name": "m", "load": True}),
    ("POST", "/v2/repository/models/x/load", {}, 404, NO_MODEL),
    ("GET", "/v2/systemsharedmemory/status", None, 200, []),
    ("GET", "/v2/cudasharedmemory/status", None, 200, []),
    ("GET", "/v2/cudasharedmemory/region/r/status", None, 400, {"error": NO_REGIONS}),
    ("POST", "/v2/systemsharedmemory/region/r/register", {}, 400, {"error": NO_REGIONS}),
    ("POST", "/v2/cudasharedmemory/region/r/register", {}, 400, {"error": NO_REGIONS}),
    ("POST", "/v2/systemsharedmemory/unregister", {}, 200, {}),
    ("POST", "/v2/cudasharedmemory/region/r/unregister", {}, 200, {}),
    ("GET", "/v2/logging", None, 501, {"error": NO_LOGGING}),
    ("POST", "/v2/logging", {"log_info": True}, 501, {"error": NO_LOGGING}),
    ("GET", "/v2/trace/setting", None, 501, {"error": NO_TRACE}),
    ("POST", "/v2/models/m/trace/setting", {}, 501, {"error": NO_TRACE}),
    # KServe's V1
    ("GET", "/", None, 200, {"status": "alive"}),
    ("GET", "/v1/models", None, 200, {"models": ["idle", "json", "m"]}),
    ("GET", "/v1/models/m", None, 200, {"name": "m", "ready": True}),
    ("GET", "/v1/models/idle", None, 503, NOT_READY),
    ("GET", "/v1/models/x", None, 404, NO_MODEL),
    ("POST", "/v1/models/x:predict", {"instances": []}, 404, NO_MODEL),
    ("POST", "/v1/models/m:explain", {"instances": []}, 501, {"error": NO_EXPLAIN}),
    ("GET", "/v1/models/m:predict", None, 405, {"error": "Send a POST to /v1/models/m:predict."}),
    ("GET", "/v1/nothing", None, 404, {"error": "There is nothing at /v1/nothing."}),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "expected"), ROWS)
async def test_each_row_over_rest(
    method: str, path: str, body: Any, status: int, expected: Any, client: httpx2.AsyncClient
) -> None:
    response = await client.request(method, path, json=body)
    assert (response.status_code, response.json()) == (status, expected)


async def test_the_server_is_ready_when_all_of_its_models_are(
    configuration: Configuration, client: httpx2.AsyncClient, over_grpc: Client
) -> None:
    assert (await client.get("/v2/health/ready")).status_code == 503
    assert not (await over_grpc.call("ServerReady")).ready
    idle = configuration.queue("idle", "7")
    assert idle is not None
    replica = FakeReplica(idle)
    response = await client.get("/v2/health/ready")
    assert (response.status_code, response.json()) == (200, {"ready": True})
    assert (await over_grpc.call("ServerReady")).ready
    replica.die()
    assert not (await over_grpc.call("ServerReady")).ready
    idle.configure(msgspec.structs.replace(idle.spec, num_replicas=0))  # none is to be there
    assert (await client.get("/v2/health/ready")).status_code == 200
    assert (await over_grpc.call("ServerReady")).ready


@pytest.mark.parametrize("path", ["/v2/models/m/infer", "/v2/models/m/versions/1/infer"])
@pytest.mark.parametrize("asked", [INFER, {**NESTED, "id": "42"}])
async def test_an_inference_over_rest(path: str, asked: Any, client: httpx2.AsyncClient) -> None:
    response = await client.post(path, json=asked)
    body = response.json()
    assert len(body.pop("parameters")["query_ids"]) == 2
    assert (response.status_code, body) == (
        200,
        {
            "model_name": "m",
            "model_version": "1",
            "id": "42",
            "outputs": [{"name": "output", "shape": [2, 1], "datatype": "FP32", "data": [3.0, 7.0]}],
        },
    )


async def test_an_inference_in_binary_over_rest(client: httpx2.AsyncClient) -> None:
    text = (
        b'{"inputs":[{"name":"input","shape":[2,2],"datatype":"FP32","parameters":{"binary_data_size":16}}],'
        b'"outputs":[{"name":"output","parameters":{"binary_data":true}}]}'
    )
    headers = {
        "Inference-Header-Content-Length": str(len(text)),
        "Content-Type": "application/octet-stream",
    }
    content = text + np.array([1, 2, 3, 4], "<f4").tobytes()
    response = await client.post("/v2/models/m/infer", content=content, headers=headers)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/octet-stream"
    length = int(response.headers["inference-header-content-length"])
    assert json.loads(response.content[:length])["outputs"] == [
        {"name": "output", "shape": [2, 1], "datatype": "FP32", "parameters": {"binary_data_size": 8}}
    ]
    assert response.content[length:] == np.array([3, 7], "<f4").tobytes()


async def test_raw_bytes_alone_are_answered_in_binary(client: httpx2.AsyncClient) -> None:
    headers = {"Inference-Header-Content-Length": "0"}
    content = np.array([1, 2], "<f4").tobytes()
    response = await client.post("/v2/models/m/infer", content=content, headers=headers)
    length = int(response.headers["inference-header-content-length"])
    assert (response.status_code, response.content[length:]) == (200, np.array([3], "<f4").tobytes())


@pytest.mark.parametrize(
    "changes",
    [
        {"inputs": []},
        {"inputs": None},
        {"inputs": [{"name": "input", "shape": [1, 1], "datatype": "FP32"}]},
        {"inputs": [{"name": "input", "shape": [1, 1], "datatype": "FP32", "data": ["a"]}]},
        {"inputs": [{"name": "input", "shape": [3], "datatype": "FP32", "data": [1]}]},
        {"inputs": [{"name": "input", "shape": [1, 1], "datatype": "FP16", "data": [1]}]},
        {"inputs": [{"name": "input", "shape": [1, 1], "datatype": "BF16", "data": [1]}]},
        {"outputs": [{"name": "other"}]},
        {"parameters": {"priority": 2}},
        {"parameters": {"sequence_id": 1, "sequence_start": True}},
        {"parameters": {"timeout": 0}},
    ],
)
async def test_bad_input_is_400_with_a_text(changes: Any, client: httpx2.AsyncClient) -> None:
    response = await client.post("/v2/models/m/infer", json={**INFER, **changes})
    assert response.status_code == 400
    assert list(response.json()) == ["error"]
    assert isinstance(response.json()["error"], str)


async def test_our_own_fault_is_500_with_a_text(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("it cannot be written")

    monkeypatch.setattr(OpenInferenceProtocol, "encode", fails)
    response = await client.post("/v2/models/m/infer", json=INFER)
    assert (response.status_code, list(response.json())) == (500, ["error"])
    assert "by a fault of Clipper Lab" in response.json()["error"]


@pytest.mark.parametrize("model", ["m", "m/versions/1"])
async def test_statistics_count_what_was_answered(model: str, client: httpx2.AsyncClient) -> None:
    await client.post("/v2/models/m/infer", json=INFER)
    response = await client.get(f"/v2/models/{model}/stats")
    found = response.json()["model_stats"]
    assert response.status_code == 200
    assert [(each["name"], each["version"]) for each in found][:1] == [("m", "1")]
    assert found[0]["inference_count"] == 2
    assert found[0]["execution_count"] in (1, 2)  # as they were batched
    assert found[0]["inference_stats"]["success"]["count"] == 2
    assert found[0]["inference_stats"]["success"]["ns"] > 0
    assert found[0]["inference_stats"]["compute_infer"]["count"] == found[0]["execution_count"]
    assert found[0]["last_inference"] > 0
    every = (await client.get("/v2/models/stats")).json()["model_stats"]
    assert [(each["name"], each["version"]) for each in every] == [
        *(("idle", "7"), ("json", "1"), ("m", "1"), ("m", "2"))
    ]


async def test_statistics_tell_of_the_cache_the_last_time_and_each_size_of_batches(
    configuration: Configuration, client: httpx2.AsyncClient, over_grpc: Client
) -> None:
    async def told() -> dict[str, Any]:
        (found,) = (await client.get("/v2/models/m/versions/1/stats")).json()["model_stats"]
        (same,) = (await over_grpc.call("ModelStatistics", {"name": "m", "version": "1"})).model_stats
        batches = [(b.batch_size, b.compute_infer.count, b.compute_infer.ns) for b in same.batch_stats]
        assert batches == sizes(found)
        assert same.inference_stats.success.count == found["inference_stats"]["success"]["count"]
        assert abs(same.last_inference - found["last_inference"]) < 1000
        return dict(found)

    def sizes(found: dict[str, Any]) -> list[tuple[int, int, int]]:
        return [
            (b["batch_size"], b["compute_infer"]["count"], b["compute_infer"]["ns"])
            for b in found["batch_stats"]
        ]

    configuration.apply(with_a_cache(configuration))
    none = await told()
    assert (none["last_inference"], none["batch_stats"]) == (0, [])
    metrics, now = configuration.metrics.version("sums", "1"), time.time()
    before = configuration.clock()
    await client.post("/v2/models/m/infer", json=INFER)
    metrics.ran(3, 0.5, before + 1000)  # a batch of another time
    metrics.ran(3, 0.25, before + 2000)
    after = await told()
    assert after["last_inference"] == pytest.approx(1000 * (now + 2000), abs=60_000)
    assert sizes(after)[-1] == (3, 2, 750_000_000)
    assert sum(size * count for size, count, _ in sizes(after)[:-1]) == 2
    known = after["inference_stats"]["success"]["count"]
    for _ in range(2):
        await client.post("/v2/models/m/infer", json=INFER)  # which the cache knows
    cached = await told()
    assert cached["inference_stats"]["success"]["count"] == known + 4
    assert (cached["inference_stats"]["cache_hit"]["count"], cached["inference_count"]) == (4, 2)


# KServe's V1


async def test_a_prediction_over_v1(client: httpx2.AsyncClient) -> None:
    response = await client.post("/v1/models/json:predict", json={"instances": [[1, 2], {"a": "b"}]})
    body = response.json()
    assert len(body.pop("parameters")["query_ids"]) == 2
    assert (response.status_code, body) == (200, {"predictions": [[1, 2], {"a": "b"}]})
    assert "x-default-answer" not in response.headers


async def test_many_predictions_over_v1(client: httpx2.AsyncClient) -> None:
    many = list(range(2000))
    response = await client.post("/v1/models/json:predict", json={"instances": many, "signature_name": "s"})
    assert response.json()["predictions"] == many


async def test_default_outputs_over_v1_are_marked(client: httpx2.AsyncClient) -> None:
    headers = {"X-Request-Timeout-Seconds": "0.01"}
    response = await client.post("/v1/models/idle:predict", json={"instances": [[1]]}, headers=headers)
    body = response.json()
    assert (response.status_code, body["predictions"]) == (200, [-1.0])
    assert response.headers["x-default-answer"] == body["parameters"]["defaults"]["0"][0]


@pytest.mark.parametrize("body", [b"{]", b"{}", b'{"instances": 1}', b'{"instances": [["a"]]}', b"[]"])
async def test_what_does_not_fit_v1_is_400_with_a_text(body: bytes, client: httpx2.AsyncClient) -> None:
    response = await client.post("/v1/models/m:predict", content=body)
    assert response.status_code == 400
    assert 'Expected JSON: {"instances": [X, ...]}' in response.json()["error"]


async def test_rows_of_data_frames_over_v1(configuration: Configuration, client: httpx2.AsyncClient) -> None:
    snapshot = configuration.snapshot
    assert snapshot is not None
    frame = ApplicationSpec("frame", "dataframe", "none", 20_000_000, ["frame"])
    version = version_spec(model="frame", input_type="dataframe")
    configuration.apply(
        Snapshot(
            2,
            [*snapshot.applications, frame],
            [*snapshot.versions, version],
            {**snapshot.current, "frame": "1"},
        )
    )
    queue = configuration.queue("frame", "1")
    assert queue is not None
    FakeReplica(queue, 0.0, answer=lambda inputs: [b"1"] * len(inputs))
    response = await client.post("/v1/models/frame:predict", json={"instances": [{"a": 1}, {"a": 2}]})
    assert (response.status_code, response.json()["predictions"]) == (200, [1, 1])
    response = await client.post("/v1/models/frame:predict", json={"instances": [1]})
    assert response.status_code == 400
    assert 'Expected JSON: {"instances": [X, ...]}' in response.json()["error"]


async def test_requests_are_counted_by_protocol(
    configuration: Configuration, client: httpx2.AsyncClient, over_grpc: Client
) -> None:
    await client.post("/v1/models/m:predict", json={"instances": [[1, 2]]})
    await client.post("/v2/models/m/infer", json=INFER)
    await over_grpc.call("ModelInfer", ONE)
    assert configuration.applications["m"].metrics.queries == {
        **{"kserve-v1": 1, "open-inference": 1, "open-inference-grpc": 1}
    }


# Loading and unloading

LOAD, UNLOAD = "/v2/repository/models/m/load", "/v2/repository/models/m/unload"
TO_TWO = {"parameters": {"version": "2"}}
AS_TRITON = {"parameters": {"config": '{"version_policy": {"specific": {"versions": [2]}}}'}}
MOVED = {"version": "2", "message": "A client of Open Inference loaded it."}


@pytest.mark.parametrize("body", [TO_TWO, AS_TRITON, {"parameters": {"version": 2}}])
@pytest.mark.parametrize("headers", [{"X-Clipper-Token": TOKEN}, {"Authorization": f"Bearer {TOKEN}"}])
async def test_a_load_moves_the_version_with_the_callers_token(
    body: Any, headers: dict[str, str], management: ToManagement, client: httpx2.AsyncClient
) -> None:
    response = await client.post(LOAD, json=body, headers=headers)
    assert (response.status_code, response.json()) == (200, {"name": "m", "load": True})
    assert management.asked == [("PUT", "/models/sums/current", TOKEN, MOVED)]


async def test_an_unload_removes_a_version_with_the_callers_token(
    management: ToManagement, client: httpx2.AsyncClient
) -> None:
    response = await client.post(UNLOAD, json=TO_TWO, headers={"X-Clipper-Token": TOKEN})
    assert (response.status_code, response.json()) == (200, {"name": "m", "unload": True})
    assert management.asked == [("DELETE", "/models/sums/versions/2", TOKEN, None)]


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "told"),
    [
        (LOAD, TO_TWO, {}, 401, "needs the cluster's token, in the header X-Clipper-Token"),
        (LOAD, TO_TWO, {"X-Clipper-Token": "a b"}, 401, "needs the cluster's token"),
        (UNLOAD, TO_TWO, {}, 401, "needs the cluster's token"),
        (UNLOAD, {}, {"X-Clipper-Token": TOKEN}, 400, "Say which version of m goes"),
        (LOAD, {"parameters": {"version": "9"}}, {}, 404, "version 9 does not exist"),
        (LOAD, {"parameters": {"version": []}}, {}, 400, "is a text"),
        (LOAD, {"parameters": {"file:1/m.onnx": "AA=="}}, {}, 400, "send no files"),
        (LOAD, {"parameters": {"config": "{}"}}, {}, 400, "Models are deployed from Python"),
        (LOAD, {"parameters": {"config": 7}}, {}, 400, "Models are deployed from Python"),
        (LOAD, [], {}, 400, "The body does not fit"),
        ("/v2/repository/models/idle/load", {}, {}, 400, "Model with name idle is not ready"),
    ],
)
async def test_what_is_not_loaded_or_unloaded_is_told_why(
    path: str,
    body: Any,
    headers: dict[str, str],
    status: int,
    told: str,
    management: ToManagement,
    client: httpx2.AsyncClient,
) -> None:
    response = await client.post(path, json=body, headers=headers)
    assert response.status_code == status
    assert told in response.json()["error"]
    assert not management.asked


@pytest.mark.parametrize(("says", "status"), [(NotFound("No."), 404), (ClusterError("No."), 503)])
async def test_what_management_refuses_is_refused(
    says: Exception, status: int, management: ToManagement, client: httpx2.AsyncClient, over_grpc: Client
) -> None:
    management.says = says
    response = await client.post(LOAD, json=TO_TWO, headers={"X-Clipper-Token": TOKEN})
    assert (response.status_code, response.json()) == (status, {"error": "No."})
    load = {"model_name": "m", "parameters": {"version": {"string_param": "2"}}}
    error = await over_grpc.refused("RepositoryModelLoad", load, metadata=[("x-clipper-token", TOKEN)])
    assert error.code() == (Code.NOT_FOUND if status == 404 else Code.UNAVAILABLE)


async def test_a_body_that_is_too_large_is_not_kept(client: httpx2.AsyncClient) -> None:
    response = await client.post(LOAD, content=b" " * (1 << 21))
    assert response.status_code == 413


# gRPC


async def test_the_configuration_over_grpc(over_grpc: Client) -> None:
    config = (await over_grpc.call("ModelConfig", {"name": "m"})).config
    assert (config.name, config.platform, config.backend) == ("m", "clipperlab", "clipperlab")
    assert config.max_batch_size == 20_000
    assert [(each.name, each.data_type, list(each.dims)) for each in config.input] == [("input", 11, [-1])]
    assert [(each.name, each.data_type, list(each.dims)) for each in config.output] == [("output", 11, [1])]
    assert config.version_policy.WhichOneof("policy_choice") == "all"
    assert config.WhichOneof("scheduling_choice") == "dynamic_batching"


async def test_statistics_and_the_index_over_grpc(over_grpc: Client) -> None:
    found = (await over_grpc.call("ModelStatistics", {"name": "m", "version": "1"})).model_stats
    assert [(each.name, each.version) for each in found] == [("m", "1")]
    assert len((await over_grpc.call("ModelStatistics")).model_stats) == 4
    ready = (await over_grpc.call("RepositoryIndex", {"ready": True})).models
    assert [(each.name, each.version, each.state) for each in ready] == [
        *(("json", "1", "READY"), ("m", "1", "READY"))
    ]
    assert len((await over_grpc.call("RepositoryIndex")).models) == 4


async def test_loading_and_unloading_over_grpc(management: ToManagement, over_grpc: Client) -> None:
    two = {"model_name": "m", "parameters": {"version": {"string_param": "2"}}}
    for metadata in ([("x-clipper-token", TOKEN)], [("authorization", f"Bearer {TOKEN}")]):
        await over_grpc.call("RepositoryModelLoad", two, metadata=metadata)
        await over_grpc.call("RepositoryModelUnload", two, metadata=metadata)
    assert management.asked == 2 * [
        ("PUT", "/models/sums/current", TOKEN, MOVED),
        ("DELETE", "/models/sums/versions/2", TOKEN, None),
    ]
    await over_grpc.call("RepositoryModelLoad", {"model_name": "m"})
    error = await over_grpc.refused("RepositoryModelLoad", two)
    assert error.code() == Code.UNAUTHENTICATED
    assert "in the header X-Clipper-Token" in (error.details() or "")


REGION = {"shared_memory_region": {"string_param": "r"}}
FLOATS = {"name": "input", "datatype": "FP32", "shape": [1, 1]}
ONE = {"model_name": "m", "inputs": [FLOATS], "raw_input_contents": [bytes(4)]}
GRPC_ROWS: list[tuple[str, Any, grpc.StatusCode, str]] = [
    *(
        (method, {name: "x"}, Code.NOT_FOUND, NO_MODEL["error"])
        for method, name in {
            "ModelReady": "name",
            "ModelMetadata": "name",
            "ModelConfig": "name",
            "ModelStatistics": "name",
            "ModelInfer": "model_name",
            "RepositoryModelLoad": "model_name",
        }.items()
    ),
    ("ModelConfig", {"name": "m", "version": "9"}, Code.NOT_FOUND, NO_VERSION["error"]),
    ("TraceSetting", {}, Code.UNIMPLEMENTED, NO_TRACE),
    ("LogSettings", {}, Code.UNIMPLEMENTED, NO_LOGGING),
    ("SystemSharedMemoryRegister", {"name": "r"}, Code.INVALID_ARGUMENT, NO_REGIONS),
    ("CudaSharedMemoryRegister", {"name": "r"}, Code.INVALID_ARGUMENT, NO_REGIONS),
    ("SystemSharedMemoryStatus", {"name": "r"}, Code.INVALID_ARGUMENT, NO_REGIONS),
    (
        "ModelInfer",
        {"model_name": "m", "inputs": [{**FLOATS, "parameters": REGION}]},
        Code.INVALID_ARGUMENT,
        NO_REGIONS,
    ),
    (
        "ModelInfer",
        {**ONE, "outputs": [{"name": "output", "parameters": REGION}]},
        Code.INVALID_ARGUMENT,
        NO_REGIONS,
    ),
    (
        "ModelInfer",
        {"model_name": "m", "inputs": [{**FLOATS, "shape": [-1, -1]}]},
        Code.INVALID_ARGUMENT,
        "A shape has sizes of 0 or more",
    ),
    (
        "ModelInfer",
        {
            "model_name": "json",
            "inputs": [{"name": "x", "datatype": "BYTES", "shape": [1]}],
            "raw_input_contents": [(100_000).to_bytes(4, "little") + b"[" * 100_000],
        },
        Code.INVALID_ARGUMENT,
        "an element is JSON that is nested too deeply",
    ),
    (
        "RepositoryModelLoad",
        {"model_name": "m", "parameters": {"config": {"bytes_param": b"\xff"}}},
        Code.INVALID_ARGUMENT,
        "A configuration may say which version is current",
    ),
    ("ModelInfer", {**ONE, "outputs": [{"name": "y"}]}, Code.INVALID_ARGUMENT, "there is no output 'y'"),
    (
        "ModelInfer",
        {**ONE, "parameters": {"priority": {"uint64_param": 3}}},
        Code.INVALID_ARGUMENT,
        "requests have no priority",
    ),
    (
        "ModelInfer",
        {**ONE, "parameters": {"sequence_id": {"int64_param": 3}}},
        Code.INVALID_ARGUMENT,
        "sequences of them are not kept",
    ),
]


@pytest.mark.parametrize(("method", "asked", "code", "told"), GRPC_ROWS)
async def test_each_refusal_over_grpc(
    method: str, asked: Any, code: grpc.StatusCode, told: str, over_grpc: Client
) -> None:
    error = await over_grpc.refused(method, asked)
    assert error.code() == code
    assert told in (error.details() or "")


async def test_shared_memory_is_empty_over_grpc(over_grpc: Client) -> None:
    for kind in ("System", "Cuda"):
        assert not (await over_grpc.call(f"{kind}SharedMemoryStatus")).regions
        await over_grpc.call(f"{kind}SharedMemoryUnregister")


async def test_a_stream_is_answered_in_order_and_goes_on_after_an_error(over_grpc: Client) -> None:
    protos = over_grpc.protos
    path = "/inference.GRPCInferenceService/ModelStreamInfer"
    takes, gives, *_ = protos.methods[path]
    asked = [
        takes(**{**ONE, "id": str(i), "raw_input_contents": [np.float32(i).tobytes()]}) for i in range(100)
    ]
    asked[3].model_name = "x"
    stream = over_grpc.channel.stream_stream(path, takes.SerializeToString, gives.FromString)
    found = [answer async for answer in stream(iter(asked), timeout=60)]
    assert found.pop(3).error_message == NO_MODEL["error"]
    assert [answer.infer_response.id for answer in found] == [str(i) for i in range(100) if i != 3]
    values = [np.frombuffer(a.infer_response.raw_output_contents[0], "<f4")[0] for a in found]
    assert values == [i for i in range(100) if i != 3]
    assert found[0].infer_response.parameters["triton_final_response"].bool_param


async def test_a_stream_that_is_cancelled_lets_go_of_what_is_under_way(
    configuration: Configuration, over_grpc: Client
) -> None:
    path = "/inference.GRPCInferenceService/ModelStreamInfer"
    takes, gives, *_ = over_grpc.protos.methods[path]
    idle = configuration.applications["idle"]
    queue = configuration.queue("idle", "7")
    assert queue is not None
    FakeReplica(queue, 3600.0, credits=0)
    stream = over_grpc.channel.stream_stream(path, takes.SerializeToString, gives.FromString)()
    for i in range(5):
        raw = [np.float32(i).tobytes()]
        await stream.write(takes(**{**ONE, "model_name": "idle", "raw_input_contents": raw}))
    await until(lambda: queue.waiting.count == 5)
    stream.cancel()
    await until(lambda: idle.metrics.cancelled == 5)


@pytest.mark.parametrize(
    ("path", "content"),
    [
        (LOAD, b'{"parameters": {"version": "\\ud800"}}'),
        (LOAD, b'{"parameters": {"\\udc00": 1}}'),
        (UNLOAD, b'{"parameters": {"version": "\xff"}}'),
        ("/v2/repository/models/%ff%d8/load", b"{}"),
        ("/v2/repository/models/%ED%A0%80/load", b'{"parameters": {"version": "1"}}'),
        ("/v1/models/%ff:predict", b"{}"),
        ("/v1/models/m:predict", b'{"instances": ["\\ud800"], "\\ud800": 1}'),
        ("/v2/models/%ff/infer", b"{}"),
        ("/v2/models/m/infer", b'{"inputs": [{"name": "\\ud800", "shape": [1], "datatype": "\\ud800"}]}'),
        ("/v2/%ff/%00", b""),
    ],
)
async def test_what_no_answer_could_quote_is_the_clients_mistake(
    path: str, content: bytes, client: httpx2.AsyncClient
) -> None:
    response = await client.post(path, content=content, headers={"X-Clipper-Token": TOKEN})
    assert 400 <= response.status_code < 500
    assert isinstance(response.json()["error"], str)
