"""All that operators and bad luck do, under a constant load.

200 queries a second go to one application of a cluster with two query frontends and two replicas, while a
version is deployed, rolled back and forward twenty times, scaled from 1 to 4 and back, and while management,
a query frontend and a replica are killed in turn. A promise is broken where a query fails but those in flight
on the killed frontend, where a default answer has no true reason, and where an answer comes from a version
that was not current while it was asked.

Bounded by the steps, each of which waits for its event with a deadline.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
from rich.table import Table

from clipperlab import ClipperConnection, ProcessContainerManager
from clipperlab.deployers.python import deploy_python_closure
from tests.support.waiting import wait_for

from .load import CONNECTIONS, Load

RATE = 200
OBJECTIVE_MICROS = 3_000_000  # for queries that fail, and not for a machine that stands still for a second


class Drill:
    def __init__(self, conn: ClipperConnection, load: Load) -> None:
        self._conn = conn
        self._load = load
        self.broken: list[str] = []
        self.took: dict[str, float] = {}

    @contextmanager
    def step(self, name: str, settle_s: float) -> Iterator[None]:
        self._load.step = name
        began = time.monotonic()
        yield
        self.took[name] = time.monotonic() - began
        enough = self._load.sent[name] + settle_s * self._load.rate
        wait_for("the load to go on", lambda: self._load.sent[name] >= enough, settle_s + 30)

    def killed(self, pid: int) -> None:
        process = psutil.Process(pid)
        process.kill()
        wait_for(f"process {pid} to end", lambda: not process.is_running() or process.status() == "zombie")

    def serving(self) -> list[int]:
        """The pids of the query frontends that serve."""
        return [f["pid"] for f in self._conn.status()["frontends"] if f["state"] == "serving"]

    def replicas(self) -> list[int]:
        """The pids of the replicas of the current version that are ready."""
        current = self._conn.get_current_model_version("m")
        return [
            r["pid"]
            for r in self._conn.get_all_model_replicas(verbose=True)
            if (r["model_version"], r["state"]) == (current, "ready") and r["pid"] is not None
        ]


def version(number: int) -> Callable[[list[float]], list[int]]:
    def answer(inputs: list[float]) -> list[int]:
        return [number for _ in inputs]

    answer.__module__ = "__main__"
    return answer


def run(settle_s: float) -> tuple[Load, Drill]:
    manager = ProcessContainerManager("drill", clipper_query_port=0, clipper_management_port=0)
    conn = ClipperConnection(manager)
    conn.start_clipper(cache_size=0, num_frontend_replicas=2, fresh=True)
    load = Load(f"http://{conn.get_query_addr()}/app/predict", RATE)
    drill = Drill(conn, load)
    try:
        conn.register_application("app", "doubles", -1, OBJECTIVE_MICROS)
        deploy_python_closure(conn, "m", 1, "doubles", version(1), num_replicas=2)
        conn.link_model_to_app("app", "m")
        load.start()
        with drill.step("nothing", settle_s):
            pass
        with drill.step("deploy", settle_s):
            deploy_python_closure(conn, "m", 2, "doubles", version(2), num_replicas=2)
        with drill.step("20 moves", settle_s):
            for i in range(20):
                if i % 2:
                    conn.set_model_version("m", 2, message="forward")
                else:
                    conn.rollback("m", message="back")
        with drill.step("scale 1-4-1", settle_s):
            for count in (1, 4, 1):
                conn.set_num_replicas("m", count)
        conn.set_num_replicas("m", 2)
        with drill.step("kill management", settle_s):
            record = json.loads((manager.folder / "cluster.json").read_text())
            drill.killed(record["pid"])
            conn.connect()
            wait_for("two frontends", lambda: len(drill.serving()) == 2)
        with drill.step("kill a frontend", settle_s):
            gone = drill.serving()[0]
            drill.killed(gone)
            wait_for("the other frontend", lambda: len(set(drill.serving()) - {gone}) == 2)
        with drill.step("kill a replica", settle_s):
            gone = drill.replicas()[0]
            drill.killed(gone)
            wait_for("another replica", lambda: len(set(drill.replicas()) - {gone}) == 2)
    finally:
        load.stop()
        conn.stop_all(purge=True)
    judge(load, drill)
    return load, drill


def judge(load: Load, drill: Drill) -> None:
    for step, outcomes in load.seen.items():
        for outcome, count in outcomes.items():
            allowed = CONNECTIONS if (step, outcome) == ("kill a frontend", "lost in flight") else 0
            if outcome != "answered" and count > allowed:
                drill.broken.append(f"{step}: {count} x {outcome}")
    for step in ("nothing", "kill management", "kill a frontend", "kill a replica"):
        expected = 1 if step == "nothing" else 2
        others = {v: n for v, n in load.versions.get(step, Counter()).items() if v != expected}
        if others:
            drill.broken.append(f"{step}: answers of version {others}, where {expected} was current")
    if load.sent.total() != sum(outcomes.total() for outcomes in load.seen.values()):
        drill.broken.append("not every query has an outcome")


def table(load: Load, drill: Drill) -> Table:
    kinds = sorted({kind for outcomes in load.seen.values() for kind in outcomes} - {"answered"})
    found = Table("step", "took", "asked", "answered", *kinds, box=None, header_style="bold")
    for step, outcomes in load.seen.items():
        took = f"{drill.took[step]:.2f} s" if step in drill.took else ""
        counts = [f"{outcomes[kind]:,}" for kind in ("answered", *kinds)]
        found.add_row(step, took, f"{load.sent[step]:,}", *counts)
    return found
