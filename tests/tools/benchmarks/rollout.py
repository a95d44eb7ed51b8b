"""How long it takes from a guardrail's evidence until the version before answers everything again."""

from __future__ import annotations

import threading
import time
from statistics import median

import httpx2

from clipperlab import ClipperConnection
from clipperlab.deployers.python import deploy_python_closure

from . import report
from .bench import Bench, Outcome, at_most
from .cluster import cluster, predict_url
from .models import Model, by_value, summing

INPUT = [0.0]
OBJECTIVE_MICROS = 1_000_000


def failing() -> Model:
    def fails(inputs: object) -> list[float]:
        raise ValueError("This version cannot.")

    return by_value(fails)


def run(bench: Bench) -> Outcome:
    with cluster("rollout") as conn:
        conn.register_application("rollout", "doubles", -1.0, OBJECTIVE_MICROS)
        deploy_python_closure(conn, "m", 1, "doubles", summing())
        deploy_python_closure(conn, "m", 2, "doubles", failing(), make_current=False)
        conn.link_model_to_app("rollout", "m")
        rounds = [_taken_back(conn) for _ in range(bench.rounds)]
    moved = [each[0] for each in rounds]
    failed = sum(each[1] for each in rounds)
    rows = [["seconds", median(moved), max(moved)]]
    return Outcome(
        "a version that fails always, at half of the queries, one client",
        [
            report.table(
                "from the evidence to the last answer of the version", ["", "median", "longest"], rows
            )
        ],
        [
            at_most("from the evidence to all traffic moved, seconds", max(moved), 2),
            at_most("queries without any answer", failed, 0),
        ],
        {"moved_s": moved, "failed": failed},
    )


def _taken_back(conn: ClipperConnection) -> tuple[float, int]:
    """Seconds from the event to the last answer of the version that went, and queries without an answer."""
    rollout = conn.start_rollout("m", 2, steps=[0.5], hold_s=60)
    url, ends = predict_url(conn, "rollout"), threading.Event()
    last_at, failed = 0.0, 0

    def ask() -> None:
        nonlocal last_at, failed
        with httpx2.Client(trust_env=False, verify=False) as client:
            while not ends.is_set():
                try:
                    answer = client.post(url, json={"input": INPUT}).raise_for_status().json()
                except httpx2.HTTPError:
                    failed += 1
                    continue
                if answer["default"]:
                    last_at = time.time()

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        until = time.monotonic() + 60
        while rollout.state == "running" and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(3)  # in which nothing of it may come any more
    finally:
        ends.set()
        asking.join()
    ended_at = rollout.now["ended_at"]
    assert rollout.state == "failed", rollout.verdict()
    assert ended_at is not None
    return max(0.0, last_at - ended_at), failed
