"""The promises about failure on the query path, each with the failure itself.

In every place where the place has a part in it; a model that fails does so in the same code everywhere.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import httpx2
import pytest

from clipperlab import ClipperConnection
from clipperlab.deployers.python import deploy_python_closure
from tests.support.clusters import Attach, ask, output
from tests.support.places import BY_PROCESSES, EVERYWHERE, Place
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def deploy(
    cluster: ClipperConnection, func: Callable[[Any], Any], *, slo_ms: int, name: str = "m", **options: Any
) -> None:
    """Behind an application of its own name."""
    func.__module__ = "__main__"
    deploy_python_closure(cluster, name, 1, options.pop("input_type", "doubles"), func, **options)
    app = {"input_type": cluster.get_all_models(verbose=True)[-1]["input_type"]}
    cluster.register_application(name, app["input_type"], -1, slo_ms * 1000)
    cluster.link_model_to_app(name, name)


def sleeps(seconds: float) -> Callable[[list[Any]], list[str]]:
    """Answers with its replica's number, a while later."""

    def answer(inputs: list[Any]) -> list[str]:
        import os
        import time

        time.sleep(seconds)
        return [os.environ["CLIPPER_REPLICA"] for _ in inputs]

    return answer


def at_once(cluster: ClipperConnection, bodies: list[Any], app: str = "m") -> list[tuple[float, Any]]:
    """The seconds that each took, and its answer; all are sent at the same time."""

    def one(body: Any) -> tuple[float, Any]:
        client = http.client.HTTPConnection(cluster.get_query_addr(), timeout=60)
        client.connect()
        all_there.wait(60)
        began = time.monotonic()
        client.request("POST", f"/{app}/predict", json.dumps(body))
        answer = json.loads(client.getresponse().read())
        took = time.monotonic() - began
        client.close()
        return took, answer

    all_there = threading.Barrier(len(bodies))

    with ThreadPoolExecutor(len(bodies)) as pool:
        return list(pool.map(one, bodies))


def replicas(cluster: ClipperConnection, app: str = "m") -> list[str]:
    """The numbers of those that are ready."""
    found = cluster.get_all_model_replicas(verbose=True)
    return [r["model_replica_id"] for r in found if r["model_name"] == app and r["state"] == "ready"]


# Replicas that die


@EVERYWHERE
def test_a_replica_killed_in_mid_batch_costs_no_default_while_another_lives(
    cluster: ClipperConnection, place: Place
) -> None:
    deploy(cluster, sleeps(0.3), slo_ms=20_000, num_replicas=2, batching="fixed(8)")
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(at_once, cluster, [{"input": [i]} for i in range(32)])
        place.kill(cluster, f"m.1.{wait_for('a replica to have a batch', lambda: _busy(cluster))}")
        answers = [answer for _, answer in asking.result(60)]
    assert [answer for answer in answers if answer["default"]] == []


def _busy(cluster: ClipperConnection) -> str:
    """The number of a replica, once batches were sent; else ""."""
    sent = sum(
        float(line.rpartition(" ")[2])
        for line in cluster.get_metrics().splitlines()
        if line.startswith("clipper_model_dispatches_total")
    )
    return replicas(cluster)[0] if sent else ""


@EVERYWHERE
def test_without_another_replica_nobody_waits_longer_than_the_objective(
    cluster: ClipperConnection, place: Place
) -> None:
    # In which it can be seen that a batch is there, and killed, also where an engine takes its time over it.
    deploy(cluster, sleeps(60), slo_ms=10_000, batching="fixed(4)")
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(at_once, cluster, [{"input": [i]} for i in range(16)])
        place.kill(cluster, f"m.1.{wait_for('the replica to have a batch', lambda: _busy(cluster))}")
        results = asking.result(60)
    assert max(seconds for seconds, _ in results) < 30  # it computes for sixty
    reasons = {answer["default_reason"] for _, answer in results}
    assert "replica_lost" in reasons
    assert reasons <= {"replica_lost", "no_replicas", "starting", "deadline"}
    lost = next(a["query_id"] for _, a in results if a["default_reason"] == "replica_lost")
    trace = cluster.why(lost)
    assert trace["models"][0]["replicas_lost"] == 1


@EVERYWHERE
def test_a_query_of_death_kills_two_replicas_at_most_and_takes_no_other_query_with_it(
    cluster: ClipperConnection,
) -> None:
    def model(inputs: list[Any]) -> list[float]:
        import os

        if any(x[0] == 13 for x in inputs):
            os.kill(os.getpid(), 9)
        return [float(x[0]) for x in inputs]

    deploy(cluster, model, slo_ms=20_000, num_replicas=3, batching="fixed(16)")
    before = set(replicas(cluster))
    answers = [answer for _, answer in at_once(cluster, [{"input": [i]} for i in range(24)])]
    assert [a["output"] for i, a in enumerate(answers) if i != 13] == [i for i in range(24) if i != 13]
    assert answers[13]["default_reason"] == "replica_lost"
    wait_for("three replicas again", lambda: len(replicas(cluster)) == 3)
    assert len(before & set(replicas(cluster))) >= 1


# Models that fail


@BY_PROCESSES
def test_one_bad_input_of_a_batch_costs_one_answer(cluster: ClipperConnection) -> None:
    def model(inputs: list[Any]) -> list[float]:
        import time

        time.sleep(0.05)
        if any(x[0] == 13 for x in inputs):
            raise ValueError("thirteen")
        return [float(x[0]) for x in inputs]

    deploy(cluster, model, slo_ms=20_000, batching="fixed(32)", example_input=[1.0])
    answers = ask(cluster, "m", {"input_batch": [[i] for i in range(32)]}).json()["batch_predictions"]
    assert [a["output"] for i, a in enumerate(answers) if i != 13] == [i for i in range(32) if i != 13]
    assert answers[13]["default_reason"] == "model_error"
    assert "ValueError: thirteen" in answers[13]["default_explanation"]
    batch = cluster.why(answers[13]["query_id"])["models"][0]["batch"]
    assert (batch["reason"], batch["size"]) == ("retry", 1)
    all_bad = ask(cluster, "m", {"input_batch": [[13]] * 32}).json()["batch_predictions"]
    assert {a["default_reason"] for a in all_bad} <= {"model_error", "deadline"}
    assert sum(cluster.batching("m").dispatches.values()) <= 2 + 2 * 14


@BY_PROCESSES
def test_an_exception_in_an_outputs_place_fails_that_input_alone(cluster: ClipperConnection) -> None:
    def model(inputs: list[Any]) -> list[Any]:
        return [ValueError("no") if x[0] == 1 else float(x[0]) for x in inputs]

    deploy(cluster, model, slo_ms=20_000, batching="fixed(4)")
    answers = ask(cluster, "m", {"input_batch": [[0], [1], [2]]}).json()["batch_predictions"]
    assert [a["output"] for a in answers] == [0.0, -1, 2.0]
    assert (answers[1]["default_reason"], cluster.batching("m").dispatches) == ("model_error", {"idle": 1})


@BY_PROCESSES
@pytest.mark.parametrize(
    ("outputs", "reason"),
    [(lambda n: [1] * (n + 1), "wrong_output_length"), (lambda n: {n}, "bad_output")],
)
def test_outputs_of_the_wrong_length_or_kind_are_told(
    cluster: ClipperConnection, outputs: Callable[[int], Any], reason: str
) -> None:
    outputs.__module__ = "__main__"

    def model(inputs: list[Any]) -> Any:
        return outputs(len(inputs))

    deploy(cluster, model, slo_ms=20_000)
    answer = ask(cluster, "m", {"input": [1]}).json()
    assert answer["default_reason"] == reason
    assert "one output for each input" in answer["default_explanation"]


# Replicas that hang, or are slow


@EVERYWHERE
def test_a_replica_that_hangs_is_ended_and_another_one_started(cluster: ClipperConnection) -> None:
    def model(inputs: list[Any]) -> list[str]:
        import os

        while inputs[0][0] == 13:  # computes, and never lets another thread in for long
            pass
        return [os.environ["CLIPPER_REPLICA"] for _ in inputs]

    deploy(cluster, model, slo_ms=100, hang_after_s=0.5)
    cluster.register_application("patient", "doubles", -1, 20_000_000)
    cluster.link_model_to_app("patient", "m")
    first = output(cluster, "patient")
    answer = ask(cluster, "m", {"input": [13]}).json()
    assert answer["default_reason"] == "deadline"
    second = wait_for("another replica to answer", lambda: output(cluster, "patient"))
    assert second != first
    wait_for("the one that hangs to be gone", lambda: f"m:1:{first}" not in cluster.get_all_model_replicas())
    assert any("hangs" in event["text"] for event in cluster.status()["events"])


@BY_PROCESSES
def test_a_stopped_replica_is_taken_for_one_that_hangs_and_its_queries_go_to_another(
    cluster: ClipperConnection, place: Place
) -> None:
    deploy(cluster, sleeps(0.001), slo_ms=400, num_replicas=2, hang_after_s=0.5)
    cluster.register_application("patient", "doubles", -1, 20_000_000)
    cluster.link_model_to_app("patient", "m")
    stopped, other = replicas(cluster)
    go_on = place.pause(cluster, f"m.1.{stopped}")
    try:
        answers = at_once(cluster, [{"input": [i]} for i in range(8)], "patient")
        assert {answer["output"] for _, answer in answers if not answer["default"]} <= {stopped, other}
        # Nobody asks the stopped one any more.
        wait_for("answers in a row", lambda: None not in [output(cluster, "m") for _ in range(10)])
    finally:
        go_on()


@BY_PROCESSES
def test_of_two_replicas_the_slower_gets_less(cluster: ClipperConnection) -> None:
    def model(inputs: list[Any]) -> list[str]:
        """Its inputs name the replica that is slow."""
        import os
        import time

        slow = inputs[0] == os.environ["CLIPPER_REPLICA"]
        time.sleep((0.01 + 0.001 * len(inputs)) * (3 if slow else 1))
        return [os.environ["CLIPPER_REPLICA"] for _ in inputs]

    deploy(cluster, model, slo_ms=20_000, num_replicas=2, input_type="strings", example_input="nobody")
    slow_one = replicas(cluster)[1]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: ask(cluster, "m", {"input_batch": [slow_one] * 4}), range(400)))

    def served() -> list[int]:
        # Those of an earlier test may still drain.
        found = [r for r in cluster.get_all_model_replicas(verbose=True) if r["state"] != "stopping"]
        by_speed = sorted(found, key=lambda r: bool(r["model_replica_id"] == slow_one))
        return [r["num_predictions"] for r in by_speed]

    wait_for("the reports", lambda: sum(served()) == 1600)
    quick, slow = served()
    assert quick > slow


# Query frontends


@EVERYWHERE
def test_replicas_find_a_frontend_that_was_killed_and_came_back(
    cluster: ClipperConnection, place: Place
) -> None:
    deploy(cluster, sleeps(0), slo_ms=20_000)
    before = output(cluster, "m")
    place.kill(cluster, "query-0")
    assert wait_for("the model to answer", lambda: output(cluster, "m")) == before


def staying() -> httpx2.Client:
    """A client that keeps its connection, however long a machine takes over what comes between."""
    limits = httpx2.Limits(keepalive_expiry=None)
    return httpx2.Client(trust_env=False, verify=False, timeout=60, limits=limits)


@EVERYWHERE
def test_several_frontends_share_the_port_evenly_and_survive_one_another(
    attach: Attach, place: Place
) -> None:
    if place.ports_are_its_own:
        pytest.skip("on Kubernetes its proxies share connections out")
    cluster = attach("several")
    cluster.start_clipper(cache_size=0, num_frontend_replicas=3, fresh=True)
    open_clients = ExitStack()
    try:
        deploy(cluster, sleeps(0), slo_ms=20_000, num_replicas=2)
        url = f"http://{cluster.get_query_addr()}/m/predict"
        clients = [open_clients.enter_context(staying()) for _ in range(12)]

        def frontend_of(client: httpx2.Client) -> int:
            answer = client.post(url, json={"input": [1]}).json()
            assert not answer["default"], answer
            assert cluster.why(answer["query_id"])["frontend"] == str(answer["query_id"] % 64)
            return int(answer["query_id"] % 64)

        frontends = [frontend_of(client) for client in clients]
        assert sorted(frontends.count(i) for i in range(3)) == [4, 4, 4]
        text = cluster.get_metrics()
        for i in range(3):
            assert f'clipper_app_predictions_total{{application="m",frontend="{i}"}} 4.0' in text
        assert cluster.inspect_instance()["app:m:num_predictions"] == 12

        def process() -> tuple[int, str | None] | None:
            """That of the second one, while it serves."""
            found = next((f for f in cluster.status()["frontends"] if f["id"] == "1"), None)
            return (found["pid"], found["metrics"]) if found and found["state"] == "serving" else None

        before = process()
        place.kill(cluster, "query-1")
        wait_for("its end to be seen", lambda: any(e["kind"] == "crash" for e in cluster.events()))
        for client, frontend in zip(clients, frontends, strict=True):
            if frontend != 1:  # not one of the others' connections is lost
                assert frontend_of(client) == frontend
        wait_for("another in its place to serve", lambda: process() not in (None, before))
        fresh = [open_clients.enter_context(staying()) for _ in range(4)]
        assert [frontend_of(client) for client in fresh] == [1, 1, 1, 1]
    finally:
        open_clients.close()
        cluster.stop_all(purge=True)


@BY_PROCESSES
def test_frontends_share_a_busy_replicas_credits(attach: Attach) -> None:
    cluster = attach("credits")
    cluster.start_clipper(cache_size=0, num_frontend_replicas=2, fresh=True)
    try:
        deploy(cluster, sleeps(0.005), slo_ms=20_000, batching="fixed(4)")
        url = f"http://{cluster.get_query_addr()}/m/predict"
        served = [0, 0]

        def client(http: httpx2.Client) -> None:
            """Asks until both have answered so often: the one that is ahead goes on to want the replica."""
            while min(served) < 120:
                answer = http.post(url, json={"input": [1]}).json()
                assert not answer["default"], answer
                served[answer["query_id"] % 64] += 1

        with ExitStack() as open_clients, ThreadPoolExecutor(8) as pool:
            clients = [open_clients.enter_context(staying()) for _ in range(8)]
            of = [http.post(url, json={"input": [1]}).json()["query_id"] % 64 for http in clients]
            assert sorted(of) == [0] * 4 + [1] * 4
            list(pool.map(client, clients))
    finally:
        cluster.stop_all(purge=True)
