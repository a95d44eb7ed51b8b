"""The HTTP side of a query frontend, in process: real bodies in and out, and a replica without a wire."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from clipper_server.query import clipper_protocol
from clipper_server.query.configuration import Configuration
from clipper_server.query.frontend import rest
from clipper_server.query.http import HTTP
from clipper_server.snapshot import ApplicationSpec, Snapshot

from .fakes import FakeReplica, version_spec

pytestmark = pytest.mark.anyio


def snapshot(revision: int = 1, **changes: Any) -> Snapshot:
    applications = [
        ApplicationSpec("sum", "doubles", -1, 100_000, ["m"]),
        ApplicationSpec("text", "strings", "?", 100_000, []),
        ApplicationSpec("any", "json", None, 100_000, []),
    ]
    fields = {"applications": applications, "versions": [version_spec()], "current": {"m": "1"}}
    return Snapshot(revision, **{**fields, **changes})


@pytest.fixture
async def configuration() -> Configuration:
    configuration = Configuration("0", lambda: None, asyncio.get_running_loop())
    configuration.apply(snapshot())
    return configuration


@pytest.fixture
async def client(configuration: Configuration) -> AsyncIterator[httpx2.AsyncClient]:
    app = HTTP(configuration, rest(configuration))
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://frontend") as client:
        yield client


class Echo(FakeReplica):
    """Answers with a JSON text, as a container would."""

    def _reply(self, tasks: list[Any]) -> None:
        self.in_flight.remove(tasks)
        for task in tasks:
            task.finish(b"[%d]" % task.tensor.shape[0])
        self.credits += 1


def attach(configuration: Configuration, version: str = "1", **options: Any) -> Echo:
    queue = configuration.queue("m", version)
    assert queue is not None
    return Echo(queue, **options)


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
        ("sum", b'{"input": [1], "version": 1}', "`$.version`"),
        ("sum", b'{"input": [1], "version": "7"}', "Its versions: 1."),
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


async def test_a_body_that_is_too_large_is_refused(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipper_server.query.http.MAX_BODY", 1 << 20)

    async def body() -> AsyncIterator[bytes]:
        yield b'{"input": ['
        for _ in range(5):
            yield b"1," * (1 << 17)

    response = await client.post("/sum/predict", content=body())
    assert response.status_code == 413
    assert "larger than 1 MiB" in response.json()["cause"]


async def test_an_unknown_application_is_told_which_there_are(client: httpx2.AsyncClient) -> None:
    response = await client.post("/no/predict", json={"input": [1]})
    assert response.status_code == 404
    assert "Applications: any, sum, text." in response.json()["cause"]


async def test_another_path_and_method_are_told(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/sum/predict")).status_code == 405
    response = await client.get("/nowhere")
    assert response.status_code == 404
    assert "POST /<application>/predict" in response.json()["cause"]


@pytest.mark.parametrize(
    ("case", "reason"),
    [("unlinked", "no_model_linked"), ("not deployed", "no_replicas"), ("slow", "deadline")],
)
async def test_a_default_answer_says_why(
    configuration: Configuration, client: httpx2.AsyncClient, case: str, reason: str
) -> None:
    if case == "not deployed":
        configuration.apply(snapshot(2, versions=[], current={}))
    if case == "slow":
        attach(configuration, cost_s=60)
    application, value = ("text", "x") if case == "unlinked" else ("sum", [1])
    response = await client.post(f"/{application}/predict", json={"input": value})
    assert response.status_code == 200
    answer = response.json()
    assert answer["default"] is True
    assert answer["default_reason"] == reason
    assert answer["default_explanation"].endswith(".")
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


async def test_a_removed_version_answers_those_that_wait(configuration: Configuration) -> None:
    application, parser = configuration.endpoints["sum"]
    asking = asyncio.create_task(clipper_protocol.predict(application, parser, b'{"input": [1]}'))
    await asyncio.sleep(0)  # one step of the task puts its query into the queue
    configuration.apply(snapshot(2, versions=[], current={}))
    answer = json.loads(await asking)
    assert (answer["default_reason"], answer["default_explanation"]) == ("no_replicas", "m:1 was stopped.")


async def test_a_removed_version_still_answers_what_its_replicas_have(configuration: Configuration) -> None:
    replica = attach(configuration, cost_s=0.01)
    application, parser = configuration.endpoints["sum"]
    asking = asyncio.create_task(clipper_protocol.predict(application, parser, b'{"input": [1]}'))
    for _ in range(3):  # turns of the event loop: into the queue, and on to the replica
        await asyncio.sleep(0)
    assert replica.in_flight
    configuration.apply(snapshot(2, versions=[], current={}))
    assert json.loads(await asking)["output"] == [1]


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
        "sum": (0, {}),
        "any": (0, {}),
        "text": (1, {"no_model_linked": 1}),
    }
