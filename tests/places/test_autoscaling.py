"""Autoscaling of real replicas under a real load; the rules themselves are in test_autoscaler."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from clipperlab import ClipperConnection
from clipperlab.deployers.python import deploy_python_closure
from tests.support import impatient_management
from tests.support.clusters import ask, kill, pid_of, start_management
from tests.support.places import BY_PROCESSES, EVERYWHERE
from tests.support.waiting import wait_for, wait_for_end
from tests.tools.drill.bad_hour import RATE
from tests.tools.drill.load import Load

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

COST_S = 0.01  # of an input, so that one replica answers a hundred a second at most


def slow_model() -> Callable[[list[Any]], list[Any]]:
    def answer(inputs: list[Any]) -> list[Any]:
        time.sleep(COST_S * len(inputs))
        return [len(inputs) for _ in inputs]

    answer.__module__ = "__main__"
    return answer


def make(conn: ClipperConnection) -> Load:
    """A model that follows its load, and a load for four replicas of it, which was not started yet."""
    conn.register_application("scaled", "doubles", -1, 400_000)
    deploy_python_closure(conn, "scaled", 1, "doubles", slow_model(), example_input=[1.0])
    conn.link_model_to_app("scaled", "scaled")
    conn.set_autoscaling("scaled", 0, 5)
    return Load(f"http://{conn.get_query_addr()}/scaled/predict", RATE)


def rise(conn: ClipperConnection) -> None:
    wait_for("more replicas", lambda: conn.get_num_replicas("scaled") >= RATE * COST_S)
    conn.wait_until_ready("scaled")


def carried(load: Load) -> bool:
    """Whether nearly all queries of the next second get the model's answer."""
    load.step = f"second {len(load.sent)}"
    seen = load.seen.setdefault(load.step, Counter())
    wait_for("a second of it", lambda: seen.total() >= RATE)
    return seen["answered"] > 0.95 * seen.total()


@EVERYWHERE
def test_replicas_come_with_the_load_and_wake_for_a_query(cluster: ClipperConnection) -> None:
    conn = cluster
    load = make(conn)
    load.start()
    try:
        rise(conn)
        wait_for("enough replicas", lambda: carried(load))
    finally:
        load.stop()
    reasons = [e["text"] for e in conn.events() if e["kind"] == "scale"]
    assert any("inputs a second come, and one replica answers" in text for text in reasons), reasons
    conn.set_autoscaling("scaled", None)
    conn.set_num_replicas("scaled", 0)
    conn.set_autoscaling("scaled", 0, 5)
    wait_for_end(conn, "scaled")
    impatient = ask(conn, "scaled", {"input": [1.0], "timeout_micros": 20_000}).json()
    assert impatient["default_reason"] == "starting"
    wait_for("the model to be awake", lambda: not ask(conn, "scaled", {"input": [1.0]}).json()["default"])
    assert conn.get_num_replicas("scaled") == 1


@BY_PROCESSES
def test_replicas_go_without_load(cluster: ClipperConnection) -> None:
    conn = cluster
    load = make(conn)
    load.start()
    try:
        rise(conn)
    finally:
        load.stop()
    kill(pid_of(conn, "management"))
    impatient = start_management(conn, impatient_management)
    try:
        wait_for("one replica, in the calm", lambda: conn.get_num_replicas("scaled") == 1)
        wait_for("none, when nobody asks", lambda: conn.get_num_replicas("scaled") == 0)
        wait_for_end(conn, "scaled")
    finally:
        impatient.kill()
        impatient.wait()
        conn.connect()
