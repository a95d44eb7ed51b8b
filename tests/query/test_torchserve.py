"""TorchServe's port: what its documentation and multi-model-server's ask of it, row by row."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import numpy as np
import pytest

from clipper_container.errors import BadRequest, ClusterError, Unauthorized
from clipper_container.tensors import Tensor, array_tensor
from clipper_container.wire import Fault
from clipper_server.policies import SplitSpec
from clipper_server.query.configuration import Configuration
from clipper_server.query.limits import DEFAULT
from clipper_server.query.protocols.torchserve.bodies import Bodies
from clipper_server.query.protocols.torchserve.predictions import Predictions
from clipper_server.query.request import Answer, Request
from clipper_server.snapshot import ApplicationSpec, BatchingSpec, RequestSpec, Snapshot
from tests.support.fakes import FakeReplica, version_spec, with_a_cache
from tests.support.own_port import opened

pytestmark = pytest.mark.anyio
TOKEN = {"authorization": "Bearer the-callers"}


def application(name: str, input_type: str, models: list[str], **changes: Any) -> ApplicationSpec:
    return ApplicationSpec(name, input_type, "none", 5_000_000, models, **changes)


APPLICATIONS = [
    application("sum", "doubles", ["m"]),
    application("picture", "bytes", ["b"]),
    application("text", "strings", ["t"]),
    application("any", "json", ["j"]),
    application("frame", "dataframe", ["f"]),
    application("array", "ndarray", ["a"]),
    application("parts", "named", ["p"]),
    application("untold", "named", ["u"]),
    application("none", "doubles", []),
    application("full", "doubles", ["idle"], on_overload="reject"),
]
VERSIONS = [
    version_spec(),
    version_spec(version="2.0", num_replicas=3, batching=BatchingSpec("fixed", 8, 50_000)),
    version_spec(model="b", input_type="bytes"),
    version_spec(model="t", input_type="strings"),
    version_spec(model="j", input_type="json"),
    version_spec(model="f", input_type="dataframe", columns={"a": "float64", "b": "text"}),
    version_spec(model="a", input_type="ndarray"),
    version_spec(
        model="p", input_type="named", columns={"picture": "bytes", "note": "text", "weight": "float64"}
    ),
    version_spec(model="u", input_type="named"),
    version_spec(model="idle", num_replicas=0),
]
CURRENT = {"m": "1", "b": "1", "t": "1", "j": "1", "f": "1", "a": "1", "p": "1", "u": "1", "idle": "1"}


class ToManagement:
    """What was passed on; `says` is what management answers, and `does` what it does."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.says: Exception | None = None
        self.does: Any = lambda: None

    async def __call__(self, method: str, path: str, token: str, body: object = None) -> None:
        assert token == "the-callers"
        self.asked.append((method, path, body))
        self.does()
        if self.says is not None:
            raise self.says


@pytest.fixture
async def management() -> ToManagement:
    return ToManagement()


@pytest.fixture
async def configuration(management: ToManagement) -> Configuration:
    """Models answer with the length of their inputs in bytes, and version 2.0 of m with a list of it."""
    found = Configuration("0", lambda: None, asyncio.get_running_loop())
    found.apply(Snapshot(1, APPLICATIONS, VERSIONS, CURRENT))
    found.pass_on = management
    for spec in VERSIONS:
        if spec.model != "idle":
            FakeReplica(found.queues[spec.model, spec.version], cost_s=0, answer=sizes(spec.version))
    return found


def sizes(version: str) -> Any:
    return lambda inputs: [b"%d" % len(data) if version == "1" else b"[%d]" % len(data) for data in inputs]


@pytest.fixture
async def client(configuration: Configuration) -> AsyncIterator[httpx2.AsyncClient]:
    async with opened("torchserve", configuration) as client:
        yield client


def answer_with(configuration: Configuration, model: str, output: Any) -> None:
    queue = configuration.queues[model, "1"]
    queue.ready.clear()
    FakeReplica(queue, cost_s=0, answer=lambda inputs: [output for _ in inputs])


def form(*fields: tuple[str, str, bytes]) -> tuple[dict[str, str], bytes]:
    """As curl -F writes it."""
    parts = []
    for name, kind, data in fields:
        head = f'--XX\r\nContent-Disposition: form-data; name="{name}"; filename="f"\r\nContent-Type: {kind}'
        parts.append(head.encode() + b"\r\n\r\n" + data + b"\r\n")
    return FORM, b"".join(parts) + b"--XX--\r\n"


# Inference

FORM = {"content-type": "multipart/form-data; boundary=XX"}
JSON = {"content-type": "application/json"}
CURL = {"content-type": "application/x-www-form-urlencoded"}
PICTURE = b"\x89PNG\r\n\x00--XX not a boundary\xff"


@pytest.mark.parametrize(
    ("name", "headers", "body", "told"),
    [
        ("picture", {}, PICTURE, len(PICTURE)),
        ("picture", CURL, PICTURE, len(PICTURE)),
        ("picture", {"content-type": "image/png"}, PICTURE, len(PICTURE)),
        ("picture", JSON, b'{"data": "AAECAw=="}', 4),
        ("picture", *form(("data", "image/png", PICTURE)), len(PICTURE)),
        ("picture", *form(("body", "image/png", PICTURE)), len(PICTURE)),
        ("picture", *form(("file", "image/png", PICTURE)), len(PICTURE)),
        ("picture", FORM, b"before\r\n" + form(("file", "image/png", PICTURE))[1] + b"after", len(PICTURE)),
        ("picture", CURL, b"data=a%20b%00", 4),
        ("text", {"content-type": "text/plain"}, "später".encode(), 7),
        ("text", CURL, b"body=on+the+floor", 12),
        ("text", JSON, b'"four"', 4),
        ("text", JSON, b'{"body": "four"}', 4),
        ("sum", JSON, b"[1, 2]", 16),
        ("sum", CURL, b"[1, 2]", 16),
        ("sum", JSON, b"\xef\xbb\xbf[1]", 8),
        ("sum", JSON, b'{"data": [1, 2, 3]}', 24),
        ("sum", *form(("data", "application/json", b"[1]")), 8),
        ("any", JSON, b'[{"input_sentence": "on the floor"}]', 35),
        ("any", JSON, b'{"data": 1}', 10),
        ("array", JSON, b"[[1, 2], [3, 4]]", 32),
        ("array", JSON, b'{"data": [1.5]}', 8),
        ("frame", JSON, b'{"a": 1, "b": "x"}', 11),
    ],
)
async def test_a_request_has_one_input(
    client: httpx2.AsyncClient, name: str, headers: dict[str, str], body: bytes, told: int
) -> None:
    paths = [
        ("POST", f"/predictions/{name}"),
        ("PUT", f"/predictions/{name}"),
        ("POST", f"/predictions/{name}/1"),
        ("PUT", f"/predictions/{name}/1"),
        ("POST", f"/models/{name}/invoke"),
        ("POST", f"/{name}/predict"),
        ("POST", f"/invocations?model_name={name}"),
    ]
    for method, path in paths:
        response = await client.request(method, path, content=body, headers=headers)
        assert (response.status_code, response.json()) == (200, told), path
        assert response.headers["content-type"] == "application/json"
        assert response.headers["x-request-id"]


PARTS = [("picture", "image/png", PICTURE), ("note", "text/plain", "später".encode()), ("weight", "", b"1.5")]
WHOLE = b'{"picture": "AAECAw==", "note": "a", "weight": 2}'


@pytest.mark.parametrize(
    ("name", "fields", "told"),
    [
        ("parts", PARTS, 8 + len(PICTURE) + 7),
        ("parts", PARTS[::-1], 8 + len(PICTURE) + 7),
        ("parts", [("picture", "application/json", b'"AAECAw=="'), *PARTS[1:]], 8 + 4 + 7),
        ("parts", [("data", "application/json", WHOLE)], 8 + 4 + 1),
        ("frame", [("a", "", b"1"), ("b", "", b"x y")], 8 + len('"x y"')),
        ("untold", [("a", "", b"[1, 2]"), ("b", "", b'"x"')], 16 + len('"x"')),
    ],
)
async def test_the_fields_of_a_form_are_the_parts_of_an_input_with_names(
    client: httpx2.AsyncClient, name: str, fields: list[tuple[str, str, bytes]], told: int
) -> None:
    headers, body = form(*fields)
    for method in ("POST", "PUT"):
        response = await client.request(method, f"/predictions/{name}", content=body, headers=headers)
        assert (response.status_code, response.json()) == (200, told)


async def test_a_form_may_have_fields_that_another_version_takes(
    client: httpx2.AsyncClient, configuration: Configuration
) -> None:
    before = next(spec for spec in VERSIONS if spec.model == "p")
    columns = {**(before.columns or {}), "thumb": "bytes", "tag": "text"}
    newer = version_spec(model="p", version="2", input_type="named", columns=columns)
    configuration.apply(Snapshot(2, APPLICATIONS, [*VERSIONS, newer], CURRENT))
    headers, body = form(*PARTS, ("thumb", "image/png", PICTURE), ("tag", "", b"hello"))
    response = await client.post("/predictions/parts", content=body, headers=headers)
    assert (response.status_code, response.json()) == (200, 8 + len(PICTURE) + 7)


async def test_a_packed_body_is_unpacked_or_refused(client: httpx2.AsyncClient) -> None:
    packed, headers = gzip.compress(b"[1, 2]"), {"content-encoding": "gzip"}
    response = await client.post("/predictions/sum", content=packed, headers=headers)
    assert (response.status_code, response.json()) == (200, 16)
    for method, path in (("PUT", "/predictions/sum"), ("POST", "/invocations?model_name=sum")):
        response = await client.request(method, path, content=packed, headers=headers)
        assert (response.status_code, response.json()["type"]) == (415, "UnsupportedMediaTypeException")


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_a_large_output_is_as_a_small_one(
    client: httpx2.AsyncClient, configuration: Configuration, method: str
) -> None:
    for shape in ((3,), (3, 2000, 2), (1, 20_000)):
        values = np.random.default_rng(1).normal(size=shape).astype("<f4")
        values.flat[0] = np.nan
        answer_with(configuration, "m", array_tensor(values))
        response = await client.request(method, "/predictions/sum", content=b"[1]")
        found = np.array(response.json(), "<f8")
        assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
        np.testing.assert_array_equal(found.astype("<f4"), values)


async def test_a_large_output_is_written_in_steps(configuration: Configuration) -> None:
    application = configuration.applications["sum"]
    adapter = Predictions(Bodies(application, DEFAULT), None)
    answers = [Answer(1, array_tensor(np.zeros((100, 1000))), None, "1")]
    assert sum(1 for _ in adapter.encode_in_steps(Request("torchserve", []), answers)) > 100


async def test_a_version_is_in_the_path(client: httpx2.AsyncClient) -> None:
    assert (await client.post("/predictions/sum/2.0", content=b"[1]")).json() == [8]
    assert (await client.put("/predictions/sum/2.0", content=b"[1]")).json() == [8]
    for method in ("POST", "PUT", "GET", "OPTIONS"):
        response = await client.request(method, "/predictions/sum/9", params={"data": "[1]"})
        assert (response.status_code, response.json()) == (
            404,
            {
                "code": 404,
                "type": "ModelVersionNotFoundException",
                "message": "Model version: 9 does not exist for model: sum",
            },
        )


async def test_a_parameter_is_a_field(client: httpx2.AsyncClient) -> None:
    for name, query, told in (
        ("sum", "data=[1,2]", 16),
        ("text", "body=a%20b", 3),
        ("any", 'data={"a":1}', 7),
    ):
        response = await client.get(f"/predictions/{name}?{query}")
        assert (response.status_code, response.json()) == (200, told)
    for query in ("", "?data=[1]&body=[2]"):
        response = await client.get(f"/predictions/sum{query}")
        assert (response.status_code, response.json()["type"]) == (400, "BadRequestException")


@pytest.mark.parametrize(
    ("output", "media", "body"),
    [
        (b'"a \\u00e4"', "text/plain; charset=utf-8", "a ä".encode()),
        (b'{"cat": 0.5}', "application/json", b'{"cat": 0.5}'),
        (b"null", "application/json", b"null"),
        (Tensor(b"\x00\xff", (2,), "bytes"), "application/octet-stream", b"\x00\xff"),
        (Tensor(b"cat", (3,), "str"), "text/plain; charset=utf-8", b"cat"),
        (array_tensor(np.array([[1.0, np.nan]])), "application/json", b"[[1.0,null]]"),
    ],
)
async def test_an_output_is_itself(
    client: httpx2.AsyncClient, configuration: Configuration, output: Any, media: str, body: bytes
) -> None:
    answer_with(configuration, "m", output)
    response = await client.post("/predictions/sum", content=b"[1]")
    assert (response.status_code, response.headers["content-type"]) == (200, media)
    assert response.content == body


BAD = [
    ("sum", JSON, b"{]", 400, "Error parsing JSON"),
    ("sum", JSON, b"", 400, "Error parsing JSON"),
    ("sum", JSON, b"[[1, 2]]", 400, "A request to sum has one input: "),
    ("sum", JSON, b'{"data": "x"}', 400, "one input"),
    ("sum", JSON, b'{"x": [1]}', 400, "one input"),
    ("sum", JSON, b"\xff", 400, "Error parsing JSON"),
    ("text", {}, b"\xff", 400, "not UTF-8"),
    ("text", JSON, b"1", 400, "one input"),
    ("picture", {"content-type": "multipart/form-data"}, b"", 400, "names no boundary"),
    ("picture", {"content-type": "multipart/form-data; boundary=XX"}, b"", 400, "has none"),
    ("picture", *form((f"a{'b' * 9000}", "", b"")), 400, "has none"),
    ("picture", *form(("data", "", b""), ("b", "", b"")), 400, "this one has data, b. Only"),
    ("picture", *form(("data", "", b""), ("data", "", b"")), 400, "this one has data, data"),
    ("picture", CURL, b"data=a&b", 400, "this one has data, b"),
    pytest.param("picture", CURL, b"data=" + b"%41" * (1 << 19), 413, "more than the", id="letters"),
    ("picture", *form(*[("a", "", b"")] * 101), 400, "fewer than 100 fields"),
    ("frame", JSON, b'{"a": 1}', 400, "one input"),
    ("parts", *form(*PARTS[:2]), 400, "weight"),
    ("parts", *form(*PARTS, ("pictur", "image/png", PICTURE)), 400, "pictur"),
    ("parts", *form(("note", "", b"a")), 400, "one input"),
    ("parts", *form(*PARTS, PARTS[0]), 400, "Two fields have the name 'picture'"),
    ("parts", *form(*PARTS[:2], ("weight", "", b"much")), 400, "'weight' is no JSON"),
    ("parts", *form(PARTS[0], ("note", "", b"\xff"), PARTS[2]), 400, "'note' is no UTF-8"),
    pytest.param(
        *("untold", *form(*[(name, "", b"1" + b" " * (1 << 19)) for name in "abc"]), 413, "more than the"),
        id="large fields",
    ),
    pytest.param("any", JSON, b"[" * 100_000 + b"]" * 100_000, 400, "too deeply", id="deep"),
    pytest.param("any", JSON, b"[" + b"1," * (1 << 20) + b"1]", 413, "more than the", id="large"),
]


@pytest.mark.parametrize(("name", "headers", "body", "status", "why"), BAD)
async def test_what_does_not_fit_is_told_over_several_lines(
    client: httpx2.AsyncClient, name: str, headers: dict[str, str], body: bytes, status: int, why: str
) -> None:
    kind = {400: "BadRequestException", 413: "RequestEntityTooLargeException"}[status]
    for method in ("POST", "PUT"):
        response = await client.request(method, f"/predictions/{name}", content=body, headers=headers)
        assert (response.status_code, why in response.json()["message"]) == (status, True), response.text
        said = json.dumps(response.json()["message"], ensure_ascii=False)
        text = f'{{\n  "code": {status},\n  "type": "{kind}",\n  "message": {said}\n}}\n'
        assert response.text == text
        assert response.headers["x-request-id"]


async def test_a_body_has_an_end(client: httpx2.AsyncClient, configuration: Configuration) -> None:
    for adapter in list(configuration.spoken[0].routes.values()):
        adapter.max_body = 100
    for method in ("POST", "PUT"):
        response = await client.request(method, "/predictions/picture", content=bytes(101))
        assert (response.status_code, response.json()["code"]) == (413, 413)


async def test_what_there_is_not_is_told(client: httpx2.AsyncClient) -> None:
    for method, path in (
        ("POST", "/predictions/x"),
        ("PUT", "/predictions/x/1"),
        ("GET", "/models/x"),
        ("POST", "/models/x/invoke"),
        ("POST", "/x/predict"),
        ("POST", "/invocations?model_name=x"),
    ):
        response = await client.request(method, path)
        assert response.json() == {
            "code": 404,
            "type": "ModelNotFoundException",
            "message": "Model not found: x",
        }
    for method, path in (("GET", "/nowhere"), ("POST", "/explanations/sum"), ("GET", "/")):
        response = await client.request(method, path)
        assert response.status_code in (404, 405)
        assert response.json()["type"] in ("ResourceNotFoundException", "MethodNotAllowedException")
    response = await client.delete("/predictions/sum")
    assert (response.status_code, response.json()["type"]) == (405, "MethodNotAllowedException")
    assert "PUT" in response.headers["allow"]


async def test_what_explains_an_application_is_one_of_its_name(
    client: httpx2.AsyncClient, configuration: Configuration
) -> None:
    response = await client.post("/explanations/sum", content=b"[1]")
    assert (response.status_code, response.json()["type"]) == (404, "ResourceNotFoundException")
    assert "an application sum-explanations would" in response.json()["message"]
    explains = application("sum-explanations", "doubles", ["m"])
    configuration.apply(Snapshot(2, [*APPLICATIONS, explains], VERSIONS, CURRENT))
    for method in ("POST", "PUT"):
        for path, told in (("sum", 16), ("sum/1", 16), ("sum/2.0", [16])):
            response = await client.request(method, f"/explanations/{path}", content=b"[1, 2]")
            assert (response.status_code, response.json()) == (200, told)
    assert (await client.get("/explanations/sum?data=[1]")).json() == 8
    response = await client.post("/explanations/sum/9", content=b"[1]")
    assert (response.status_code, response.json()["type"]) == (404, "ModelVersionNotFoundException")


async def test_which_is_asked_without_a_name(
    client: httpx2.AsyncClient, configuration: Configuration
) -> None:
    response = await client.post("/invocations", content=b"[1]")
    assert (response.status_code, "Applications: any, array" in response.json()["message"]) == (400, True)
    configuration.apply(Snapshot(2, APPLICATIONS[:1], VERSIONS, CURRENT))
    assert (await client.post("/invocations", content=b"[1]")).json() == 8


async def test_kserves_protocols_are_here_too(client: httpx2.AsyncClient) -> None:
    response = await client.post("/v1/models/sum:predict", json={"instances": [[1], [2, 3]]})
    assert response.json()["predictions"] == [8, 16]
    tensor = {"name": "x", "datatype": "FP64", "shape": [1, 2], "data": [1.0, 2.0]}
    for path in ("/v2/models/sum/infer", "/v2/models/sum/versions/1/infer"):
        response = await client.post(path, json={"inputs": [tensor]})
        assert response.json()["outputs"][0]["data"] == [16]


async def test_default_outputs_are_marked_and_text(
    client: httpx2.AsyncClient, configuration: Configuration
) -> None:
    """An error is a request's own."""
    answer_with(configuration, "m", Fault("model_error", "The model raised ValueError"))
    response = await client.post("/predictions/sum", content=b"[1]")
    assert (response.status_code, response.text) == (200, "none")
    assert response.headers["x-default-answer"] == "model_error"
    assert response.headers["x-clipper-query-id"].isdigit()


ASKING = ("/predictions/{}", "/models/{}/invoke", "/{}/predict", "/invocations?model_name={}")


async def test_what_was_unregistered_is_no_model_any_more(
    client: httpx2.AsyncClient, configuration: Configuration
) -> None:
    assert (await client.post("/predictions/any", content=b"1")).status_code == 200
    without = [version for version in VERSIONS if version.model != "j"]
    configuration.apply(Snapshot(2, APPLICATIONS, without, CURRENT))
    asked = [await client.post(path.format("any"), content=b"1") for path in ASKING]
    asked += [
        await client.request(method, "/models/any", headers=TOKEN) for method in ("GET", "PUT", "DELETE")
    ]
    for response in asked:
        assert (response.status_code, response.json()["type"]) == (404, "ModelNotFoundException")
        assert response.json()["message"] == "Model not found: any"
    assert "any" not in (await client.get("/models")).text
    configuration.apply(Snapshot(3, APPLICATIONS, VERSIONS, CURRENT))
    FakeReplica(configuration.queues["j", "1"], cost_s=0, answer=sizes("1"))
    assert (await client.post("/predictions/any", content=b"1")).status_code == 200


async def test_a_model_without_workers_says_so(
    client: httpx2.AsyncClient, configuration: Configuration
) -> None:
    for path in ASKING:
        response = await client.post(path.format("full"), content=b"[1]")
        assert (response.status_code, response.json()["type"]) == (503, "ServiceUnavailableException")
        assert 'Model "full" has no worker to serve inference request.' in response.json()["message"]
    scaled = [msgspec.structs.replace(v, num_replicas=1) if v.model == "idle" else v for v in VERSIONS]
    configuration.apply(Snapshot(2, APPLICATIONS, scaled, CURRENT))
    FakeReplica(configuration.queues["idle", "1"], cost_s=0, answer=sizes("1"))
    for path in ASKING:
        assert (await client.post(path.format("full"), content=b"[1]")).status_code == 200


async def test_a_replica_that_comes_after_the_snapshot_is_asked(
    client: httpx2.AsyncClient, configuration: Configuration
) -> None:
    queue = configuration.queues["idle", "1"]

    async def statuses() -> set[int]:
        asked = [
            (method, path)
            for path in ("/predictions/full", "/predictions/full/1")
            for method in ("POST", "PUT")
        ]
        asked += [("POST", path.format("full")) for path in ASKING]
        return {(await client.request(method, path, content=b"[1]")).status_code for method, path in asked}

    assert await statuses() == {503}
    replica = FakeReplica(queue, cost_s=0, answer=sizes("1"))
    assert await statuses() == {200}
    queue.leave(replica)
    assert await statuses() == {503}


async def test_an_error_closes_its_connection(client: httpx2.AsyncClient) -> None:
    good = await client.post("/predictions/sum", content=b"[1]")
    assert (good.status_code, good.headers.get("connection")) == (200, None)
    for path, body, status in (("sum", b"[", 400), ("nobody", b"1", 404), ("full", b"[1]", 503)):
        response = await client.post(f"/predictions/{path}", content=body)
        assert (response.status_code, response.headers.get("connection")) == (status, "close")


async def test_a_deadline_comes_with_the_request(client: httpx2.AsyncClient) -> None:
    headers = {"x-request-timeout-seconds": "soon"}
    response = await client.post("/predictions/sum", content=b"[1]", headers=headers)
    assert (response.status_code, "a number above 0" in response.json()["message"]) == (400, True)


async def test_no_room_is_told(client: httpx2.AsyncClient, configuration: Configuration) -> None:
    versions = [version_spec(model="idle")]
    configuration.apply(Snapshot(2, APPLICATIONS[-1:], versions, {"idle": "1"}))
    configuration.queues["idle", "1"].admission.most = 1
    waiting = Request("clipper", [Tensor(bytes(8), (1,), "<f8")])
    configuration.applications["full"].ask(waiting, lambda _answers: None)
    for method in ("POST", "PUT"):
        response = await client.request(method, "/predictions/full", content=b"[1]")
        assert (response.status_code, response.json()["type"]) == (503, "ServiceUnavailableException")
        assert int(response.headers["retry-after"]) >= 1


async def test_health_is_that_of_the_models(client: httpx2.AsyncClient, configuration: Configuration) -> None:
    response = await client.get("/ping")
    assert (response.status_code, response.text) == (200, '{\n  "status": "Healthy"\n}\n')
    configuration.queues["m", "1"].ready.clear()
    response = await client.get("/ping")
    assert (response.status_code, response.json()) == (500, {"status": "Unhealthy"})


async def test_an_api_describes_itself(client: httpx2.AsyncClient) -> None:
    for method, path in (("OPTIONS", "/"), ("GET", "/api-description")):
        found = (await client.request(method, path)).json()
        assert (found["openapi"], len(found["paths"])) == ("3.0.1", 10)
    found = (await client.options("/predictions/sum")).json()
    assert list(found["paths"]) == ["/predictions/sum"]
    assert "a list of numbers" in str(found)


async def test_counters_have_torchserves_names(client: httpx2.AsyncClient) -> None:
    for _ in range(3):
        await client.post("/predictions/sum", content=b"[1]", headers={"cache-control": "no-cache"})
    found = (await client.get("/metrics")).text
    assert re.search(
        r'\nts_inference_requests_total\{model_name="m",model_version="1",hostname=".+"\} 3\n', found
    )
    assert re.search(
        r'\nts_inference_latency_microseconds\{model_name="m",model_version="1",.*\} \d+\n', found
    )
    one = (await client.get("/metrics?name[]=ts_queue_latency_microseconds")).text
    assert {line.partition("{")[0] for line in one.splitlines() if line[0] != "#"} == {
        "ts_queue_latency_microseconds"
    }


async def test_what_the_cache_knows_is_counted_too(
    client: httpx2.AsyncClient, configuration: Configuration
) -> None:
    configuration.apply(with_a_cache(configuration))
    for _ in range(3):
        await client.post("/predictions/sum", content=b"[1]")
    found = (await client.get("/metrics?name[]=ts_inference_requests_total")).text
    assert re.search(r'\{model_name="m",model_version="1",hostname=".+"\} 3\n', found)
    assert configuration.metrics.version("m", "1").hits == 2


async def test_what_several_applications_ask_is_counted_once(
    client: httpx2.AsyncClient, configuration: Configuration
) -> None:
    arms = SplitSpec({"m": 1, "idle": 1})  # of which only the first has a replica
    both = [application("one", "doubles", ["m"]), application("two", "doubles", ["m", "idle"], policy=arms)]
    configuration.apply(Snapshot(2, both, VERSIONS, CURRENT))
    for name in ("one", "two"):
        await client.post(f"/predictions/{name}", content=b"[1]", headers={"cache-control": "no-cache"})
    found = (await client.get("/metrics?name[]=ts_inference_requests_total")).text
    samples = [line.rpartition(" ") for line in found.splitlines() if line[0] != "#"]
    assert len({labels for labels, _, _ in samples}) == len(samples) == 3
    assert sum(int(value) for _, _, value in samples) == 2


# Management


GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "torchserve" / "answers.json").read_text())


async def test_torchserve_itself_answers_the_same(
    client: httpx2.AsyncClient, management: ToManagement, configuration: Configuration
) -> None:
    """Byte by byte, but for the media type: its worker names none for what a handler answers."""
    applications = [application("echo", "strings", ["e"])]
    versions = [
        version_spec(model="e", version=version, input_type="strings", credential=version)
        for version in ("1.0", "2.0")
    ]
    configuration.apply(Snapshot(2, applications, versions, {"e": "1.0"}))
    for spec in versions:
        FakeReplica(configuration.queues["e", spec.version], cost_s=0, answer=as_text)

    def moves() -> None:
        method, path, body = management.asked[-1]
        if (method, path) == ("PUT", "/models/e/current"):
            configuration.apply(Snapshot(3, applications, versions, {"e": body["version"]}))

    management.does = moves
    for call in GOLDEN:
        response = await client.request(call["method"], call["path"], content=call["body"], headers=TOKEN)
        assert [response.status_code, response.text] == call["answer"], call["path"]


def as_text(inputs: list[bytes]) -> list[Any]:
    return [b'"%d"' % len(data) for data in inputs]


async def test_a_list_has_pages(client: httpx2.AsyncClient) -> None:
    found = (await client.get("/models?limit=2")).json()
    assert found == {
        "nextPageToken": "2",
        "models": [{"modelName": "any", "modelUrl": "j:1"}, {"modelName": "array", "modelUrl": "a:1"}],
    }
    last = (await client.get(f"/models?limit=100&next_page_token={found['nextPageToken']}")).json()
    assert list(last) == ["models"]
    assert [each["modelName"] for each in last["models"]] == [
        *("frame", "full", "parts", "picture", "sum", "text", "untold")  # and none that has no model
    ]
    assert (await client.get("/models?limit=x")).status_code == 400


async def test_a_description_is_a_list(client: httpx2.AsyncClient) -> None:
    first, second = (await client.get("/models/sum/all?customized=true")).json()
    assert (await client.get("/models/sum")).json() == (await client.get("/models/sum/1")).json() == [first]
    assert (await client.get("/models/sum/2.0")).json() == [second]
    assert (first["batchSize"], first["maxBatchDelay"]) == (1024, 0)
    assert second == {
        "modelName": "sum",
        "modelVersion": "2.0",
        "modelUrl": "m:2.0",
        "runtime": "python",
        "minWorkers": 3,
        "maxWorkers": 3,
        "batchSize": 8,
        "maxBatchDelay": 50,
        "loadedAtStartup": False,
        "workers": [{"id": "0", "status": "READY"}],
        "jobQueueStatus": {"remainingCapacity": 20_000, "pendingRequests": 0},
    }
    assert (await client.get("/models/sum/9")).json()["type"] == "ModelVersionNotFoundException"


CHANGES = [
    ("POST", "/models?url=m:2.0&model_name=sum"),
    ("POST", "/models?url=https://example.org/m.mar"),
    ("PUT", "/models/sum?min_worker=3"),
    ("PUT", "/models/sum/2.0?min_worker=3"),
    ("PUT", "/models/sum/2.0/set-default"),
    ("DELETE", "/models/sum"),
    ("DELETE", "/models/sum/2.0"),
]


@pytest.mark.parametrize(("method", "path"), CHANGES)
async def test_who_changes_models_has_a_token(
    client: httpx2.AsyncClient, management: ToManagement, method: str, path: str
) -> None:
    for headers in ({}, {"authorization": "Basic YTpi"}, {"authorization": "Bearer"}):
        response = await client.request(method, path, headers=headers)
        assert (response.status_code, response.json()["type"]) == (401, "InvalidKeyException")
        assert "Authorization: Bearer" in response.json()["message"]
    assert management.asked == []


@pytest.mark.parametrize(
    ("says", "status", "kind"),
    [
        (Unauthorized("The token is wrong."), 401, "InvalidKeyException"),
        (ClusterError("Management does not answer."), 503, "ServiceUnavailableException"),
        (BadRequest("It is scaled automatically."), 400, "BadRequestException"),
    ],
)
async def test_managements_words_are_told(
    client: httpx2.AsyncClient, management: ToManagement, says: Exception, status: int, kind: str
) -> None:
    management.says = says
    for method, path in (("PUT", "/models/sum?min_worker=2"), ("POST", "/models?url=m:2.0&model_name=sum")):
        response = await client.request(method, path, headers=TOKEN)
        assert response.json() == {"code": status, "type": kind, "message": str(says)}


async def test_a_version_that_is_there_is_registered(
    client: httpx2.AsyncClient, management: ToManagement
) -> None:
    response = await client.post("/models?url=m:2.0&model_name=sum", headers=TOKEN)
    assert (response.status_code, response.json()) == (
        200,
        {"status": 'Model "sum" Version: 2.0 registered with 3 initial workers'},
    )
    ((method, path, body),) = management.asked
    assert (method, path, body["version"]) == ("PUT", "/models/m/current", "2.0")


async def test_it_is_registered_with_batches_and_workers(
    client: httpx2.AsyncClient, management: ToManagement
) -> None:
    query = "url=m:2.0&model_name=sum&batch_size=4&max_batch_delay=20&initial_workers=2"
    response = await client.post(f"/models?{query}", headers=TOKEN)
    assert (response.status_code, response.json()) == (202, {"status": "Processing worker updates..."})
    assert management.asked[:2] == [
        ("PUT", "/models/m/versions/2.0/batching", {"batching": "fixed(4)", "batch_delay_micros": 20_000}),
        ("PUT", "/models/m/versions/2.0/replicas", {"num_replicas": 2}),
    ]
    assert management.asked[2][1] == "/models/m/current"
    query = "url=m:2.0&model_name=sum&batch_size=1&initial_workers=0"
    response = await client.post(f"/models?{query}", headers=TOKEN)
    assert response.json()["status"] == (
        'Model "sum" Version: 2.0 registered with 0 initial workers. '
        "Use scale workers API to add workers for the model."
    )
    assert management.asked[3][2] == {"batching": "off"}


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("", r"Parameter url is required\."),
        ("url=https://torchserve.pytorch.org/mar_files/squeezenet1_1.mar", "Models are deployed from Python"),
        ("url=squeezenet1_1.mar&initial_workers=1&synchronous=true", "nothing is fetched for a client"),
        ("url=file:///etc/passwd&model_name=sum", "Models are deployed from Python"),
        ("url=m:9&model_name=sum", "url may be model:version"),
        ("url=j:1&model_name=sum", "url may be model:version"),
        ("url=m:2.0", "url may be model:version"),
        ("url=m:2.0&model_name=sum&handler=x.py", "The handler of a version is its archive's"),
        ("url=m:2.0&model_name=sum&batch_size=-1", "batch_size is a whole number"),
        ("url=m:2.0&model_name=sum&initial_workers=a", "initial_workers is a whole number"),
    ],
)
async def test_nothing_is_fetched_for_a_client(
    client: httpx2.AsyncClient, management: ToManagement, query: str, why: str
) -> None:
    response = await client.post(f"/models?{query}", headers=TOKEN)
    assert (response.status_code, response.json()["type"]) == (400, "BadRequestException")
    assert re.search(why, response.json()["message"])
    assert management.asked == []


async def test_workers_are_scaled(client: httpx2.AsyncClient, management: ToManagement) -> None:
    for query, count in (("min_worker=3&max_worker=5", 3), ("", 1), ("min_worker=0", 0)):
        response = await client.put(f"/models/sum?{query}", headers=TOKEN)
        assert (response.status_code, response.json()) == (202, {"status": "Processing worker updates..."})
        assert management.asked.pop() == ("PUT", "/models/m/versions/1/replicas", {"num_replicas": count})
    await client.put("/models/sum/2.0?min_worker=2", headers={"x-clipper-token": "the-callers"})
    assert management.asked == [("PUT", "/models/m/versions/2.0/replicas", {"num_replicas": 2})]


async def test_one_waits_for_workers_who_asks_for_that(
    client: httpx2.AsyncClient, management: ToManagement, configuration: Configuration
) -> None:
    def comes() -> None:
        queue = configuration.queues["m", "1"]
        configuration.apply(Snapshot(2, APPLICATIONS, [version_spec(num_replicas=2), *VERSIONS[1:]], CURRENT))
        FakeReplica(queue, cost_s=0, name="1")

    response = await client.put("/models/sum?min_worker=2&synchronous=true&timeout=0", headers=TOKEN)
    assert (response.status_code, response.json()) == (206, {"status": "Workers scaling in progress..."})
    management.does = comes
    response = await client.put("/models/sum?min_worker=2&synchronous=true", headers=TOKEN)
    assert (response.status_code, response.json()) == (200, {"status": "Workers scaled to 2 for model: sum"})
    management.does = lambda: None
    response = await client.put("/models/sum/1?min_worker=2&synchronous=true", headers=TOKEN)
    assert response.json() == {"status": "Workers scaled to 2 for model: sum, version: 1"}


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("min_worker=3&max_worker=2", "max_worker cannot be less than min_worker."),
        ("min_worker=x", "min_worker is a whole number"),
        ("min_worker=1&number_gpu=1", "resources="),
        ("min_worker=1&synchronous=true&timeout=soon", "timeout is a whole number"),
    ],
)
async def test_what_workers_cannot_be_is_told(
    client: httpx2.AsyncClient, management: ToManagement, query: str, why: str
) -> None:
    response = await client.put(f"/models/sum?{query}", headers=TOKEN)
    assert (response.status_code, why in response.json()["message"]) == (400, True)
    assert management.asked == []


async def test_a_default_is_set(client: httpx2.AsyncClient, management: ToManagement) -> None:
    response = await client.put("/models/sum/2.0/set-default", headers=TOKEN)
    assert (response.status_code, response.json()) == (
        200,
        {"status": 'Default version successfully updated for model "sum" to "2.0"'},
    )
    ((method, path, body),) = management.asked
    assert (method, path, body["version"]) == ("PUT", "/models/m/current", "2.0")
    response = await client.put("/models/sum/9/set-default", headers=TOKEN)
    assert (response.status_code, response.json()["type"]) == (404, "ModelVersionNotFoundException")


async def test_versions_are_unregistered(client: httpx2.AsyncClient, management: ToManagement) -> None:
    for path in ("/models/sum", "/models/sum/1"):
        response = await client.delete(path, headers=TOKEN)
        assert (response.status_code, response.json()["type"]) == (403, "InvalidModelVersionException")
    assert management.asked == []
    response = await client.delete("/models/sum/2.0", headers=TOKEN)
    assert (response.status_code, response.json()) == (200, {"status": 'Model "sum" unregistered'})
    await client.delete("/models/any", headers=TOKEN)
    assert management.asked == [
        ("DELETE", "/models/m/versions/2.0", None),
        ("DELETE", "/models/j/versions/1", None),
    ]
    for path, status in (("/models/x", 404), ("/models/sum/9", 404), ("/models/none", 404)):
        assert (await client.delete(path, headers=TOKEN)).status_code == status


async def test_changes_are_seen(client: httpx2.AsyncClient, configuration: Configuration) -> None:
    assert (await client.post("/predictions/sum", content=b"[1,2]")).status_code == 200
    requests = RequestSpec(max_json=4)
    configuration.apply(Snapshot(2, APPLICATIONS[:1], VERSIONS, {"m": "2.0"}, requests=requests))
    assert (await client.post("/predictions/sum", content=b"[1]")).json() == [8]
    assert (await client.post("/predictions/sum", content=b"[1,2]")).status_code == 413
    assert (await client.post("/predictions/any", content=b"1")).status_code == 404
