"""The HTTP side of a query frontend: a real server on a real port, and a replica without a wire."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import tempfile
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from clipper_container.errors import ClusterError
from clipper_container.wire import Fault
from clipper_server.changes import Changes
from clipper_server.query.configuration import Configuration
from clipper_server.query.frontend import Server
from clipper_server.query.http import MAX_HEAD, HTTPProtocol
from clipper_server.query.listener import Listener
from clipper_server.query.protocols.clipper import ClipperProtocol
from clipper_server.query.request import Answer
from clipper_server.query.slices import Steps
from clipper_server.query.task import Outcome
from clipper_server.snapshot import ApplicationSpec, BatchingSpec, RequestSpec, Snapshot
from clipper_server.supervisor import Supervisor
from tests.support.fakes import FakeReplica, version_spec

pytestmark = pytest.mark.anyio
ON_UVLOOP = pytest.mark.parametrize("anyio_backend", [("asyncio", {"use_uvloop": True})])
"""As a query frontend runs. There, who writes to a connection that is closed gets an exception."""
DEADLINE_S = 60
TOKEN = "the-clusters-token"
AS_MANAGEMENT = {"Authorization": f"Bearer {TOKEN}"}


def snapshot(revision: int = 1, *, micros: int = 20_000_000, **changes: Any) -> Snapshot:
    """`micros` is what sum has for an answer, which is enough for a machine that stands still."""
    applications = [
        ApplicationSpec("sum", "doubles", -1, micros, ["m"]),
        ApplicationSpec("strict", "doubles", -1, 100_000, ["m"], "reject"),
        ApplicationSpec("text", "strings", "?", 100_000, []),
        ApplicationSpec("any", "json", None, 100_000, []),
        ApplicationSpec("array", "ndarray", None, 100_000, []),
    ]
    fields = {"applications": applications, "versions": [version_spec()], "current": {"m": "1"}}
    return Snapshot(revision, **{**fields, **changes})


@pytest.fixture
async def configuration() -> Configuration:
    configuration = Configuration("0", lambda: None, asyncio.get_running_loop())
    configuration.apply(snapshot())
    return configuration


@pytest.fixture
def supervisor() -> Supervisor:
    return Supervisor()


@pytest.fixture
async def server(configuration: Configuration, supervisor: Supervisor) -> AsyncIterator[Server]:
    with tempfile.TemporaryDirectory(prefix="clipper-", dir="/tmp") as folder:
        changes = Changes()
        listener = Listener("0", "127.0.0.1:0", Path(folder))
        server = Server(configuration, listener, changes, supervisor, TOKEN)
        serving = asyncio.create_task(server._serve())
        assert await changes.wait_for(lambda: configuration.serving, DEADLINE_S)
        yield server
        server.should_exit = server.force_exit = True
        await serving


@pytest.fixture
def address(server: Server) -> tuple[str, int]:
    return server.listener.address


@pytest.fixture
async def client(address: tuple[str, int]) -> AsyncIterator[httpx2.AsyncClient]:
    host, port = address
    async with httpx2.AsyncClient(base_url=f"http://{host}:{port}", trust_env=False, verify=False) as client:
        yield client


def attach(configuration: Configuration, version: str = "1", **options: Any) -> FakeReplica:
    """A replica that answers each input with the number of its values, as a JSON text."""
    queue = configuration.queue("m", version)
    assert queue is not None
    return FakeReplica(queue, answer=lambda inputs: [b"[%d]" % (len(i) // 8) for i in inputs], **options)


async def test_one_input_gets_one_answer(configuration: Configuration, client: httpx2.AsyncClient) -> None:
    attach(configuration)
    response = await client.post("/sum/predict", json={"input": [1, 2]})
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert body.pop("query_id") < 2**53
    assert body == {"output": [2], "default": False}


async def test_a_batch_is_answered_in_order_with_an_id_each(
    configuration: Configuration, client: httpx2.AsyncClient
) -> None:
    attach(configuration)
    response = await client.post("/sum/predict/", json={"input_batch": [[1], [], [1, 2]]})
    answers = response.json()["batch_predictions"]
    assert [answer["output"] for answer in answers] == [[1], [0], [2]]
    assert len({answer["query_id"] for answer in answers}) == 3


async def test_a_batch_of_one_and_of_none_are_batches(
    configuration: Configuration, client: httpx2.AsyncClient
) -> None:
    attach(configuration)
    one = (await client.post("/sum/predict", json={"input_batch": [[1]]})).json()
    none = (await client.post("/sum/predict", json={"input_batch": []})).json()
    assert [answer["output"] for answer in one["batch_predictions"]] == [[1]]
    assert none == {"batch_predictions": []}


@pytest.mark.parametrize(
    ("application", "body", "cause"),
    [
        ("sum", b"{]", "Error parsing JSON"),
        ("sum", b"", "Error parsing JSON"),
        ("sum", b"{}", 'Give either "input" or "input_batch"'),
        ("sum", b'{"input": [1], "input_batch": [[1]]}', 'Give either "input" or "input_batch"'),
        ("sum", b'{"input": "x"}', "where X is a list of numbers"),
        ("sum", b'{"input": ["x"]}', "where X is a list of numbers"),
        ("sum", b'{"inputs": [1]}', "unknown field `inputs`"),
        ("sum", b'{"input": [1], "version": true}', "`$.version`"),
        ("sum", b'{"input": [1], "version": 7}', "Requested version: 7 does not exist"),
        ("sum", b'{"input": [1.0, NaN]}', "JSON has no NaN, and null stands for it"),
        ("sum", b'{"input": [1.0, -Infinity]}', "JSON has no infinity"),
        ("sum", '{"input": [1.0]}'.encode("utf-16"), "it is UTF-16"),
        ("text", b'{"input": "\\\\\\ud83d\\ude00 \\ud800"}', "\\ud800 is half of a character"),
        ("array", b'{"input": [-1, 9223372036854775809]}', "too large to keep all of its digits"),
        ("sum", b'{"input": [1], "version": "7"}', "Its versions: 1."),
        ("sum", b'{"input": [1], "version": "m:7"}', "Its versions: 1."),
        ("sum", b'{"input": [1], "version": "other:1"}', "Its versions: 1."),
        ("sum", b'{"input": [1], "timeout_micros": 0}', "must be from 1 to"),
        ("sum", b'{"input": [1], "timeout_micros": 1%b}' % (b"0" * 400), "timeout"),
        ("sum", b'{"input": [1], "timeout_micros": 1.5}', "`$.timeout_micros`"),
        ("array", b'{"input": [[1], [1, 2]]}', "all rows of one length"),
        ("array", b'{"input": {"dtype": "uint8", "shape": [3], "data": "AA=="}}', "needs 3 bytes, not 1"),
        ("any", b'{"input": [1e999]}', "out of range"),
        pytest.param(
            "any", b'{"input": ' + b"[" * 10**5 + b"]" * 10**5 + b"}", "nested too deeply", id="deep"
        ),
        ("text", b'{"input": [1]}', "where X is a string"),
        ("text", b'{"input": "\xff"}', "Error parsing JSON"),
    ],
)
async def test_bad_input_is_told_what_was_expected(
    client: httpx2.AsyncClient, application: str, body: bytes, cause: str
) -> None:
    response = await client.post(f"/{application}/predict", content=body)
    assert response.status_code == 400
    assert response.json().keys() == {"error", "cause"}
    assert cause in response.json()["cause"]


@pytest.mark.parametrize(
    "path", ["/s%75m/predict", "/sum%2Fpredict?a=b", "/sum/predict#c", "http://{}:{}/sum/predict"]
)
async def test_a_path_may_be_spelled_otherwise(
    configuration: Configuration, address: tuple[str, int], path: str
) -> None:
    attach(configuration)
    reader, writer = await asyncio.open_connection(*address)
    head = f"POST {path.format(*address)} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 14\r\n\r\n"
    writer.write(head.encode() + b'{"input": [1]}')
    assert b'"output":[1]' in await reader.readuntil(b"}")
    writer.close()


@pytest.mark.parametrize("path", ["/health", "/metrics", "/v2", "/v2/models/sum", "/v2/health/live"])
async def test_head_is_as_get(client: httpx2.AsyncClient, path: str) -> None:
    got, head = await client.get(path), await client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == got.headers["content-type"]
    assert int(head.headers["content-length"]) > 0


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
@pytest.mark.parametrize(
    ("path", "allow"),
    [("/sum/predict", "POST"), ("/v2/models/sum/infer", "POST"), ("/health", "GET, HEAD")],
)
async def test_other_methods_are_told_which_there_are(
    client: httpx2.AsyncClient, method: str, path: str, allow: str
) -> None:
    if method in allow:
        return
    response = await client.request(method, path)
    assert (response.status_code, response.headers["allow"]) == (405, allow)
    if method != "HEAD":
        cause = f"Send a {allow.replace(', ', ' or ')} to {path}."
        theirs = path.startswith("/v2")
        assert response.json() == (
            {"error": cause} if theirs else {"error": "Method not allowed", "cause": cause}
        )


@pytest.mark.parametrize("method", ["GET", "PATCH", "POST"])
async def test_an_application_that_there_is_not_has_no_methods(
    client: httpx2.AsyncClient, method: str
) -> None:
    response = await client.request(method, "/my%2Dapp/predict")
    assert response.status_code == 404
    assert "There is no application 'my-app'" in response.json()["cause"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"input": [1, null]}',
        b'{"input_batch": [[1, null], [null, null]]}',
        b'\xef\xbb\xbf{"input": [1, null]}',
        b'{"input": [1, 2], "version": 1}',
        b'{"input": [1, 2], "version": "m:1"}',
        b'{"input": [1, 2], "version": "m"}',
    ],
)
async def test_what_other_software_writes_is_understood(
    configuration: Configuration, client: httpx2.AsyncClient, body: bytes
) -> None:
    attach(configuration)
    response = await client.post("/sum/predict", content=body)
    answers = response.json().get("batch_predictions", [response.json()])
    assert [answer["output"] for answer in answers] == [[2]] * len(answers)
    assert not any(answer["default"] for answer in answers)


async def test_a_body_that_is_too_large_is_refused(
    client: httpx2.AsyncClient,
) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b'{"input": ['
        for _ in range(5):
            yield b"1," * (1 << 18)

    for content in (body(), b"1," * (1 << 20)):  # of unknown length, and of a length that is announced
        response = await client.post("/sum/predict", content=content)
        assert response.status_code == 413
        assert "larger than the 1048576 bytes" in response.json()["cause"]
        assert "binary tensors" in response.json()["cause"]
    assert (await client.post("/any/predict", json={"input": 1})).status_code == 200


def packed(body: bytes, bits: int) -> bytes:
    packer = zlib.compressobj(wbits=bits)
    return packer.compress(body) + packer.flush()


@pytest.mark.parametrize(
    ("encoding", "bits"), [("gzip", 31), ("GZIP", 31), ("x-gzip", 31), ("deflate", 15), ("deflate", -15)]
)
async def test_a_body_may_be_packed(
    configuration: Configuration, client: httpx2.AsyncClient, encoding: str, bits: int
) -> None:
    attach(configuration)
    body = msgspec.json.encode({"input": list(range(100_000))})
    headers = {"content-encoding": encoding}
    response = await client.post("/sum/predict", content=packed(body, bits), headers=headers)
    assert response.json()["output"] == [100_000]
    plain = {"content-encoding": "identity"}
    assert (await client.post("/sum/predict", content=body, headers=plain)).status_code == 200


async def test_what_goes_wrong_in_unpacking_is_an_answer(
    client: httpx2.AsyncClient, configuration: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> Steps[bytes]:
        yield
        raise MemoryError

    attach(configuration)
    monkeypatch.setattr("clipper_server.query.exchange.unpacked", fails)
    body = packed(b'{"input": [1]}', 31)
    response = await client.post(
        "/sum/predict", content=body, headers={"content-encoding": "gzip"}, timeout=10
    )
    assert response.status_code == 500
    assert (await client.post("/sum/predict", json={"input": [1]})).json()["output"] == [1]


@pytest.mark.parametrize(
    ("encoding", "body", "status", "cause"),
    [
        ("br", b"x", 415, "The header Content-Encoding says 'br'"),
        ("gzip, gzip", b"x", 415, "gzip or deflate"),
        ("gzip", b'{"input": [1]}', 400, "not packed as its Content-Encoding says"),
        ("gzip", b"", 400, "ends before the body does, or after it"),
        ("gzip", packed(b'{"input": [1]}', 31)[:-9], 400, "ends before the body does, or after it"),
        ("gzip", packed(b'{"input": [1]}', 31) + b"more", 400, "ends before the body does, or after it"),
        ("gzip", packed(b"{]", 31), 400, "Error parsing JSON"),
        pytest.param("gzip", packed(b" " * (1 << 26), 31), 413, "larger than the 1048576 bytes", id="bomb"),
    ],
)
async def test_what_cannot_be_unpacked_is_told(
    client: httpx2.AsyncClient, encoding: str, body: bytes, status: int, cause: str
) -> None:
    response = await client.post("/sum/predict", content=body, headers={"content-encoding": encoding})
    assert response.status_code == status
    assert cause in response.json()["cause"]
    assert response.headers.get("accept-encoding") == ("gzip, deflate" if status == 415 else None)


MANY = 3000


@pytest.mark.parametrize("same", [False, True])
async def test_many_inputs_are_answered_in_order(
    caching: Configuration, client: httpx2.AsyncClient, same: bool
) -> None:
    attach(caching)
    caching.apply(
        snapshot(
            3, cache_size=1 << 20, applications=[ApplicationSpec("sum", "doubles", -1, 60_000_000, ["m"])]
        )
    )
    inputs = [[1.0] * (i % 7 * (not same)) for i in range(MANY)]
    wanted = [[len(each)] for each in inputs]
    response = await client.post("/sum/predict", json={"input_batch": inputs})
    assert int(response.headers["content-length"]) == len(response.content)
    answers = response.json()["batch_predictions"]
    assert [answer["output"] for answer in answers] == wanted
    assert len({answer["query_id"] for answer in answers}) == MANY
    tensor = {"name": "x", "shape": [MANY, 1], "datatype": "FP64", "data": [1.5] * MANY}
    response = await client.post("/v2/models/sum/infer", json={"inputs": [tensor]})
    assert response.json()["outputs"][0]["data"] == [1] * MANY
    assert caching.metrics.application("sum").answered == 2 * MANY


@pytest.mark.parametrize("path", ["/sum/predict", "/v2/models/sum/infer"])
async def test_many_inputs_that_come_too_late_are_all_told_so(
    configuration: Configuration, client: httpx2.AsyncClient, path: str
) -> None:
    configuration.apply(snapshot(2, micros=100_000))
    attach(configuration, cost_s=DEADLINE_S)
    tensor = {"name": "x", "shape": [MANY, 1], "datatype": "FP64", "data": list(range(MANY))}
    body = {"input_batch": [[i] for i in range(MANY)]} if path == "/sum/predict" else {"inputs": [tensor]}
    answer = (await client.post(path, json=body)).json()
    if path == "/sum/predict":
        assert {each["default_reason"] for each in answer["batch_predictions"]} == {"deadline"}
        assert len(answer["batch_predictions"]) == MANY
    else:
        assert answer["parameters"]["defaults"].keys() == {str(i) for i in range(MANY)}
        assert answer["outputs"][0]["data"] == [-1] * MANY
    assert configuration.metrics.application("sum").defaults == {"deadline": MANY}
    assert not configuration.queue("m", "1").waiting.count  # type: ignore[union-attr]


async def test_one_that_gives_up_on_many_inputs_leaves_none_behind(
    configuration: Configuration, address: tuple[str, int]
) -> None:
    patient = ApplicationSpec("sum", "doubles", -1, 60_000_000, ["m"])
    configuration.apply(snapshot(2, applications=[patient]))
    _, writer = await asyncio.open_connection(*address)
    writer.write(request_of(msgspec.json.encode({"input_batch": [[i] for i in range(MANY)]})))
    await waits(configuration, MANY)
    writer.close()
    await waits(configuration, 0)
    assert configuration.metrics.application("sum").cancelled == MANY
    assert not attach(configuration).batches


async def test_a_request_has_not_too_many_inputs(
    configuration: Configuration, client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_late(*_: object) -> None:
        raise AssertionError("something was made of it")

    for name in ("sum", "text", "array"):
        monkeypatch.setattr(configuration.applications[name], "ask", too_late)
    many = 20_001
    described = {"name": "x", "shape": [many, 1], "datatype": "FP64"}

    def binary(data: bytes, **changes: object) -> tuple[dict[str, str], bytes]:
        given = {**described, "parameters": {"binary_data_size": len(data)}, **changes}
        head = json.dumps({"inputs": [given]}).encode()
        return {"inference-header-content-length": str(len(head))}, head + data

    for path, headers, body in (
        ("/sum/predict", {}, b'{"input_batch":[' + b",".join([b"[]"] * many) + b"]}"),
        ("/v2/models/sum/infer", *binary(b"\0" * 8 * many)),
        ("/v2/models/array/infer", *binary(b"\0" * 8 * many)),
        ("/v2/models/text/infer", *binary(b"\0" * 4 * many, datatype="BYTES", shape=[many])),
        ("/v2/models/sum/infer", {}, json.dumps({"inputs": [{**described, "data": [0] * many}]}).encode()),
    ):
        response = await client.post(path, content=body, headers=headers)
        assert (response.status_code, "20001 inputs; 20000 is the most" in response.text) == (413, True)
    large = json.dumps({"inputs": [{**described, "shape": [1, 400_000], "data": [0.5] * 400_000}]})
    response = await client.post("/v2/models/sum/infer", content=large.encode())
    assert (response.status_code, "binary tensors" in response.text) == (413, True)


@pytest.mark.parametrize("size", [10, 200_000])
async def test_an_answer_has_one_form_however_large_it_is(
    configuration: Configuration, client: httpx2.AsyncClient, size: int
) -> None:
    queue = configuration.queue("m", "1")
    assert queue is not None
    FakeReplica(queue, answer=lambda inputs: [b'"%b"' % (b"x" * size)] * len(inputs))
    text = "x" * size
    tensor = {"name": "x", "shape": [1, 1], "datatype": "FP64", "data": [1.0]}
    asked: list[tuple[str, dict[str, Any], list[Any]]] = [
        ("/sum/predict", {"input": [1.0]}, ["output"]),
        ("/sum/predict", {"input_batch": [[1.0]]}, ["batch_predictions", 0, "output"]),
        ("/v2/models/sum/infer", {"inputs": [tensor]}, ["outputs", 0, "data", 0]),
        ("/v1/models/sum:predict", {"instances": [[1.0]]}, ["predictions", 0]),
    ]
    for path, body, at in asked:
        response = await client.post(path, json=body)
        found = response.json()
        for key in at:
            found = found[key]
        assert (response.status_code, found) == (200, text)


async def test_what_one_request_may_cost_is_a_setting(
    configuration: Configuration, client: httpx2.AsyncClient
) -> None:
    configuration.apply(snapshot(2, requests=RequestSpec(max_inputs=5, max_json=100)))
    attach(configuration)
    tensor = {"name": "x", "shape": [6, 1], "datatype": "FP64", "data": [0] * 6}
    for path, body, wanted in (
        ("/sum/predict", {"input_batch": [[]] * 5}, 200),
        ("/sum/predict", {"input_batch": [[]] * 6}, 413),
        ("/sum/predict", {"input": [1] * 50}, 413),
        ("/v2/models/sum/infer", {"inputs": [{**tensor, "name": "x" * 40}]}, 413),
    ):
        response = await client.post(path, json=body)
        assert response.status_code == wanted
        assert wanted == 200 or "started with max_" in response.text
    configuration.apply(snapshot(3, requests=RequestSpec(max_inputs=50_000)))
    assert (await client.post("/v2/models/sum/infer", json={"inputs": [tensor]})).status_code == 200
    assert configuration.queues["m", "1"].admission.most == 50_000


ORIGIN = "https://example.com"


@pytest.mark.parametrize("path", ["/sum/predict", "/health", "/no/predict"])
@pytest.mark.parametrize("allowed", [[ORIGIN, "http://other"], ["*"]])
async def test_web_pages_may_ask_where_it_is_said(
    configuration: Configuration, client: httpx2.AsyncClient, path: str, allowed: list[str]
) -> None:
    attach(configuration)
    asking = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}

    async def answers(origin: str) -> tuple[httpx2.Response, httpx2.Response]:
        method = "GET" if path == "/health" else "POST"
        headers = {"Origin": origin}
        answer = await client.request(method, path, headers=headers, content=b'{"input": [1]}')
        return await client.options(path, headers={**headers, **asking}), answer

    for response in await answers(ORIGIN):
        assert "access-control-allow-origin" not in response.headers
    configuration.apply(snapshot(2, requests=RequestSpec(cors_origins=allowed)))
    preflight, answer = await answers(ORIGIN)
    assert preflight.status_code == 204
    assert "POST" in preflight.headers["access-control-allow-methods"]
    assert preflight.headers["access-control-allow-headers"] == "content-type"
    for response in (preflight, answer):
        assert response.headers["access-control-allow-origin"] == ("*" if "*" in allowed else ORIGIN)
    for response in await answers("https://elsewhere.example"):
        assert ("access-control-allow-origin" in response.headers) == ("*" in allowed)
        assert response.headers.get("vary") == (None if "*" in allowed else "Origin")


async def test_an_unknown_application_is_told_which_there_are(client: httpx2.AsyncClient) -> None:
    response = await client.post("/no/predict", json={"input": [1]})
    assert response.status_code == 404
    assert "Applications: any, array, strict, sum, text." in response.json()["cause"]


async def test_another_path_and_method_are_told(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/sum/predict")).status_code == 405
    response = await client.get("/nowhere")
    assert response.status_code == 404
    assert "POST /<application>/predict" in response.json()["cause"]


@pytest.mark.parametrize(
    ("case", "reason", "told"),
    [
        ("unlinked", "no_model_linked", "Link one"),
        ("none is current", "no_replicas", "linked to sum, has no current version."),
        ("slow", "deadline", "m:1 did not answer within the 100 ms that the query had: the input waited "),
    ],
)
async def test_a_default_answer_says_why(
    configuration: Configuration, client: httpx2.AsyncClient, case: str, reason: str, told: str
) -> None:
    if case == "none is current":
        configuration.apply(snapshot(2, current={}))
    if case == "slow":
        configuration.apply(snapshot(2, micros=100_000))
        attach(configuration, cost_s=60)
    application, value = ("text", "x") if case == "unlinked" else ("sum", [1])
    response = await client.post(f"/{application}/predict", json={"input": value})
    assert response.status_code == 200
    answer = response.json()
    assert answer["default"] is True
    assert answer["default_reason"] == reason
    assert answer["default_explanation"].endswith(".")
    assert told in answer["default_explanation"]
    assert answer["output"] == (-1 if application == "sum" else "?")


async def test_a_moved_pointer_moves_the_next_query(
    configuration: Configuration, client: httpx2.AsyncClient
) -> None:
    versions = [version_spec(), version_spec(version="2")]
    configuration.apply(snapshot(2, versions=versions))
    first, second = attach(configuration, "1"), attach(configuration, "2")
    await client.post("/sum/predict", json={"input": [1]})
    configuration.apply(snapshot(3, versions=versions, current={"m": "2"}))
    await client.post("/sum/predict", json={"input": [1]})
    await client.post("/sum/predict", json={"input": [1], "version": "1"})
    assert (len(first.batches), len(second.batches)) == (2, 1)


async def waits(configuration: Configuration, count: int = 1) -> None:
    """Until so many queries wait in the queue, or are with a replica."""
    queue = configuration.queue("m", "1")
    assert queue is not None
    async with asyncio.timeout(DEADLINE_S):
        while queue.waiting.count + sum(d.size for r in queue.ready for d in r.in_flight) != count:  # noqa: ASYNC110
            await asyncio.sleep(0)


async def test_a_removed_version_answers_those_that_wait(
    configuration: Configuration, client: httpx2.AsyncClient
) -> None:
    asking = asyncio.create_task(client.post("/sum/predict", json={"input": [1]}))
    await waits(configuration)
    configuration.apply(snapshot(2, versions=[], current={}))
    answer = (await asking).json()
    assert (answer["default_reason"], answer["default_explanation"]) == ("no_replicas", "m:1 was stopped.")


async def test_a_removed_version_still_answers_what_its_replicas_have(
    configuration: Configuration, client: httpx2.AsyncClient
) -> None:
    replica = attach(configuration, cost_s=0.05)
    asking = asyncio.create_task(client.post("/sum/predict", json={"input": [1]}))
    async with asyncio.timeout(DEADLINE_S):
        while not replica.in_flight:  # noqa: ASYNC110
            await asyncio.sleep(0)
    configuration.apply(snapshot(2, versions=[], current={}))
    assert (await asking).json()["output"] == [1]


# Deadlines, by request


@pytest.mark.parametrize(
    ("field", "header"), [({"timeout_micros": 5000}, {}), ({}, {"X-Request-Timeout-Seconds": "0.005"})]
)
async def test_a_request_may_want_its_answer_earlier(
    configuration: Configuration, client: httpx2.AsyncClient, field: Any, header: Any
) -> None:
    attach(configuration, cost_s=0.03)
    answer = (await client.post("/sum/predict", json={"input": [1], **field}, headers=header)).json()
    assert answer["default_reason"] == "deadline"  # well before the model answered
    later = await client.post("/sum/predict", json={"input": [1], "timeout_micros": 10**9})
    assert later.json()["default"] is False


async def test_a_request_cannot_wait_longer_than_the_objective(
    configuration: Configuration, client: httpx2.AsyncClient
) -> None:
    configuration.apply(snapshot(2, micros=100_000))
    attach(configuration, cost_s=60)
    answer = (await client.post("/sum/predict", json={"input": [1], "timeout_micros": 10**9})).json()
    assert answer["default_reason"] == "deadline"
    bad = await client.post(
        "/sum/predict", json={"input": [1]}, headers={"X-Request-Timeout-Seconds": "soon"}
    )
    assert bad.status_code == 400
    assert "X-Request-Timeout-Seconds" in bad.json()["cause"]


# Overload


async def test_outputs_are_told_from_the_start_and_then_as_the_model_has_them(
    configuration: Configuration, client: httpx2.AsyncClient
) -> None:
    async def outputs() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await client.get("/v2/models/sum")).json()["outputs"]
        return found

    assert await outputs() == [{"name": "output", "datatype": "INT64", "shape": [-1]}]
    attach(configuration)
    body = {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP64", "data": [1, 2]}]}
    assert (await client.post("/v2/models/sum/infer", json=body)).status_code == 200
    assert await outputs() == [{"name": "output", "datatype": "INT64", "shape": [-1, 1]}]
    configuration.apply(snapshot(2, applications=snapshot().applications[:2]))
    assert (await outputs())[0]["shape"] == [-1, 1]
    queue = configuration.queue("sum", "1") or configuration.queue("m", "1")
    assert queue is not None
    examples: list[tuple[tuple[str, tuple[int, ...]] | bytes, str, str, list[int]]] = [
        (("<f4", (3, 2)), "output", "FP32", [-1, 3, 2]),
        (("str", (4,)), "output", "BYTES", [-1]),
        (b"[1.5, 2.5]", "output", "FP64", [-1, 2]),
        (b'{"a": 1}', "a", "INT64", [-1]),
        (b'{"a": {"b": 1}}', "a", "BYTES", [-1]),
        (b"{}", "output", "BYTES", [-1]),
    ]
    for example, name, datatype, shape in examples:
        queue.example = example  # as its replicas tell, once they are ready
        assert await outputs() == [{"name": name, "datatype": datatype, "shape": shape}]


async def test_where_there_is_no_room_the_application_says_how(
    configuration: Configuration, client: httpx2.AsyncClient
) -> None:
    configuration.queues["m", "1"].admission.most = 2
    waiting = [asyncio.create_task(client.post("/sum/predict", json={"input": [1]})) for _ in range(2)]
    await waits(configuration, 2)
    default = await client.post("/sum/predict", json={"input": [1]})
    assert (default.status_code, default.json()["default_reason"]) == (200, "overload")
    rejected = await client.post("/strict/predict", json={"input": [1]})
    assert rejected.status_code == 429
    assert int(rejected.headers["retry-after"]) >= 1
    assert "takes no more" in rejected.json()["cause"]
    assert configuration.metrics.application("strict").rejected == 1
    assert not configuration.metrics.application("strict").defaults
    attach(configuration)
    await asyncio.gather(*waiting)


# The cache


@pytest.fixture
def caching(configuration: Configuration) -> Configuration:
    configuration.apply(snapshot(2, cache_size=1 << 20, versions=[version_spec(max_cached_input=100)]))
    return configuration


async def test_what_was_answered_is_not_computed_again(
    caching: Configuration, client: httpx2.AsyncClient
) -> None:
    replica = attach(caching)
    for _ in range(3):
        answer = (await client.post("/sum/predict", json={"input": [1, 2]})).json()
        assert answer["output"] == [2]
    assert len(replica.batches) == 1
    await client.post("/sum/predict", json={"input": [1, 2]}, headers={"Cache-Control": "no-cache"})
    assert len(replica.batches) == 2
    for _ in range(2):
        await client.post("/sum/predict", json={"input": [1.0] * 20})
    assert len(replica.batches) == 4  # larger than what is cached
    metrics = caching.metrics.version("m", "1")
    assert (metrics.lookups, metrics.hits) == (3, 2)


async def test_equal_queries_in_flight_are_computed_once(
    caching: Configuration, client: httpx2.AsyncClient
) -> None:
    asking = [asyncio.create_task(client.post("/sum/predict", json={"input": [1]})) for _ in range(5)]
    async with asyncio.timeout(DEADLINE_S):
        while caching.metrics.version("m", "1").joined < 4:  # noqa: ASYNC110
            await asyncio.sleep(0)
    replica = attach(caching)
    answers = [(await one).json() for one in asking]
    assert [answer["output"] for answer in answers] == [[1]] * 5
    assert replica.batches == [[replica.batches[0][0]]]
    assert caching.metrics.version("m", "1").joined == 4
    assert len({answer["query_id"] for answer in answers}) == 5


async def test_one_that_gives_up_takes_nothing_from_those_that_joined_it(
    caching: Configuration, client: httpx2.AsyncClient
) -> None:
    attach(caching, cost_s=0.05)
    first = asyncio.create_task(client.post("/sum/predict", json={"input": [1], "timeout_micros": 5000}))
    await waits(caching)
    second = await client.post("/sum/predict", json={"input": [1]})
    assert (await first).json()["default_reason"] == "deadline"
    assert second.json()["output"] == [1]


async def test_one_that_joined_and_is_late_is_told_of_its_own_time(
    caching: Configuration, client: httpx2.AsyncClient
) -> None:
    patient = ApplicationSpec("patient", "doubles", -1, 60_000_000, ["m"])
    caching.apply(snapshot(3, cache_size=1 << 20, applications=[*snapshot().applications, patient]))
    attach(caching, cost_s=60)
    first = asyncio.create_task(client.post("/patient/predict", json={"input": [1]}))
    await waits(caching)
    second = await client.post("/sum/predict", json={"input": [1], "timeout_micros": 5000})
    told = second.json()["default_explanation"]
    assert "the 5 ms that the query had: the input, under way already for another query, waited" in told
    first.cancel()


async def test_a_default_answer_is_not_cached(caching: Configuration, client: httpx2.AsyncClient) -> None:
    late = await client.post("/sum/predict", json={"input": [1], "timeout_micros": 1000})
    assert late.json()["default"] is True
    attach(caching)
    assert (await client.post("/sum/predict", json={"input": [1]})).json()["default"] is False


async def test_a_new_version_does_not_answer_with_the_old_ones_outputs(
    caching: Configuration, client: httpx2.AsyncClient
) -> None:
    attach(caching)
    await client.post("/sum/predict", json={"input": [1]})
    caching.apply(snapshot(3, cache_size=1 << 20, versions=[version_spec(version="2")], current={"m": "2"}))
    assert len(caching.cache) == 0
    replica = attach(caching, "2")
    await client.post("/sum/predict", json={"input": [1]})
    assert len(replica.batches) == 1


# Connections


def request_of(body: bytes, *headers: str, path: str = "/sum/predict") -> bytes:
    lines = [f"POST {path} HTTP/1.1", "host: localhost", f"content-length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


PREDICTION = request_of(b'{"input": [1]}')
HEALTH = b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n"


async def connected(server: Server) -> None:
    """Return when the frontend has taken a connection."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(DEADLINE_S):
        while not server.server_state.connections:
            turn = loop.create_future()
            loop.call_soon(turn.set_result, None)
            await turn


async def read_response(reader: asyncio.StreamReader) -> tuple[int, Any]:
    async with asyncio.timeout(DEADLINE_S):
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(n.partition(b":")[2]) for n in head.lower().split(b"\r\n") if b"content-length" in n
        )
        return int(head.split()[1]), json.loads(await reader.readexactly(length))


async def test_requests_that_follow_without_waiting_are_answered_in_order(
    configuration: Configuration, address: tuple[str, int]
) -> None:
    patient = ApplicationSpec("sum", "doubles", -1, 60_000_000, ["m"])
    configuration.apply(
        snapshot(2, applications=[patient], versions=[version_spec(batching=BatchingSpec("off"))])
    )
    attach(configuration)
    reader, writer = await asyncio.open_connection(*address)
    health = b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n"
    predictions = [request_of(b'{"input": [%b]}' % b",".join([b"1"] * n)) for n in range(1, 200)]
    writer.write(predictions[0] + health + request_of(b"{]") + b"".join(predictions[1:]))
    assert (await read_response(reader))[1]["output"] == [1]
    assert (await read_response(reader))[1]["status"] == "ok"
    assert (await read_response(reader))[0] == 400
    for n in range(2, 200):
        status, answer = await read_response(reader)
        assert (status, answer["default"], answer["output"]) == (200, False, [n])
    writer.close()


async def test_a_request_in_single_bytes_is_a_request(
    configuration: Configuration, address: tuple[str, int]
) -> None:
    attach(configuration)
    reader, writer = await asyncio.open_connection(*address)
    for byte in request_of(b'{"input": [1]}'):
        writer.write(bytes([byte]))
        await writer.drain()
    assert (await read_response(reader))[1]["output"] == [1]
    writer.close()


@pytest.mark.parametrize(
    "head",
    [
        b"POST /sum/predict HTTP/1.1\r\nhost: localhost\r\na: %b\r\ncontent-length: 14\r\n\r\n"
        % (b"a" * MAX_HEAD),
        b"GET /health?%b HTTP/1.1\r\nhost: localhost\r\n\r\n" % (b"a" * MAX_HEAD),
        b"GET /health HTTP/1.1\r\nhost: localhost\r\n%b\r\n" % (b"a: b\r\n" * MAX_HEAD),
        b"GET /health HTTP/1.1\r\nhost: localhost\r\na: " + b"a" * (1 << 20),
    ],
    ids=["a header", "a target", "many headers", "one without an end"],
)
async def test_a_head_that_is_too_long_is_refused(address: tuple[str, int], head: bytes) -> None:
    reader, writer = await asyncio.open_connection(*address)
    writer.write(head)
    async with asyncio.timeout(DEADLINE_S):
        assert (await reader.readline()).startswith(b"HTTP/1.1 431 ")
    writer.close()


CHUNKED = b"POST %b HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("path", [b"/sum/predict", b"/other"])
@pytest.mark.parametrize(
    "rest",
    [
        b'e\r\n{"input": [1]}\r\n0\r\n' + b"a: b\r\n" * (1 << 18),
        b'e\r\n{"input": [1]}\r\n0\r\na: ' + b"a" * (1 << 20),
        b"e;a=" + b"a" * (1 << 20),
    ],
    ids=["trailers", "a trailer without an end", "what is said of a chunk"],
)
async def test_what_is_neither_head_nor_body_has_an_end(
    address: tuple[str, int], path: bytes, rest: bytes
) -> None:
    reader, writer = await asyncio.open_connection(*address)
    writer.write(CHUNKED % path + rest)
    async with asyncio.timeout(DEADLINE_S):
        with contextlib.suppress(ConnectionError):
            while await reader.read(1 << 16):  # until it is closed
                pass
    writer.close()


async def test_a_long_head_and_a_long_body_are_read(
    configuration: Configuration, address: tuple[str, int]
) -> None:
    attach(configuration)
    reader, writer = await asyncio.open_connection(*address)
    body = b'{"input": [%b]}' % b",".join([b"1"] * 100_000)
    head = b"POST /sum/predict HTTP/1.1\r\nhost: localhost\r\na: %b\r\ncontent-length: %d\r\n\r\n"
    writer.write((head % (b"a" * (MAX_HEAD - 100), len(body)) + body) * 2)
    for _ in range(2):
        assert (await read_response(reader))[1]["output"] == [100_000]
    writer.close()


async def test_a_client_that_will_send_no_more_is_taken_for_gone(
    configuration: Configuration, address: tuple[str, int]
) -> None:
    """Whoever closes a connection, and whoever closes only his half of it, look the same from here."""
    attach(configuration, cost_s=60)
    reader, writer = await asyncio.open_connection(*address)
    writer.write(request_of(b'{"input": [1]}'))
    await waits(configuration)
    writer.write_eof()
    async with asyncio.timeout(DEADLINE_S):
        assert await reader.read() == b""
    assert configuration.metrics.application("sum").cancelled == 1
    writer.close()


async def test_a_client_that_stops_in_the_middle_is_left(
    address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipper_server.query.http.SILENT_S", 0.05)
    for half in (b"POST /sum/pre", request_of(b'{"input": [1]}')[:-5]):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(half)
        async with asyncio.timeout(DEADLINE_S):
            assert await reader.read() == b""
        writer.close()
    reader, writer = await asyncio.open_connection(*address)
    writer.write(b"POST /sum/pre")
    writer.write_eof()
    async with asyncio.timeout(DEADLINE_S):
        assert await reader.read() == b""
    writer.close()


async def test_a_connection_that_never_says_a_word_is_closed(
    address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipper_server.query.http.SILENT_S", 0.05)
    reader, writer = await asyncio.open_connection(*address)
    async with asyncio.timeout(DEADLINE_S):
        assert await reader.read() == b""
    writer.close()


async def test_a_connection_that_was_opened_ahead_waits_longer_than_one_that_has_asked(
    configuration: Configuration, address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    attach(configuration)
    monkeypatch.setattr("clipper_server.query.http.IDLE_S", 0.05)
    ahead, writes_ahead = await asyncio.open_connection(*address)
    reader, writer = await asyncio.open_connection(*address)
    async with asyncio.timeout(DEADLINE_S):
        writer.write(request_of(b'{"input": [1]}'))
        assert (await reader.read()).startswith(b"HTTP/1.1 200")  # and then it is closed
        writes_ahead.write(request_of(b'{"input": [1]}'))
        assert (await ahead.readline()).startswith(b"HTTP/1.1 200")
    writer.close()
    writes_ahead.close()


@pytest.mark.parametrize(
    ("before", "after", "answers"),
    [
        (b"", PREDICTION, 1),
        (PREDICTION, PREDICTION, 1),
        (PREDICTION, HEALTH, 1),
        (HEALTH, PREDICTION, 1),
        (PREDICTION + PREDICTION[:20], PREDICTION[20:], 1),
        (PREDICTION, PREDICTION + PREDICTION, 2),
    ],
)
async def test_a_frontend_that_ends_answers_what_is_on_its_way_and_asks_its_clients_to_go(
    before: bytes,
    after: bytes,
    answers: int,
    configuration: Configuration,
    server: Server,
    address: tuple[str, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("clipper_server.query.http.LINGER_S", DEADLINE_S)
    attach(configuration)
    reader, writer = await asyncio.open_connection(*address)
    writer.write(before)
    if before:
        assert (await read_response(reader))[0] == 200
    await connected(server)
    for connection in list(server.server_state.connections):
        connection.shutdown()
    writer.write(after)
    async with asyncio.timeout(DEADLINE_S):
        said = await reader.read()  # until it is closed
    assert said.count(b"HTTP/1.1 200 ") == answers
    assert said.lower().count(b"connection: close") == 1
    writer.close()


async def test_a_frontend_that_ends_asks_those_to_go_whose_connection_it_is_just_making(
    configuration: Configuration, server: Server, address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipper_server.query.http.LINGER_S", DEADLINE_S)
    attach(configuration)
    with socket.create_connection(address, DEADLINE_S) as client:
        server.listener._accept()
        assert not server.server_state.connections
        ending = asyncio.create_task(server.shutdown())
        await connected(server)
        reader, writer = await asyncio.open_connection(sock=client)
        writer.write(PREDICTION)
        async with asyncio.timeout(DEADLINE_S):
            assert b"\r\nconnection: close\r\n" in await reader.read()
        writer.close()
    await ending


async def test_a_frontend_that_ends_closes_who_is_silent(
    configuration: Configuration, server: Server, address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipper_server.query.http.LINGER_S", 0.05)
    attach(configuration)
    connections = [await asyncio.open_connection(*address) for _ in range(2)]
    connections[0][1].write(PREDICTION)
    await read_response(connections[0][0])
    server.should_exit = True
    for reader, writer in connections:
        async with asyncio.timeout(DEADLINE_S):
            assert await reader.read() == b""
        writer.close()


@ON_UVLOOP
async def test_a_client_that_does_not_read_its_answers_is_left(
    configuration: Configuration, address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = configuration.queue("m", "1")
    assert queue is not None
    FakeReplica(queue, answer=lambda inputs: [b'"' + b"x" * (32 << 20) + b'"' for _ in inputs])
    monkeypatch.setattr("clipper_server.query.http.SILENT_S", 0.1)
    monkeypatch.setattr("clipper_server.query.http.IDLE_S", 0.1)
    lost = asyncio.Event()
    ending = HTTPProtocol.connection_lost

    def connection_lost(self: HTTPProtocol, exc: Exception | None) -> None:
        ending(self, exc)
        lost.set()

    monkeypatch.setattr(HTTPProtocol, "connection_lost", connection_lost)
    with socket.create_connection(address, DEADLINE_S) as deaf:
        deaf.sendall(request_of(b'{"input": [1]}') * 2)
        async with asyncio.timeout(DEADLINE_S):
            await lost.wait()


async def test_work_that_nobody_waits_for_is_not_begun(
    configuration: Configuration, address: tuple[str, int]
) -> None:
    reader, writer = await asyncio.open_connection(*address)
    writer.write(request_of(b'{"input": [1]}'))
    await waits(configuration)
    writer.close()
    await waits(configuration, 0)
    replica = attach(configuration)
    assert configuration.metrics.application("sum").cancelled == 1
    with contextlib.suppress(ConnectionError):
        await reader.read()
    assert not replica.batches


async def test_a_client_that_asks_before_it_sends_is_told_to_go_on(
    configuration: Configuration, address: tuple[str, int]
) -> None:
    attach(configuration)
    reader, writer = await asyncio.open_connection(*address)
    body = b'{"input": [1]}'
    writer.write(request_of(body, "expect: 100-continue")[: -len(body)])
    async with asyncio.timeout(DEADLINE_S):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
    writer.write(body)
    assert (await read_response(reader))[1]["output"] == [1]
    writer.close()


async def test_garbage_is_answered_with_400_and_harms_nobody(
    configuration: Configuration, address: tuple[str, int], client: httpx2.AsyncClient
) -> None:
    attach(configuration)
    with socket.create_connection(address, DEADLINE_S) as garbage:
        garbage.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(garbage, bytes(range(256)))
        async with asyncio.timeout(DEADLINE_S):
            assert (await loop.sock_recv(garbage, 1000)).startswith(b"HTTP/1.1 400")
    assert (await client.post("/sum/predict", json={"input": [1]})).json()["output"] == [1]


@ON_UVLOOP
@pytest.mark.parametrize("last", [b"\0\r\n\r\n", b""])
async def test_a_lost_connection_takes_its_pipelined_queries_along_and_nobody_elses(
    configuration: Configuration, address: tuple[str, int], client: httpx2.AsyncClient, last: bytes
) -> None:
    honest = [asyncio.create_task(client.post("/sum/predict", json={"input": [i]})) for i in range(3)]
    await waits(configuration, 3)
    reader, writer = await asyncio.open_connection(*address)
    writer.write(request_of(b'{"input": [1]}') * 3 + last)
    async with asyncio.timeout(DEADLINE_S):
        if last:
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 400")
        else:
            await waits(configuration, 4)
            writer.close()
        replica = attach(configuration)
        for answer in await asyncio.gather(*honest):
            assert answer.json()["output"] == [1]
        while not configuration.metrics.application("sum").cancelled:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert (await client.post("/sum/predict", json={"input": [1, 2]})).json()["output"] == [2]
    assert replica.alive
    assert configuration.metrics.application("sum").cancelled == 1
    writer.close()


@ON_UVLOOP
async def test_what_goes_wrong_with_one_query_is_its_own_500_with_an_id(
    configuration: Configuration,
    client: httpx2.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    attach(configuration, cost_s=0.02)
    encode = ClipperProtocol._answer

    def breakable(self: ClipperProtocol, answer: Answer) -> bytes:
        if answer.output == b"[2]":
            raise AssertionError("no such output")
        return encode(self, answer)

    monkeypatch.setattr(ClipperProtocol, "_answer", breakable)
    queries = [client.post("/sum/predict", json={"input": [1] * n}) for n in (1, 2, 3)]
    good, bad, other = await asyncio.gather(*queries)
    assert (good.json()["output"], other.json()["output"]) == ([1], [3])
    assert bad.status_code == 500
    assert bad.json()["error"] == "Internal error"
    query_id = bad.json()["cause"].split()[1]
    assert f"query {query_id} to sum could not be answered" in caplog.text
    assert "no such output" in caplog.text


async def test_a_header_that_would_write_others_is_not_written(
    configuration: Configuration, client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    reasons = ["a\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK", "deadline"]

    def unlinked() -> Fault:
        return Fault(reasons.pop(0), "m")

    monkeypatch.setattr(configuration.applications["text"], "unlinked", unlinked)
    body = {"inputs": [{"name": "x", "shape": [1], "datatype": "BYTES", "data": ["x"]}]}
    assert (await client.post("/v2/models/text/infer", json=body)).status_code == 500
    response = await client.post("/v2/models/text/infer", json=body)
    assert (response.status_code, response.headers["x-default-answer"]) == (200, "deadline")


async def test_a_policy_that_fails_costs_its_own_query(
    configuration: Configuration, client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    attach(configuration)

    def combine(outcomes: object) -> Outcome:
        raise ZeroDivisionError

    monkeypatch.setattr(configuration.applications["sum"].policy, "combine", combine)
    bad = client.post("/sum/predict", json={"input": [1, 2]})
    good = client.post("/strict/predict", json={"input": [1, 2]})
    assert [answer.status_code for answer in await asyncio.gather(bad, good)] == [500, 200]
    late = await client.post("/sum/predict", json={"input": [1], "timeout_micros": 1})
    assert late.status_code == 500
    monkeypatch.undo()
    assert (await client.post("/sum/predict", json={"input": [1, 2]})).json()["output"] == [2]


async def test_a_page_that_has_pointed_its_name_at_this_machine_is_refused(
    configuration: Configuration, client: httpx2.AsyncClient
) -> None:
    attach(configuration)
    its = {"Host": "evil.example:1337"}
    answers = [
        await client.post("/sum/predict", json={"input": [1]}, headers=its),
        await client.post("/v2/models/sum/infer", json={}, headers=its),
        await client.get("/health", headers=its),
        await client.get("/metrics", headers=its),
        await client.post("/nowhere", content=b"x" * 100_000, headers=its),
    ]
    assert {answer.status_code for answer in answers} == {421}
    assert "not called 'evil.example:1337'. Ask it at 127.0.0.1" in answers[0].json()["cause"]
    assert configuration.applications["sum"].metrics.answered == 0
    for good in ("localhost:1337", "127.0.0.1", "[::1]"):
        response = await client.post("/sum/predict", json={"input": [1]}, headers={"Host": good})
        assert response.json()["output"] == [1]


# What is told of it


async def test_its_health_names_the_loops_that_do_not_get_on(
    client: httpx2.AsyncClient, supervisor: Supervisor
) -> None:
    assert (await client.get("/health")).json() == {"status": "ok", "frontend": "0", "failing": []}
    loop = asyncio.get_running_loop()
    failed = loop.create_future()

    async def turn() -> None:
        if not failed.done():
            loop.call_soon(failed.set_result, None)
        raise ClusterError("It has no room.")

    keeping = loop.create_task(supervisor.keep("follow", turn))
    await failed
    health = await client.get("/health")
    keeping.cancel()
    assert (health.status_code, health.json()["failing"]) == (200, ["follow"])


async def test_why_and_the_metrics_agree_with_what_the_client_saw(
    configuration: Configuration, client: httpx2.AsyncClient
) -> None:
    attach(configuration, measured=[(1, 0.01), (2, 0.01)])
    good = (await client.post("/sum/predict", json={"input": [1]})).json()
    bad = (await client.post("/text/predict", json={"input": "x"})).json()
    private = f"http://{configuration.private}/private/queries"
    trace = (await client.get(f"{private}/{good['query_id']}", headers=AS_MANAGEMENT)).json()
    assert (trace["application"], trace["answer"], trace["reason"]) == ("sum", "answered", None)
    leg = trace["models"][0]
    assert (leg["version"], leg["batch"]["size"], leg["batch"]["reason"]) == ("m:1", 1, "idle")
    assert 0 <= leg["batch"]["sent_at_ms"] <= leg["batch"]["replied_at_ms"] <= trace["took_ms"]
    trace = (await client.get(f"{private}/{bad['query_id']}", headers=AS_MANAGEMENT)).json()
    assert (trace["answer"], trace["reason"]) == ("default", "no_model_linked")
    assert trace["explanation"] == bad["default_explanation"]
    assert (await client.get(f"{private}/1", headers=AS_MANAGEMENT)).status_code == 404
    last = (await client.get(f"{private}/last", headers=AS_MANAGEMENT)).json()
    assert last.pop("ago_ms") >= 0
    assert last == trace
    # ... which only management may ask.
    assert (await client.get(f"{private}/{good['query_id']}")).status_code == 401
    strangers = {"Authorization": "Bearer of another cluster"}
    assert (await client.get(f"{private}/{good['query_id']}", headers=strangers)).status_code == 401
    shared = f"/private/queries/{good['query_id']}"
    assert (await client.get(shared, headers=AS_MANAGEMENT)).status_code == 404
    text = (await client.get("/metrics")).text
    assert 'clipper_app_predictions_total{application="sum",frontend="0"} 1.0' in text
    labels = 'application="text",frontend="0",reason="no_model_linked"'
    assert f"clipper_app_default_predictions_total{{{labels}}} 1.0" in text
    assert 'clipper_app_queries_total{application="sum",frontend="0",protocol="clipper"} 1.0' in text
    assert 'clipper_model_dispatches_total{frontend="0",model="m",reason="idle",version="1"} 1.0' in text


async def test_the_report_counts_what_clients_saw(
    configuration: Configuration, client: httpx2.AsyncClient
) -> None:
    attach(configuration)
    await client.post("/sum/predict", json={"input_batch": [[1], [2]]})
    await client.post("/text/predict", json={"input": "x"})
    configuration.apply(snapshot(2, applications=[ApplicationSpec("text", "strings", "?", 5, [])]))
    configuration.apply(snapshot(3))
    report = configuration.report()
    assert report.revision == 3
    assert {a.name: (a.answered, a.defaults) for a in report.applications} == {
        **{name: (0, {}) for name in ("sum", "strict", "any", "array")},
        "text": (1, {"no_model_linked": 1}),
    }


async def test_management_gets_the_metrics_as_they_are_and_others_those_of_a_second_ago(
    configuration: Configuration, client: httpx2.AsyncClient, address: tuple[str, int]
) -> None:
    async def counted(headers: dict[str, str]) -> bool:
        text = (await client.get("/metrics", headers=headers)).text
        return 'predictions_total{application="sum",frontend="0"} 3.0' in text

    configuration.metrics.application("sum").answered += 3
    configuration.private = f"127.0.0.1:{address[1]}"  # this is the address where management asks
    assert await counted(AS_MANAGEMENT)
    configuration.metrics.application("sum").answered -= 1
    assert not await counted(AS_MANAGEMENT)
    configuration.metrics.application("sum").answered += 1
    assert not await counted({})  # it is kept
    configuration.private = ""
    assert not await counted(AS_MANAGEMENT)


async def test_metrics_are_written_in_slices_and_kept_for_a_second(
    configuration: Configuration, client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipper_server.turns.TURN_S", 0.0)
    for i in range(30):
        configuration.metrics.application(f"app-{i}")
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    loop = asyncio.get_running_loop()
    beside = loop.create_task(others())
    first, second = await asyncio.gather(configuration.metrics.text(), configuration.metrics.text())
    beside.cancel()
    assert turns > 30 + len(first) / 20 / 200  # one for each application, and for each few lines
    assert first is second
    configuration.metrics.application("sum").answered += 7
    assert await configuration.metrics.text() is first
    assert b'clipper_app_predictions_total{application="sum",frontend="0"} 7.0' in (
        await configuration.metrics.text(fresh=True)  # as management asks
    )
    configuration.metrics.application("sum").answered += 1
    monkeypatch.setattr(configuration.metrics, "_keep_until", loop.time())
    fresh = (await configuration.metrics.text()).decode()
    assert 'clipper_app_predictions_total{application="sum",frontend="0"} 8.0' in fresh
    heads = [line for line in fresh.split("\n") if line.startswith("# HELP")]
    assert len(heads) == len(set(heads))
    names = {family.name for family in text_string_to_metric_families(fresh)}
    assert "clipper_app_prediction_latency_seconds" in names


async def test_openapi_tells_of_each_application_its_type_its_example_and_its_objective(
    configuration: Configuration, client: httpx2.AsyncClient
) -> None:
    with_example = msgspec.structs.replace(version_spec(), example=[1.5, 2.0])
    configuration.apply(snapshot(2, versions=[with_example]))
    import jsonschema  # late: it takes a second

    found = (await client.get("/openapi.json")).json()
    assert found["openapi"].startswith("3.1")
    assert set(found["paths"]) == {f"/{name}/predict" for name in ("sum", "strict", "text", "any", "array")}
    post = found["paths"]["/sum/predict"]["post"]
    assert "doubles" in post["description"]
    assert "20000 ms" in post["description"]
    content = post["requestBody"]["content"]["application/json"]
    attach(configuration)
    for example in content["examples"].values():
        jsonschema.validate(example["value"], content["schema"])
        answer = (await client.post("/sum/predict", json=example["value"])).json()
        jsonschema.validate(answer, post["responses"]["200"]["content"]["application/json"]["schema"])
    for bad in ({"input": ["a"]}, {"input": [1.0], "input_batch": [[1.0]]}, {}):
        assert not jsonschema.Draft202012Validator(content["schema"]).is_valid(bad)
    text = found["paths"]["/text/predict"]["post"]["requestBody"]["content"]["application/json"]
    assert "examples" not in text
