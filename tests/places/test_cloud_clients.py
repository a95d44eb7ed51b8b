"""SageMaker's, MLflow's, TorchServe's and Azure's clients, as their documentation shows them.

curl signs as Amazon's clients do. On Docker others reach the port, and so the signature is looked at there.
"""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from clipperlab import ClipperConnection
from clipperlab.deployers.python import deploy_python_closure
from tests.support.by_curl import curl, curl_all
from tests.support.clusters import Attach
from tests.support.places import Place
from tests.support.waiting import wait_for

pytestmark = [
    pytest.mark.parametrize("place", ["process", "docker"], indirect=True, scope="module"),
    pytest.mark.slow,
    pytest.mark.timeout(900),
]
PROTOCOLS = ["sagemaker", "torchserve", "azureml"]
ROWS = "[[1.0, 2.0], [3.0, 4.0]]"
RECORDED = Path(__file__).parents[1] / "golden"
BOTO3 = json.loads((RECORDED / "sagemaker" / "boto3.json").read_text())
MLFLOW = json.loads((RECORDED / "mlflow" / "bodies.json").read_text())
KEY, SECRET = "laboratory", "a-secret-of-the-tests"
JSON = "-H", "Content-Type: application/json"
SOON = "-H", "X-Request-Timeout-Seconds: 0.1"
ABSENT, LATE = {"no_model_linked"}, {"deadline", "overload"}
"""Why there are default outputs. Where a model is late, a row waits in vain, or it is clear that it would."""


@pytest.fixture(scope="module")
def conn(attach: Attach, place: Place) -> Iterator[ClipperConnection]:
    connection = attach("clouds")
    try:
        connection.start_clipper(protocols=PROTOCOLS, cache_size=0, fresh=True)
        if place.name == "docker":
            connection.start_protocol("sagemaker", key=(KEY, SECRET))
        for name, input_type in {
            "sum": "doubles",
            "slow": "doubles",
            "nobody": "doubles",
            "size": "bytes",
        }.items():
            connection.register_application(name, input_type, -1.0, 20_000_000)
        sums, slow, sizes = models()
        for version in (1, 2):
            deploy_python_closure(connection, "adder", version, "doubles", sums, example_input=[1.0, 2.0])
        deploy_python_closure(connection, "slow", 1, "doubles", slow)
        for version in (1, 2):
            deploy_python_closure(connection, "sizes", version, "bytes", sizes, make_current=version == 1)
        for name, model in {"sum": "adder", "slow": "slow", "size": "sizes"}.items():
            connection.link_model_to_app(name, model)
        yield connection
    finally:
        connection.stop_all(purge=True)
    assert place.left("clouds") == []


def models() -> tuple[Any, Any, Any]:
    """Made in a function, so that they are packaged by value."""

    def sums(rows: list[Any]) -> list[float]:
        return [float(row.sum()) for row in rows]

    def slow(rows: list[Any]) -> list[float]:
        import threading

        threading.Event().wait(1)
        return [0.0 for _ in rows]

    def sizes(pictures: list[bytes]) -> list[dict[str, int]]:
        return [{"bytes": len(picture)} for picture in pictures]

    sums.__module__ = slow.__module__ = sizes.__module__ = "__main__"
    return sums, slow, sizes


def at(conn: ClipperConnection, name: str) -> str:
    (found,) = (protocol for protocol in conn.protocols() if protocol["name"] == name)
    assert found["state"] == "on"
    return f"http://{found['rest']}"


def signed(conn: ClipperConnection, path: str, *words: str) -> tuple[int, Any, dict[str, str]]:
    """A POST to SageMaker's port, signed with the key. On processes nobody looks at it."""
    sign = "--aws-sigv4", "aws:amz:eu-west-1:sagemaker", "--user", f"{KEY}:{SECRET}"
    return curl_all("-X", "POST", f"{at(conn, 'sagemaker')}{path}", *sign, *words)


def invoked(conn: ClipperConnection, name: str, *words: str) -> tuple[int, Any, dict[str, str]]:
    return signed(conn, f"/endpoints/{name}/invocations", *words)


def why(headers: dict[str, str]) -> set[str]:
    """Why outputs are default ones, where some are."""
    return set(headers["x-default-answer"].split(", "))


# SageMaker


def test_an_endpoint_is_invoked_and_says_by_which_variant(conn: ClipperConnection) -> None:
    status, found, headers = invoked(conn, "sum", *JSON, "-d", ROWS)
    assert (status, found) == (200, [3.0, 7.0])
    assert headers["x-amzn-invoked-production-variant"] == "2"
    assert headers["x-amzn-requestid"]
    assert len(headers["x-clipper-query-id"].split(", ")) == 2
    prefix = "X-Amzn-SageMaker"
    more = {
        "Target-Variant": "1",
        "Inference-Id": "mine",
        "Session-Id": "NEW_SESSION",
        "Custom-Attributes": "a=1",
    }
    words = [word for name, value in more.items() for word in ("-H", f"{prefix}-{name}: {value}")]
    accept = "-H", "Accept: text/csv"
    status, found, headers = invoked(
        conn, "sum", "-H", "Content-Type: text/csv", *accept, "-d", "1,2", *words
    )
    assert (status, found, headers["content-type"]) == (200, 3.0, "text/csv")
    assert headers["x-amzn-invoked-production-variant"] == "1"
    assert headers["x-amzn-sagemaker-inference-id"] == "mine"
    assert headers["x-amzn-sagemaker-custom-attributes"] == "a=1"
    assert "; Expires=" in headers["x-amzn-sagemaker-new-session-id"]


def test_an_endpoint_that_is_late_or_has_no_model_says_so(conn: ClipperConnection) -> None:
    status, found, headers = invoked(conn, "nobody", *JSON, "-d", ROWS)
    assert (status, found, why(headers)) == (200, [-1.0, -1.0], ABSENT)
    assert "x-amzn-invoked-production-variant" not in headers
    status, found, headers = invoked(conn, "slow", *JSON, *SOON, "-d", ROWS)
    assert (status, found) == (200, [-1.0, -1.0])
    assert why(headers) <= LATE


def test_an_endpoints_refusals_are_amazons(conn: ClipperConnection) -> None:
    nine = "-H", "X-Amzn-SageMaker-Target-Variant: 9"
    for name, words, code, kind, told in (
        ("nope", ("-d", ROWS), 400, "ValidationError", "Endpoint nope is not found"),
        ("sum", (*nine, "-d", ROWS), 400, "ValidationError", "Variant 9 is not found"),
        ("sum", ("-d", '[["x"]]'), 424, "ModelError", "Received client error (400) from sum"),
    ):
        status, found, headers = invoked(conn, name, *JSON, *words)
        assert (status, headers["x-amzn-errortype"]) == (code, kind)
        assert told in found["Message"]
    assert found["OriginalStatusCode"] == 400


def test_signatures_are_looked_at_where_others_reach_the_port(conn: ClipperConnection, place: Place) -> None:
    """What boto3 sent was signed with another key, and long ago."""
    for request in BOTO3["requests"].values():
        response = httpx2.post(
            f"{at(conn, 'sagemaker')}{request['path']}",
            content=request["body"],
            headers=request["headers"],
            trust_env=False,
        )
        if place.name == "docker":
            assert (response.status_code, response.headers["x-amzn-errortype"]) == (
                403,
                "InvalidSignatureException",
            )
        else:
            assert response.status_code == 200
            assert response.headers["x-amzn-invoked-production-variant"] == request["call"].get(
                "TargetVariant", "2"
            )
    unsigned = curl(f"{at(conn, 'sagemaker')}/sum/invocations", *JSON, "-d", ROWS)
    if place.name == "docker":
        assert (unsigned[0], unsigned[1]["error_code"]) == (403, "PERMISSION_DENIED")
    else:
        assert unsigned == (200, [3.0, 7.0])


def test_a_key_is_asked_for_on_this_machine_too(conn: ClipperConnection, place: Place) -> None:
    conn.start_protocol("sagemaker", key=("other", "another-secret"))
    try:
        status, _, headers = invoked(conn, "sum", *JSON, "-d", ROWS)
        assert (status, headers["x-amzn-errortype"]) == (403, "UnrecognizedClientException")
        conn.start_protocol("sagemaker", key=(KEY, SECRET))
        status, found, _ = invoked(conn, "sum", *JSON, "-d", ROWS)
        assert (status, found) == (200, [3.0, 7.0])
    finally:
        conn.stop_protocol("sagemaker")
        conn.start_protocol("sagemaker", key=(KEY, SECRET) if place.name == "docker" else None)


# MLflow


def test_mlflows_clients_score(conn: ClipperConnection) -> None:
    split = {"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2], [3, 4]]}}
    for body in (MLFLOW["array"], json.dumps(split), json.dumps({"instances": json.loads(ROWS)})):
        status, found, headers = signed(conn, "/sum/invocations", *JSON, "-d", body)
        assert (status, found) == (200, {"predictions": [3.0, 7.0]})
        assert "x-default-answer" not in headers
    for path in ("/ping", "/health"):
        assert curl(f"{at(conn, 'sagemaker')}{path}") == (200, "\n")
    status, found, headers = signed(conn, "/slow/invocations", *JSON, *SOON, "-d", MLFLOW["array"])
    assert (status, found) == (200, {"predictions": [-1.0, -1.0]})
    assert why(headers) <= LATE
    _, found, headers = signed(conn, "/nobody/invocations", *JSON, "-d", MLFLOW["array"])
    assert (found, why(headers)) == ({"predictions": [-1.0, -1.0]}, ABSENT)
    status, found, _ = signed(conn, "/sum/invocations", *JSON, "-d", "{}")
    assert (status, found["error_code"]) == (400, "BAD_REQUEST")
    status, found, _ = signed(conn, "/nope/invocations", *JSON, "-d", ROWS)
    assert (status, found["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")


# TorchServe


def test_curl_predicts_as_it_asks_torchserve(conn: ClipperConnection, tmp_path: Path) -> None:
    url = at(conn, "torchserve")
    wait_for("it to be healthy", lambda: curl(f"{url}/ping") == (200, {"status": "Healthy"}))
    picture = tmp_path / "kitten.jpg"
    picture.write_bytes(b"\xff" + bytes(1_999_999))
    told = 200, {"bytes": 2_000_000}
    assert curl(f"{url}/predictions/size", "-T", str(picture)) == told
    assert curl(f"{url}/predictions/size", "-F", f"data=@{picture}") == told
    assert curl(f"{url}/predictions/size/2", "--data-binary", f"@{picture}") == told
    row = "-d", '{"data": [1.0, 2.0]}'
    assert curl(f"{url}/predictions/sum", *JSON, *row) == (200, 3.0)
    assert curl(f"{url}/predictions/sum/1", *JSON, *row) == (200, 3.0)
    assert curl("-X", "POST", f"{url}/predictions/sum", "-d", "data=[1.0, 2.0]") == (200, 3.0)
    status, found, headers = curl_all(f"{url}/predictions/slow", *JSON, *SOON, *row)
    assert (status, found) == (200, -1.0)
    assert why(headers) <= LATE
    for path, words, status, kind in (
        ("nope", row, 404, "ModelNotFoundException"),
        ("nobody", row, 404, "ModelNotFoundException"),  # an application without a model
        ("sum/9", row, 404, "ModelVersionNotFoundException"),
        ("sum", ("-d", "{]"), 400, "BadRequestException"),
        ("sum", ("-X", "DELETE"), 405, "MethodNotAllowedException"),
    ):
        code, found, headers = curl_all(f"{url}/predictions/{path}", *JSON, *words)
        assert (code, found["code"], found["type"]) == (status, status, kind)
        assert headers["x-request-id"]


def test_curl_manages_as_it_manages_torchserve(conn: ClipperConnection) -> None:
    url = at(conn, "torchserve")
    _, found = curl(f"{url}/models")
    assert {each["modelName"]: each["modelUrl"] for each in found["models"]}["size"] == "sizes:1"
    (described,) = curl(f"{url}/models/size")[1]
    assert (described["modelVersion"], [each["status"] for each in described["workers"]]) == ("1", ["READY"])
    scale = "-X", "PUT", f"{url}/models/size/2?min_worker=2&synchronous=true"
    for wrong in ((), ("-H", "Authorization: Bearer wrong")):
        status, found = curl(*scale, *wrong)
        assert (status, found["type"]) == (401, "InvalidKeyException")
    record = conn.cm.record()
    assert record is not None
    token = "-H", f"Authorization: Bearer {record.token}"
    assert curl(*scale, *token) == (200, {"status": "Workers scaled to 2 for model: size, version: 2"})
    assert len(curl(f"{url}/models/size/2")[1][0]["workers"]) == 2
    for version in ("2", "1"):
        status, _ = curl("-X", "PUT", f"{url}/models/size/{version}/set-default", *token)
        assert (status, conn.get_current_model_version("sizes")) == (200, version)
    assert curl("-X", "PUT", f"{url}/models/size/2?min_worker=1&synchronous=true", *token)[0] == 200


# Azure ML


def scored(url: str, data: Any, **more: str) -> tuple[int, Any, dict[str, str]]:
    """As Azure's page on consuming an endpoint has it for Python."""
    if getattr(ssl, "_create_unverified_context", None):  # which it allows for certificates of one's own
        context = ssl._create_unverified_context()
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json",
        "Authorization": "Bearer any-key",
        **more,
    }
    request = urllib.request.Request(url, str.encode(json.dumps(data)), headers)
    try:
        with urllib.request.urlopen(request, context=context) as response:
            return response.status, json.loads(response.read()), dict(response.headers.items())
    except urllib.error.HTTPError as error:
        with error:
            said = error.read().decode("utf8", "ignore")
            return error.code, json.loads(said), dict(error.info().items())


def test_azures_sample_scores(conn: ClipperConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    url = at(conn, "azureml")
    assert curl(url) == (200, "Healthy")
    data = {"data": json.loads(ROWS)}
    for deployment in ("1", "2", "adder:1"):
        headers = {"azureml-model-deployment": deployment, "x-ms-client-request-id": "mine"}
        status, found, told = scored(f"{url}/sum/score", data, **headers)
        assert (status, found) == (200, [3.0, 7.0])
        assert told["azureml-model-deployment"] == deployment.removeprefix("adder:")
        assert (told["x-ms-client-request-id"], told["x-ms-run-function-failed"]) == ("mine", "False")
        assert told["x-ms-request-id"]
    status, found, _ = scored(f"{url}/sum/score", {"input_data": json.loads(ROWS)})
    assert (status, found) == (200, [3.0, 7.0])


def test_azures_sample_reads_default_outputs_and_refusals(
    conn: ClipperConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "*")
    url = at(conn, "azureml")
    data = {"data": json.loads(ROWS)}
    for name, reasons in (("nobody", ABSENT), ("slow", LATE)):
        soon = {"X-Request-Timeout-Seconds": "0.1"}
        status, found, told = scored(f"{url}/{name}/score", data, **soon)
        assert (status, found, told["x-ms-run-function-failed"]) == (200, [-1.0, -1.0], "True")
        assert why(told) <= reasons
    for path, body, headers, code, words in (
        ("sum", {"x": 1}, {}, 400, "A value is not provided for the 'data' parameter."),
        ("sum", data, {"azureml-model-deployment": "9"}, 404, "There is no deployment '9'."),
        ("nope", data, {}, 404, "There is no application 'nope'."),
        ("sum", data, {"Content-Type": "text/csv"}, 415, "Expects Content-Type to be application/json"),
    ):
        status, found, told = scored(f"{url}/{path}/score", body, **headers)
        assert (status, found["message"].startswith(words)) == (code, True)
