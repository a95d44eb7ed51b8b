"""Loads on an application: an open loop in a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import Mock

import numpy as np
import psutil
import pytest

pytest.importorskip("uvloop", reason="the load generator needs uvloop, which is not installed here")

from clipperlab import BadRequest, ClipperConnection, ClusterError, NotFound
from clipperlab.deployers.python import deploy_python_closure
from clipperlab.display.live import MIME
from clipperlab.load import LoadResult, LoadRun
from clipperlab.load.answers import Answers
from clipperlab.load.http_client import Connection
from clipperlab.load.open_loop import UNUSED_S, Load
from clipperlab.load.schedule import ARRIVALS, BURST_S, Arrivals, Phase, arrivals
from tests.support.clusters import lives
from tests.support.waiting import wait_for

pytestmark = pytest.mark.slow
SECONDS = 20.0


@pytest.fixture(scope="module")
def loaded(conn: ClipperConnection) -> ClipperConnection:
    conn.register_application("loaded", "doubles", -1, 20_000_000)
    deploy_python_closure(conn, "loaded", 1, "doubles", sums(), example_input=[1.0, 2.0])
    conn.link_model_to_app("loaded", "loaded")
    return conn


def sums(sleep_s: float = 0.0) -> Callable[[list[Any]], list[float]]:
    def predict(inputs: list[Any]) -> list[float]:
        time.sleep(sleep_s)
        return [float(sum(x)) for x in inputs]

    predict.__module__ = "__main__"
    return predict


@pytest.fixture
def running(loaded: ClipperConnection) -> Iterator[LoadRun]:
    run = loaded.load("loaded", rate=50, seconds=SECONDS)
    yield run
    run.stop()
    run._over.wait(60)


def test_every_query_is_sent_and_accounted_for(loaded: ClipperConnection) -> None:
    run = loaded.load("loaded", rate=200, seconds=1.5, inputs=[[1.0, float("nan")], np.array([2.0, 3.0])])
    result = run.result()
    assert not run.running
    assert result["sent"] == 300
    assert result["answers"] == {"model": 300}
    assert result["good_share"] == 1
    assert 0 < result["p50_ms"] <= result["p95_ms"] <= result["p99_ms"] <= result["max_ms"]
    assert "300 in 1.5 s" in repr(result)
    assert run.points
    told = [point["applications"].get("loaded", {}).get("answers", {}) for point in run.points]
    assert any(answers.get("model") for answers in told)


def test_what_is_late_and_what_is_a_default_is_counted_as_such(conn: ClipperConnection) -> None:
    conn.register_application("slow", "doubles", -1, 50_000)
    deploy_python_closure(conn, "slow", 1, "doubles", sums(0.2))
    conn.link_model_to_app("slow", "slow")
    result = conn.load("slow", rate=20, seconds=1, arrivals="constant", inputs=[[1.0]]).result()
    assert sum(result["answers"].values()) == 20
    assert set(result["answers"]) <= {"deadline", "overload"}
    assert (result["good"], result["good_share"]) == (0, 0)


def test_it_leaves_the_cache_out_unless_it_is_asked(attach: Callable[[str], ClipperConnection]) -> None:
    conn = attach("cached")
    conn.start_clipper(fresh=True)
    try:
        conn.register_application("app", "doubles", -1, 20_000_000)
        deploy_python_closure(conn, "m", 1, "doubles", sums(), example_input=[1.0])
        conn.link_model_to_app("app", "m")
        conn.load("app", rate=50, seconds=1).result()
        assert conn.inspect_instance()["internal:prediction_cache_lookups"] == 0
        conn.load("app", rate=50, seconds=1, cache=True).result()
        assert conn.inspect_instance()["internal:prediction_cache_lookups"] == 50
    finally:
        conn.stop_all(purge=True)


def test_it_can_be_stopped_and_tells_what_was_sent(running: LoadRun) -> None:
    wait_for("something to be sent", lambda: running.sent)
    assert "result() waits" in repr(running)
    with pytest.raises(ClusterError, match="still runs"):
        running.result(0.01)
    running.stop()
    result = running.result()
    assert 0 < result["sent"] < 50 * SECONDS
    assert result["answers"] == {"model": result["sent"]}  # also those that were under way


def test_it_ends_with_whoever_started_it(loaded: ClipperConnection) -> None:
    code = (
        "import sys, time\n"
        "from clipperlab.load import LoadRun\n"
        f"run = LoadRun('loaded', {loaded.application('loaded').url!r}, [[1.0]], rate=20, seconds=60,\n"
        "    arrivals='constant', objective_ms=100, cache=False)\n"
        "print(run._process.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    starter = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    generator = psutil.Process(int(starter.stdout.readline()))
    starter.kill()
    starter.wait()
    starter.stdout.close()
    wait_for("the generator's end", lambda: not lives(generator))


def test_a_generator_that_dies_is_told(running: LoadRun) -> None:
    running._process.kill()
    with pytest.raises(ClusterError, match="The load failed"):
        running.result()


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"rate": 0}, "above 0"),
        ({"rate": 1e9}, "at most 1,000,000 requests"),
        ({"seconds": 1e5}, "at most"),
        ({"rate": 0.1, "seconds": 1}, "less than one request"),
        ({"arrivals": "sometimes"}, "poisson, constant, burst"),
        ({"inputs": []}, "needs inputs"),
        ({"inputs": [object()]}, "cannot be sent as JSON"),
    ],
)
def test_a_load_that_cannot_be_is_refused(loaded: ClipperConnection, wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(BadRequest, match=why):
        loaded.load("loaded", **{"rate": 10, "seconds": 1, **wrong})


def test_without_an_example_it_asks_for_inputs(conn: ClipperConnection) -> None:
    conn.register_application("no-example", "doubles", -1, 100_000)
    with pytest.raises(BadRequest, match=r"inputs=\[\.\.\.\]"):
        conn.load("no-example", rate=10, seconds=1)
    with pytest.raises(NotFound):
        conn.load("nobody", rate=10, seconds=1)


@pytest.mark.parametrize("kind", ARRIVALS)
def test_arrivals_are_as_many_as_asked_and_in_order(kind: Arrivals) -> None:
    times, phases = arrivals([Phase(100, 2), Phase(10, 1)], seed=1, kind=kind)
    assert len(times) == 210
    assert (np.diff(times) >= 0).all()
    assert (np.bincount(phases) == [200, 10]).all()
    assert times[0] >= 0
    assert times[-1] <= 3
    if kind == "constant":
        assert np.allclose(np.diff(times[:200]), 0.01)
    if kind == "burst":
        assert (times % 1 <= BURST_S).all()


def a_result(**fields: Any) -> LoadResult:
    given = {
        "application": "app", "arrivals": "poisson", "objective_ms": 20.0, "seconds": 1.0, "sent": 10,
        "good_share": 1.0, "answers": {"model": 10}, "p50_ms": 1.0, "p95_ms": 2.0, "p99_ms": None,
        "max_ms": None, "lag_p99_ms": 0.1, "percents": [50, 99.9], "distribution_ms": [1.0, None],
        "points": [{"at": 7.5, "applications": {"app": {"answers": {"model": 9.0}, "p50_ms": 1.0}}},
                   {"at": 8.0, "applications": {}}],
        "rate": 10.0, "name": "",
    }  # fmt: skip
    return LoadResult(given | fields)


def test_runs_are_compared() -> None:
    slow, quick = a_result(rate=10.0, name="before"), a_result(rate=20.0)
    both = quick.compare(slow)
    assert [run["rate"] for run in both.runs] == [10, 20]
    assert "never answered" in repr(both)
    data = both._repr_mimebundle_()
    assert re.search(r"before +app, 20 /s, poisson", data["text/plain"])
    again = a_result().compare(a_result(), a_result(name="<last>"))
    assert again.names == ["app, 10 /s, poisson (1)", "<last>", "app, 10 /s, poisson (2)"]
    assert "&lt;last&gt;" in again._repr_html_()
    assert "<last>" not in again._repr_html_()


def test_what_a_load_saw_is_read_without_a_kernel() -> None:
    seen = a_result()
    for shown, pictures in ((seen, 3), (seen.compare(seen), 3), (a_result(answers={}, points=[]), 0)):
        data = shown._repr_mimebundle_()
        assert data.keys() == {"text/plain", "text/html"}
        assert data["text/html"].count("<svg ") == pictures
        assert "<table>" in data["text/html"]
        assert "<script" not in data["text/html"]


def test_a_load_that_has_run_shows_what_it_saw_where_it_was(
    loaded: ClipperConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("anywidget", reason="live views need anywidget, which is not installed here")
    shown: list[dict[str, Any]] = []
    over = threading.Event()

    def update(data: dict[str, Any], *, raw: bool) -> None:
        shown.append(data)
        over.set()

    def display(data: dict[str, Any], **_: Any) -> Mock:
        shown.append(data)
        return Mock(update=update)

    monkeypatch.setattr("clipperlab.load.run.in_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display", display)
    run = loaded.load("loaded", rate=50, seconds=SECONDS)
    run._ipython_display_()
    assert shown[0][MIME] == {"cluster": loaded.cm.cluster_name, "kind": "application", "name": "loaded"}
    assert "application/vnd.jupyter.widget-view+json" in shown[0]
    run.stop()
    assert over.wait(60)
    assert shown[-1] == run.result()._repr_mimebundle_()


@pytest.mark.anyio
async def test_connections_that_nobody_uses_are_closed_before_a_server_would() -> None:
    load = Load("http://127.0.0.1:1/app/predict", [b"{}"], [0.0], connections=2)
    unused, used = Connection(load), Connection(load)
    closed = []
    for connection in (unused, used):
        transport = Mock(abort=lambda connection=connection: closed.append(connection))
        connection.connection_made(transport)
    unused.free_since -= UNUSED_S + 1
    load._trim()
    load._trimming.cancel()
    assert closed == [unused]
    assert load._idle == [used]


def test_a_series_has_each_query_in_the_window_in_which_it_was_due() -> None:
    times = np.array([0.0, 0.05, 0.25, 0.26, 0.51])
    answers = Answers(len(times))
    for number, took_s in ((0, 0.002), (1, 0.004), (3, 0.05)):
        answers.settle(number, times[number] + took_s, "model")
    found = answers.windows(times, objective_ms=10)
    assert [(each["offered"], each["good"]) for each in found] == [(2, 2), (2, 0), (1, 0)]
    assert [each["at_s"] for each in found] == pytest.approx([0.0, 0.2, 0.5])
