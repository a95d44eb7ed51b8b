"""TensorFlow Serving's ports, on a cluster: what is asked there comes from a model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import httpx2
import pytest

from clipper_server.query.protocols.tensorflow_serving.messages import serving
from clipperlab import ClipperConnection
from clipperlab.deployers.python import deploy_python_closure
from tests.support.clusters import constant

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def at(conn: ClipperConnection) -> Iterator[dict[str, Any]]:
    conn.register_application("app", "doubles", -1, 20_000_000)
    conn.register_application("empty", "doubles", -1, 20_000_000)
    for version in (1, 2):
        deploy_python_closure(conn, "app", version, "doubles", constant(float(version)))
    conn.link_model_to_app("app", "app")
    yield conn.start_protocol("tensorflow-serving")
    conn.stop_protocol("tensorflow-serving")


@pytest.fixture(scope="module")
def client(at: dict[str, Any]) -> Iterator[httpx2.Client]:
    with httpx2.Client(
        base_url=f"http://{at['rest']}/v1/models", trust_env=False, verify=False, timeout=60
    ) as client:
        yield client


def predict(client: httpx2.Client, which: str) -> httpx2.Response:
    return client.post(f"/{which}:predict", json={"instances": [[0.5]]})


def test_models_answer_by_version_and_by_label(conn: ClipperConnection, client: httpx2.Client) -> None:
    assert predict(client, "app").json() == {"predictions": [2.0]}
    assert predict(client, "app/versions/1").json() == {"predictions": [1.0]}
    assert predict(client, "app/labels/stable").status_code == 400
    for version in (1, 2):
        conn.set_version_label("app", version, "stable")
        assert predict(client, "app/labels/stable").json() == {"predictions": [float(version)]}
    assert [v["version"] for v in client.get("/app").json()["model_version_status"]] == ["2", "1"]
    assert client.get("/app/metadata").json()["model_spec"]["version"] == "2"
    assert predict(client, "other").status_code == 404


def test_a_default_output_is_marked(client: httpx2.Client, at: dict[str, Any]) -> None:
    answer = predict(client, "empty")
    assert (answer.json(), answer.headers["x-default-answer"]) == ({"predictions": [-1]}, "no_model_linked")
    request = serving.PredictRequest(model_spec={"name": "empty"})
    request.inputs["input"].dtype = 2
    request.inputs["input"].tensor_shape.dim.add(size=1)
    request.inputs["input"].double_val.append(0.5)
    with grpc.insecure_channel(at["grpc"]) as channel:
        ask = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        found, call = ask.with_call(request.SerializeToString(), timeout=60)
    outputs = serving.PredictResponse.FromString(found).outputs
    assert list(outputs["output"].int64_val) == [-1]
    assert dict(call.trailing_metadata())["x-default-answer"] == "no_model_linked"


def test_only_who_calls_this_machine_by_its_name_is_told_anything(client: httpx2.Client) -> None:
    assert client.get("/app", headers={"Host": "evil.example"}).status_code == 421
    refused = client.post("/app:predict", json={"instances": [[0.5]]}, headers={"Host": "evil.example"})
    assert refused.status_code == 421
