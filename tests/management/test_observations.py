from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from clipper_container.errors import ClusterError, NotFound
from clipper_server.changes import Changes
from clipper_server.management.events import Events
from clipper_server.management.frontends import Frontends
from clipper_server.management.observations import Observations, clipper_names
from clipper_server.management.running import Running
from clipper_server.management.state import State
from clipper_server.places import Status
from clipper_server.query.exposition import Metrics
from clipper_server.query.metrics import Histogram
from clipper_server.snapshot import Report


def metrics() -> Metrics:
    found = Metrics("0")
    app = found.application("digits")
    app.answered = 200
    app.defaults.update({"deadline": 10, "overload": 10})
    for _ in range(198):
        app.latency.observe(0.0009)
    app.latency.observe(0.4, 2)
    version = found.version("digits", "1")
    version.answered, version.lookups, version.hits = 90, 200, 50
    version.batch_size.observe(10, 9)
    version.dispatches["idle"] = 9
    return found


def named(text: str) -> dict[str, Any]:
    return asyncio.run(clipper_names([text.encode()]))


def text_of(metrics: Metrics) -> str:
    return asyncio.run(metrics.text()).decode()


def test_the_text_is_what_prometheus_reads_and_every_series_says_whose_it_is() -> None:
    families = list(text_string_to_metric_families(text_of(metrics())))
    samples = [sample for family in families for sample in family.samples]
    assert all(sample.labels["frontend"] == "0" for sample in samples)
    values = {(s.name, s.labels.get("reason")): s.value for s in samples}
    assert values["clipper_app_predictions_total", None] == 200
    assert values["clipper_app_default_predictions_total", "deadline"] == 10
    assert values["clipper_model_dispatches_total", "idle"] == 9


def test_a_histogram_counts_each_observation_once() -> None:
    histogram = Histogram((1, 2))
    for value in (0.5, 1, 1.5, 99):
        histogram.observe(value)
    assert histogram.buckets() == [("1", 2), ("2", 3), ("+Inf", 4)]
    assert (histogram.count, histogram.sum) == (4, 102)


def test_the_same_under_clippers_names() -> None:
    two = text_of(metrics()) + text_of(metrics()).replace('frontend="0"', 'frontend="1"')
    found = named(two)
    assert found["app:digits:num_predictions"] == 400
    assert found["app:digits:default_prediction_ratio"] == 0.1
    latency = found["app:digits:prediction_latency"]
    assert latency["p50_ms"] == 1
    assert latency["p99_ms"] == 1
    assert 4 < latency["mean_ms"] < 6
    assert found["model:digits:1:num_predictions"] == 180
    assert found["model:digits:1:cache_hit_ratio"] == 0.25
    assert found["model:digits:1:batch_size"] == 10
    assert found["internal:prediction_cache_lookups"] == 400


def test_nothing_yet_is_zero_and_no_error() -> None:
    empty = Metrics("0")
    empty.application("digits")
    empty.version("digits", "1")
    found = named(text_of(empty))
    assert found["app:digits:default_prediction_ratio"] == 0
    assert found["app:digits:prediction_latency"]["p99_ms"] is None


@pytest.fixture
async def asked(tmp_path: Path) -> AsyncIterator[Observations]:
    """Of three query frontends: 0 is played by the test, 1 has fallen silent, and 2 takes no connections."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        ours = b"authorization: bearer the-token" in head.lower()
        status, body = b"404 Not Found", b"null"
        if ours and b"/metrics" in head:
            status, body = b"200 OK", await metrics().text()
        elif ours and b"/queries/last" in head:
            status, body = b"200 OK", b'{"query_id": 64, "ago_ms": 1.5}'
        writer.write(b"HTTP/1.1 %b\r\ncontent-length: %d\r\n\r\n%b" % (status, len(body), body))
        await writer.drain()
        writer.close()

    changes = Changes()
    state = State(tmp_path / "state.db")
    frontends = Frontends(changes, Events(state, changes))
    running = Running(frontends)
    running.see([Status(f"query-{i}", "query", {"frontend": str(i)}, 1, None, "") for i in range(3)])
    async with await asyncio.start_server(play, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        for frontend, private in (("0", f"127.0.0.1:{port}"), ("2", "127.0.0.1:1")):
            frontends.on_report(Report(frontend, 1, True, 1, private, [], []))
        observations = Observations(frontends, running, "the-token", nothing)
        yield observations
        await observations.close()
    state.close()


async def nothing() -> dict[str, str]:
    return {}


@pytest.mark.anyio
async def test_a_frontend_that_could_not_be_asked_is_named(asked: Observations) -> None:
    parts = await asked.metrics()
    values = {
        s.labels["frontend"]: s.value
        for family in text_string_to_metric_families(b"".join(parts).decode())
        for s in family.samples
        if s.name == "clipper_frontend_asked"
    }
    assert values == {"0": 1.0, "1": 0.0, "2": 0.0}
    found = await clipper_names(parts)
    assert found["app:digits:num_predictions"] == 200
    assert found["internal:frontends_not_asked"] == ["1", "2"]
    for query_id in (64 + 1, 64 + 2):
        with pytest.raises(ClusterError, match=f"frontend {query_id % 64}.*could not be asked"):
            await asked.why(query_id)
    assert (await asked.last())["query_id"] == 64
    for nobodys in (64, 64 + 3):
        with pytest.raises(NotFound, match="no trace"):
            await asked.why(nobodys)


@pytest.mark.anyio
async def test_what_takes_long_is_done_in_slices(
    asked: Observations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipper_server.turns.TURN_S", 0.0)
    parts = await asked.metrics()
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(others())
    await clipper_names(parts)
    beside.cancel()
    assert turns > b"".join(parts).count(b"\n")


def test_a_label_may_hold_anything() -> None:
    text = (
        b"# HELP clipper_replica_predictions_total x\n# TYPE clipper_replica_predictions_total counter\n"
        b'clipper_replica_predictions_total{model="m",replica="a\\"b\\\\c\\nd",version="1"} 3.0\n'
    )
    found = asyncio.run(clipper_names([text]))
    assert 'container:m:1:a"b\\c\nd:prediction_latency' in found
