"""Azure's port: the inference server's documented requests, row by row, and an endpoint's headers."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from clipper_container.tensors import Tensor
from clipper_container.wire import Fault
from clipper_server.query.configuration import Configuration
from clipper_server.query.protocols.azure_ml.scoring import Scoring
from clipper_server.query.request import Request
from clipper_server.snapshot import ApplicationSpec, RequestSpec, Snapshot
from tests.support.fakes import FakeReplica, version_spec
from tests.support.own_port import opened

pytestmark = pytest.mark.anyio
JSON = {"content-type": "application/json"}


def application(name: str, input_type: str, models: list[str], **changes: Any) -> ApplicationSpec:
    return ApplicationSpec(name, input_type, -1, 5_000_000, models, **changes)


APPLICATIONS = [
    application("sum", "doubles", ["m"]),
    application("text", "strings", ["t"]),
    application("any", "json", ["j"]),
    application("frame", "dataframe", ["f"]),
    application("none", "doubles", []),
    application("full", "doubles", ["idle"], on_overload="reject"),
]
COLUMNS = {"a": "float64", "n": "int64", "b": "text", "t": "bool", "x": "any"}
VERSIONS = [
    version_spec(example=[1.0, 2.0]),
    version_spec(version="2"),
    version_spec(model="idle"),
    version_spec(model="t", input_type="strings"),
    version_spec(model="j", input_type="json"),
    version_spec(model="f", input_type="dataframe", columns={"a": "float64", "b": "text"}),
]
CURRENT = {"m": "1", "idle": "1", "t": "1", "j": "1", "f": "1"}


def sizes(answer: bytes) -> Any:
    return lambda inputs: [answer % len(data) for data in inputs]


@pytest.fixture
async def configuration() -> Configuration:
    """Models answer with the length of their inputs in bytes; version 2 of m with a list of it."""
    found = Configuration("0", lambda: None, asyncio.get_running_loop())
    found.apply(Snapshot(1, APPLICATIONS, VERSIONS, CURRENT))
    for spec in VERSIONS:
        if spec.model != "idle":
            queue = found.queues[spec.model, spec.version]
            FakeReplica(queue, cost_s=0, answer=sizes(b"[%d]" if spec.version == "2" else b"%d"))
    return found


@pytest.fixture
async def client(configuration: Configuration) -> AsyncIterator[httpx2.AsyncClient]:
    async with opened("azureml", configuration) as client:
        yield client


SPLIT = {"columns": ["a", "b"], "index": [0, 1], "data": [[1, "x"], [2.5, "yy"]]}


@pytest.mark.parametrize(
    ("name", "body", "told"),
    [
        ("sum", b'{"data": [[1, 2], [3]]}', [16, 8]),
        ("sum", b'{"data": [1, 2]}', [16]),
        ("sum", b'{"data": []}', []),
        ("sum", b'{"input_data": [[1, 2]], "params": {}}', [16]),
        ("sum", b'{"input_data": {"columns": [0, 1], "index": [0], "data": [[1, 2]]}}', [16]),
        ("sum", b"[[1, 2], [3]]", [16, 8]),
        ("sum", b'\xef\xbb\xbf{"data": [[1]]}', [8]),
        ("text", b'{"data": ["a", "bcd"]}', [1, 3]),
        ("any", b'{"data": [{"q": 1}, null]}', [7, 4]),
        ("frame", b'{"data": [{"a": 1, "b": "x"}]}', [11]),
        ("frame", b'{"data": {"a": [1, 2], "b": ["x", "y"]}}', [11, 11]),
        ("frame", b'{"data": [[1, "x"]]}', [11]),
        ("frame", json.dumps({"input_data": SPLIT}).encode(), [11, 12]),
        ("none", b'{"data": [[1], [2]]}', [-1, -1]),
    ],
)
async def test_rows_are_scored(client: httpx2.AsyncClient, name: str, body: bytes, told: Any) -> None:
    response = await client.post(f"/{name}/score", content=body, headers=JSON)
    assert (response.status_code, response.json()) == (200, told)
    assert response.headers["content-type"] == "application/json"


BAD = [
    ("text/csv", b"1,2", 415, r"Expects Content-Type to be application/json$"),
    ("application/json", b"", 400, r"POST body is empty\. Expecting a JSON dictionary\.$"),
    ("application/json", b"{]", 400, r"POST body could not be decoded as JSON: "),
    ("application/json", b"\xff", 400, r"POST body could not be decoded as JSON: "),
    pytest.param("application/json", b"\xef\xbb\xbf" * 5000 + b"[]", 400, "could not be decoded", id="marks"),
    ("application/json", b"3", 400, r"POST body should be a JSON dictionary\.$"),
    ("application/json", b"null", 400, r"POST body should be a JSON dictionary\.$"),
    ("application/json", b"{}", 400, r"A value is not provided for the 'data' parameter\.$"),
    ("application/json", b'{"x": 1}', 400, r"A value is not provided for the 'data' parameter\.$"),
    ("application/json", b'{"data": [], "input_data": []}', 400, "give one of them"),
    ("application/json", b'{"data": [], "x": 1}', 400, "besides data it has x"),
    ("application/json", b'{"data": [["x"]]}', 400, "where a row is a list of numbers"),
    ("application/json", b'{"data": 1}', 400, "it is no list of inputs"),
    ("application/json", b'{"data": [[1]], "params": {"a": 1}}', 400, "models take none"),
    pytest.param("application/json", b"[" * 100_000 + b"]" * 100_000, 400, "too deeply", id="deep"),
    pytest.param(
        "application/json", json.dumps([[1]] * 20_001).encode(), 413, "20000 is the most", id="many"
    ),
    pytest.param("application/json", b"[" + b"1," * (1 << 20) + b"1]", 413, "larger than", id="large"),
]


@pytest.mark.parametrize(("content_type", "body", "status", "why"), BAD)
async def test_what_does_not_fit_is_told_as_azure_tells_it(
    client: httpx2.AsyncClient, content_type: str, body: bytes, status: int, why: str
) -> None:
    response = await client.post("/sum/score", content=body, headers={"content-type": content_type})
    assert response.status_code == status
    assert response.json().keys() == {"message"}
    assert re.search(why, response.json()["message"])
    assert response.headers["x-ms-run-function-failed"] == "False"
    assert response.headers["x-ms-request-id"]


async def test_headers_tell_of_the_request_and_of_the_run(client: httpx2.AsyncClient) -> None:
    given = {
        "x-ms-request-id": "mine",
        "x-ms-client-request-id": "theirs",
        "traceid": "t-1",
        "azureml-model-deployment": "m:2",
    }
    response = await client.post("/sum/score", content=b'{"data": [[1]]}', headers=given)
    assert response.json() == [[8]]
    found = response.headers
    assert (found["x-ms-request-id"], found["x-request-id"]) == ("mine", "mine")
    assert (found["x-ms-client-request-id"], found["traceid"]) == ("theirs", "t-1")
    assert found["x-ms-run-function-failed"] == "False"
    assert re.fullmatch(r"\d+\.\d{3}", found["x-ms-run-fn-exec-ms"])
    assert found["ms-azureml-model-time"] == found["x-ms-run-fn-exec-ms"]
    assert found["x-ms-server-version"].startswith("clipperlab/")
    assert found["azureml-model-deployment"] == "2"
    assert found["x-clipper-query-id"].isdigit()
    fresh = [(await client.post("/sum/score", content=b"[[1]]")).headers["x-ms-request-id"] for _ in "ab"]
    assert len(set(fresh)) == 2
    refused = await client.post("/sum/score", content=b"{]", headers=given)
    assert (refused.headers["x-ms-request-id"], refused.headers["traceid"]) == ("mine", "t-1")


@pytest.mark.parametrize("name", ["x-ms-request-id", "x-request-id", "x-ms-client-request-id", "traceid"])
async def test_an_id_has_an_end(client: httpx2.AsyncClient, name: str) -> None:
    for length, status, nothing in ((100, 200, 404), (101, 431, 431)):
        headers = {name: "a" * length}
        response = await client.post("/sum/score", content=b"[[1]]", headers=headers)
        assert response.status_code == status
        assert (await client.get("/sum/score?data=[[1]]", headers=headers)).status_code == status
        assert (await client.get("/none-such/score", headers=headers)).status_code == nothing
    assert f"The header {'x-ms-request-id' if name == 'x-request-id' else name} has" in response.text


@pytest.mark.parametrize(("deployment", "told"), [("1", [8]), ("2", [[8]]), ("m:2", [[8]]), ("m", [8])])
async def test_a_deployment_is_a_version(client: httpx2.AsyncClient, deployment: str, told: Any) -> None:
    headers = {"azureml-model-deployment": deployment}
    response = await client.post("/sum/score", content=b"[[1]]", headers=headers)
    assert response.json() == told


async def test_a_deployment_that_there_is_not_is_told(client: httpx2.AsyncClient) -> None:
    headers = {"azureml-model-deployment": "9"}
    response = await client.post("/sum/score", content=b"[[1]]", headers=headers)
    assert response.status_code == 404
    assert response.json() == {"message": "There is no deployment '9'. sum has m:1, m:2."}


async def test_default_outputs_are_marked(client: httpx2.AsyncClient) -> None:
    response = await client.post("/none/score", content=b'{"data": [[1]]}')
    assert (response.status_code, response.json()) == (200, [-1])
    assert response.headers["x-default-answer"] == "no_model_linked"
    assert "x-default-rows" not in response.headers
    both = await client.post("/none/score", content=b"[[1], [2]]")
    assert both.headers["x-default-rows"] == "0, 1"
    assert response.headers["x-ms-run-function-failed"] == "True"
    assert "azureml-model-deployment" not in response.headers


async def test_a_deadline_comes_with_the_request(
    client: httpx2.AsyncClient, configuration: Configuration
) -> None:
    headers = {"x-request-timeout-seconds": "0.01"}
    response = await client.post("/full/score", content=b"[[1]]", headers=headers)
    assert (response.status_code, response.headers["x-default-answer"]) == (200, "no_replicas")
    headers = {"x-request-timeout-seconds": "soon"}
    response = await client.post("/sum/score", content=b"[[1]]", headers=headers)
    assert (response.status_code, "a number above 0" in response.json()["message"]) == (400, True)


async def test_no_room_is_told(client: httpx2.AsyncClient, configuration: Configuration) -> None:
    configuration.queues["idle", "1"].admission.most = 1
    waiting = Request("clipper", [Tensor(bytes(8), (1,), "<f8")])
    configuration.applications["full"].ask(waiting, lambda _answers: None)
    for method, path in (("POST", "/full/score"), ("GET", "/full/score?data=[[1]]")):
        response = await client.request(method, path, content=b"[[1]]" if method == "POST" else None)
        assert (response.status_code, response.json().keys()) == (429, {"message"})
        assert int(response.headers["retry-after"]) >= 1


@pytest.mark.parametrize(
    ("query", "status", "told"),
    [
        ("data=[[1,2],[3]]", 200, [16, 8]),
        ("input_data=[[1]]", 200, [8]),
        ("", 400, {"message": "A value is not provided for the 'data' parameter."}),
        ("data=[", 400, None),
        ("data=%5B%5B1%5D%5D&x=1", 400, None),
    ],
)
async def test_scores_by_get(client: httpx2.AsyncClient, query: str, status: int, told: Any) -> None:
    response = await client.get(f"/sum/score?{query}")
    assert response.status_code == status
    assert response.json() == told if told is not None else response.json().keys() == {"message"}
    assert response.headers["x-ms-request-id"]


async def test_scores_by_get_have_the_limit_of_a_body(
    client: httpx2.AsyncClient, configuration: Configuration
) -> None:
    requests = RequestSpec(max_json=100)
    configuration.apply(Snapshot(2, APPLICATIONS, VERSIONS, CURRENT, requests=requests))
    query = "data=[[" + "1," * 100 + "1]]"
    response = await client.get(f"/sum/score?{query}")
    assert (response.status_code, "more than the 100 bytes" in response.json()["message"]) == (413, True)
    assert (await client.get("/sum/score?data=[[1]]")).json() == [8]


async def test_many_scores_by_get_are_written_a_little_at_a_time(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def at_once(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(Scoring, "encode", at_once)
    response = await client.get(f"/sum/score?data=[{','.join(['[1]'] * 1000)}]")
    assert (response.status_code, response.json()) == (200, [8] * 1000)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_other_methods_are_not_allowed(client: httpx2.AsyncClient, method: str) -> None:
    response = await client.request(method, "/sum/score")
    assert (response.status_code, response.json()) == (405, {"message": "Method not allowed"})
    assert "POST" in response.headers["allow"]


async def test_what_else_there_is(client: httpx2.AsyncClient) -> None:
    response = await client.get("/")
    assert (response.status_code, response.text) == (200, "Healthy")
    response = await client.options("/sum/score")
    assert (response.status_code, response.headers["allow"]) == (200, "GET, HEAD, OPTIONS, POST")
    for path in ("/nowhere", "/nope/score", "/score", "/swagger.json", "/nope/swagger.json"):
        response = await client.get(path)
        assert (response.status_code, response.json().keys()) == (404, {"message"})
        response = await client.post("/nope/score", content=b"[[1]]")
        assert (response.status_code, "There is no application 'nope'" in response.text) == (404, True)
    assert "There are several applications: any, frame" in (await client.post("/score")).json()["message"]


async def test_the_only_application_needs_no_name(
    client: httpx2.AsyncClient, configuration: Configuration
) -> None:
    configuration.apply(Snapshot(2, APPLICATIONS[:1], VERSIONS, CURRENT))
    assert (await client.post("/score", content=b"[[1]]")).json() == [8]
    assert (await client.get("/score?data=[[1]]")).json() == [8]
    assert "/score" in (await client.get("/swagger.json")).json()["paths"]
    configuration.apply(Snapshot(3, [], [], {}))
    response = await client.post("/score", content=b"[[1]]")
    assert (response.status_code, "register_application makes one" in response.text) == (404, True)


@pytest.mark.parametrize(
    ("version", "kind", "written"),
    [("", "swagger", "2.0"), ("2", "swagger", "2.0"), ("3", "openapi", "3.0.3"), ("3.1", "openapi", "3.1.0")],
)
async def test_swagger_describes_a_row(
    client: httpx2.AsyncClient, version: str, kind: str, written: str
) -> None:
    query = {"version": version} if version else {}
    found = (await client.get("/sum/swagger.json", params=query)).json()
    assert found[kind] == written
    said = found["paths"]["/sum/score"]["post"]
    if kind == "swagger":
        schema = said["parameters"][0]["schema"]
    else:
        schema = said["requestBody"]["content"]["application/json"]["schema"]
    assert schema["properties"]["data"]["items"]["items"] == {"type": "number"}
    assert schema["example"] == {"data": [[1.0, 2.0]]}
    response = await client.post("/sum/score", json=schema["example"])
    assert response.json() == [16]
    assert (await client.get("/sum/swagger.json?version=4")).status_code == 404


async def test_swagger_knows_columns(client: httpx2.AsyncClient, configuration: Configuration) -> None:
    versions = [version_spec(model="f", input_type="dataframe", columns=COLUMNS)]
    configuration.apply(Snapshot(2, [application("frame", "dataframe", ["f"])], versions, {"f": "1"}))
    found = (await client.get("/swagger.json")).json()
    row = found["paths"]["/score"]["post"]["parameters"][0]["schema"]["properties"]["data"]["items"]
    assert row["required"] == list(COLUMNS)
    types = {name: each.get("type") for name, each in row["properties"].items()}
    assert types == {"a": "number", "n": "integer", "b": "string", "t": "boolean", "x": None}


async def test_other_sites_pages_ask_where_the_cluster_allows_it(
    client: httpx2.AsyncClient, configuration: Configuration
) -> None:
    requests = RequestSpec(cors_origins=["https://example.com"])
    configuration.apply(Snapshot(2, APPLICATIONS, VERSIONS, CURRENT, requests=requests))
    page = {"origin": "https://example.com"}
    for response in (
        await client.post("/sum/score", content=b"[[1]]", headers=page),
        await client.get("/sum/score?data=[[1]]", headers=page),
        await client.options("/sum/score", headers={**page, "access-control-request-method": "POST"}),
    ):
        assert response.headers["access-control-allow-origin"] == "https://example.com"


async def test_rows_that_have_the_default_output_are_named(
    client: httpx2.AsyncClient, configuration: Configuration
) -> None:
    fails = Fault("model_error", "It failed.")
    FakeReplica(
        configuration.queues["idle", "1"],
        cost_s=0,
        answer=lambda inputs: [b"1" if len(data) == 8 else fails for data in inputs],
    )
    response = await client.post("/full/score", content=b"[[1], [1, 2], [1], [1, 2]]")
    assert response.json() == [1, -1, 1, -1]
    assert response.headers["x-default-rows"] == "1, 3"
    assert response.headers["x-default-answer"] == "model_error"
    assert response.headers["azureml-model-deployment"] == "1"
