"""Clients that are not ours, unchanged: tritonclient's four; and TensorFlow Serving's ports."""

from __future__ import annotations

import asyncio
import json
import queue
from collections.abc import Iterator
from contextlib import closing
from types import ModuleType
from typing import Any, cast

import grpc
import httpx2
import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.grpc.aio
import tritonclient.http
import tritonclient.http.aio
from tritonclient.utils import InferenceServerException

from clipper_container.tensors import Tensor
from clipper_server.query.protocols.tensorflow_serving.messages import serving
from clipper_server.query.protocols.tensorflow_serving.tensors import proto_of
from clipperlab import ClipperConnection
from clipperlab.deployers.python import deploy_python_closure
from tests.support.clusters import Attach
from tests.support.places import Place

pytestmark = [
    pytest.mark.parametrize("place", ["process", "docker"], indirect=True, scope="module"),
    pytest.mark.slow,
    pytest.mark.timeout(900),
]
PROTOCOLS = ["open-inference-grpc", "tensorflow-serving"]
ROWS = np.array([[1.0, 2.0], [3.0, 4.0]])
BOTH = pytest.mark.parametrize("over", [tritonclient.http, tritonclient.grpc], ids=["http", "grpc"])


@pytest.fixture(scope="module")
def conn(attach: Attach, place: Place) -> Iterator[ClipperConnection]:
    connection = attach("clients")
    try:
        connection.start_clipper(protocols=PROTOCOLS, cache_size=0, fresh=True)
        connection.register_application("sums", "doubles", -1.0, 20_000_000)
        connection.register_application("loud", "strings", "?", 20_000_000)
        connection.register_application("nobody", "doubles", -1.0, 20_000_000)
        sums, loud = models()
        for version in (1, 2):
            deploy_python_closure(connection, "adder", version, "doubles", sums, example_input=[1.0, 2.0])
        deploy_python_closure(connection, "loud", 1, "strings", loud, example_input="a")
        connection.link_model_to_app("sums", "adder")
        connection.link_model_to_app("loud", "loud")
        yield connection
    finally:
        connection.stop_all(purge=True)
    assert place.left("clients") == []


def models() -> tuple[Any, Any]:
    """Made in a function, so that they are packaged by value."""

    def sums(rows: list[Any]) -> list[Any]:
        return [row.sum(keepdims=True) for row in rows]

    def loud(texts: list[str]) -> list[str]:
        return [text.upper() for text in texts]

    sums.__module__ = loud.__module__ = "__main__"
    return sums, loud


def address(conn: ClipperConnection, over: ModuleType) -> str:
    if "grpc" not in over.__name__:
        return conn.get_query_addr()
    (found,) = (p["grpc"] for p in conn.protocols() if p["name"] == "open-inference-grpc")
    return cast(str, found)


def rows(over: ModuleType, values: Any = ROWS, **options: Any) -> list[Any]:
    made = over.InferInput("input", list(values.shape), "FP64")
    made.set_data_from_numpy(values, **options)
    return [made]


def token(conn: ClipperConnection) -> str:
    record = conn.cm.record()
    assert record is not None
    return record.token


def as_dictionary(told: Any) -> Any:
    """Over gRPC it is a message, of which its client makes JSON."""
    from google.protobuf.json_format import MessageToDict

    return told if isinstance(told, dict | list) else MessageToDict(told, preserving_proto_field_name=True)


@BOTH
def test_what_there_is_is_told_before_any_query(conn: ClipperConnection, over: ModuleType) -> None:
    with closing(over.InferenceServerClient(address(conn, over))) as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("sums")
        assert client.is_model_ready("sums", "2")
        assert not client.is_model_ready("nobody")
        assert as_dictionary(client.get_server_metadata())["name"] == "clipperlab"
        told = as_dictionary(client.get_model_metadata("sums"))
        assert (told["name"], told["versions"]) == ("sums", ["1", "2"])
        ((given,), (output,)) = told["inputs"], told["outputs"]
        assert (given["datatype"], [int(n) for n in given["shape"]]) == ("FP64", [-1, -1])
        assert (output["datatype"], [int(n) for n in output["shape"]]) == ("FP64", [-1, 1])
        config = as_dictionary(client.get_model_config("sums"))
        config = config.get("config", config)
        assert (config["max_batch_size"], config["input"][0]["data_type"]) == (20_000, "TYPE_FP64")


@BOTH
def test_an_inference(conn: ClipperConnection, over: ModuleType) -> None:
    with closing(over.InferenceServerClient(address(conn, over))) as client:
        asked = [over.InferRequestedOutput("output")]
        result = client.infer("sums", rows(over), outputs=asked, request_id="42")
        assert result.as_numpy("output").tolist() == [[3.0], [7.0]]
        response = as_dictionary(result.get_response())
        assert (response["model_name"], response["id"]) == ("sums", "42")
        assert "defaults" not in response["parameters"]
        result = client.infer("sums", rows(over), model_version="1")
        assert as_dictionary(result.get_response())["model_version"] == "1"


@pytest.mark.parametrize("sent", [False, True])
@pytest.mark.parametrize("wanted", [False, True])
def test_tensors_travel_in_json_and_in_binary(conn: ClipperConnection, sent: bool, wanted: bool) -> None:
    over = tritonclient.http
    with closing(over.InferenceServerClient(address(conn, over))) as client:
        asked = [over.InferRequestedOutput("output", binary_data=wanted)]
        result = client.infer("sums", rows(over, binary_data=sent), outputs=asked)
        assert result.as_numpy("output").tolist() == [[3.0], [7.0]]
        result = client.infer("sums", rows(over), request_compression_algorithm="gzip")
        assert result.as_numpy("output").tolist() == [[3.0], [7.0]]


@BOTH
def test_classes(conn: ClipperConnection, over: ModuleType) -> None:
    asked = [over.InferRequestedOutput("output", class_count=1)]
    with closing(over.InferenceServerClient(address(conn, over))) as client:
        found = client.infer("sums", rows(over), outputs=asked).as_numpy("output").tolist()
        assert found == [[b"3.000000:0"], [b"7.000000:0"]]


@BOTH
def test_texts(conn: ClipperConnection, over: ModuleType) -> None:
    texts = np.array([b"a", "é".encode()], object)
    made = over.InferInput("input", [2], "BYTES")
    made.set_data_from_numpy(texts)
    with closing(over.InferenceServerClient(address(conn, over))) as client:
        found = client.infer("loud", [made]).as_numpy("output").tolist()
        assert [text.decode() for text in found] == ["A", "É"]


@BOTH
def test_refusals_are_exceptions_with_a_sentence(conn: ClipperConnection, over: ModuleType) -> None:
    one = over.InferRequestedOutput
    with closing(over.InferenceServerClient(address(conn, over))) as client:
        shared = over.InferInput("input", [1, 1], "FP64")
        shared.set_shared_memory("region", 8)
        for told, ask in {
            "Model with name other does not exist": lambda: client.infer("other", rows(over)),
            "version 9 does not exist": lambda: client.infer("sums", rows(over), model_version="9"),
            "there is no output 'y'": lambda: client.infer("sums", rows(over), outputs=[one("y")]),
            "requests have no priority": lambda: client.infer("sums", rows(over), priority=1),
            "sequences of them": lambda: client.infer("sums", rows(over), sequence_id=1, sequence_start=True),
            "o memory is shared": lambda: client.infer("sums", [shared]),
            "No memory is shared": lambda: client.register_system_shared_memory("region", "/key", 8),
            "There are no settings of traces": client.get_trace_settings,
            "There are no settings of the log": client.get_log_settings,
            "Models are deployed from Python": lambda: client.load_model("sums", config="{}"),
            "Say which version of sums goes": lambda: client.unload_model("sums"),
        }.items():
            with pytest.raises(InferenceServerException) as caught:
                ask()
            assert told in str(caught.value)
        client.unregister_system_shared_memory()
        assert not as_dictionary(client.get_system_shared_memory_status())
        assert client.infer("sums", rows(over)).as_numpy("output").tolist() == [[3.0], [7.0]]


@BOTH
def test_the_parameter_timeout_gives_the_default_output(conn: ClipperConnection, over: ModuleType) -> None:
    with closing(over.InferenceServerClient(address(conn, over))) as client:
        result = client.infer("nobody", rows(over), timeout=50_000)
        assert result.as_numpy("output").tolist() == [-1.0, -1.0]
        defaults = as_dictionary(result.get_response())["parameters"]["defaults"]
        assert "no_model_linked" in json.dumps(defaults)


def test_a_clients_timeout_over_grpc_is_kept(conn: ClipperConnection) -> None:
    over = tritonclient.grpc
    with closing(over.InferenceServerClient(address(conn, over))) as client:
        assert client.infer("nobody", rows(over), client_timeout=5.0).as_numpy("output").tolist() == [-1, -1]


@BOTH
def test_a_load_moves_the_version_with_the_clusters_token(conn: ClipperConnection, over: ModuleType) -> None:
    current = conn.get_current_model_version("adder")
    other = {"1": "2", "2": "1"}[current]
    config = json.dumps({"version_policy": {"specific": {"versions": [int(other)]}}})
    with closing(over.InferenceServerClient(address(conn, over))) as client:
        client.load_model("sums")
        with pytest.raises(InferenceServerException, match="X-Clipper-Token"):
            client.load_model("sums", config=config)
        with pytest.raises(InferenceServerException, match="token is missing or wrong"):
            client.load_model("sums", config=config, headers={"x-clipper-token": "another"})
        assert conn.get_current_model_version("adder") == current
        client.load_model("sums", config=config, headers={"x-clipper-token": token(conn)})
        assert conn.get_current_model_version("adder") == other
        found = as_dictionary(client.get_model_repository_index())
        found = found["models"] if isinstance(found, dict) else found
        assert {(m["name"], m["version"]) for m in found if m["state"] == "READY"} == {
            *(("loud", "1"), ("sums", "1"), ("sums", "2"))
        }


@BOTH
def test_statistics(conn: ClipperConnection, over: ModuleType) -> None:
    with closing(over.InferenceServerClient(address(conn, over))) as client:
        client.infer("sums", rows(over), model_version="1")
        told = as_dictionary(client.get_inference_statistics("sums", "1"))
        (found,) = told["model_stats"]
        assert (found["name"], found["version"]) == ("sums", "1")
        assert len(as_dictionary(client.get_inference_statistics())["model_stats"]) == 3


def test_calls_under_way_at_once_over_http(conn: ClipperConnection) -> None:
    over = tritonclient.http
    with closing(over.InferenceServerClient(address(conn, over), concurrency=8)) as client:
        calls = [client.async_infer("sums", rows(over, np.array([[float(i)]]))) for i in range(50)]
        found = [call.get_result().as_numpy("output").tolist() for call in calls]
    assert found == [[[float(i)]] for i in range(50)]


def test_a_stream_over_grpc(conn: ClipperConnection) -> None:
    over = tritonclient.grpc
    answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
    with closing(over.InferenceServerClient(address(conn, over))) as client:
        client.start_stream(lambda result, error: answers.put((result, error)))
        for i in range(20):
            model = "other" if i == 7 else "sums"
            client.async_stream_infer(model, rows(over, np.array([[float(i)]])), request_id=str(i))
        found = [answers.get(timeout=60) for _ in range(20)]
        client.stop_stream()
    assert "Model with name other does not exist" in str(found[7][1])
    values = [result.as_numpy("output").tolist() for result, error in found if error is None]
    assert values == [[[float(i)]] for i in range(20) if i != 7]


@pytest.mark.parametrize("over", [tritonclient.http.aio, tritonclient.grpc.aio], ids=["http.aio", "grpc.aio"])
def test_clients_with_asyncio(conn: ClipperConnection, over: ModuleType) -> None:
    async def main() -> None:
        async with over.InferenceServerClient(address(conn, over)) as client:
            assert await client.is_server_live()
            assert await client.is_model_ready("sums")
            results = await asyncio.gather(
                *(client.infer("sums", rows(over, np.array([[float(i)]]))) for i in range(20))
            )
            assert [r.as_numpy("output").tolist() for r in results] == [[[float(i)]] for i in range(20)]
            with pytest.raises(InferenceServerException, match="Model with name other does not exist"):
                await client.infer("other", rows(over))
            told = as_dictionary(await client.get_model_metadata("sums"))
            assert told["outputs"][0]["datatype"] == "FP64"

    asyncio.run(main())


def test_tensorflow_servings_ports_are_reached_over_rest_and_grpc(conn: ClipperConnection) -> None:
    (at,) = (found for found in conn.protocols() if found["name"] == "tensorflow-serving")
    url = f"http://{at['rest']}/v1/models/sums"
    answer = httpx2.post(
        f"{url}:predict", json={"instances": ROWS.tolist()}, trust_env=False, verify=False, timeout=30
    )
    assert answer.json() == {"predictions": [[3.0], [7.0]]}
    assert len(set(answer.headers["x-clipper-query-id"].split(", "))) == 2
    state = httpx2.get(url, trust_env=False, verify=False, timeout=30).json()["model_version_status"]
    assert {each["state"] for each in state} == {"AVAILABLE"}
    request = serving.PredictRequest(model_spec={"name": "sums"})
    request.inputs["input"].CopyFrom(proto_of(Tensor(ROWS.tobytes(), ROWS.shape, "<f8")))
    with grpc.insecure_channel(at["grpc"]) as channel:
        call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        response = serving.PredictResponse.FromString(call(request.SerializeToString(), timeout=30))
    assert list(response.outputs["output"].double_val) == [3.0, 7.0]
