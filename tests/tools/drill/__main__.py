"""A fire drill: all that operators and bad luck do, under a constant load. `python -m tests.tools.drill`.

200 queries a second go to one application of a cluster with two query frontends and two replicas, while a
version is deployed, rolled back and forward twenty times, scaled from 1 to 4 and back, and while management,
a query frontend and a replica are killed in turn. Prints what the clients saw, and exits with 1 where a
promise was broken: no query fails but those in flight on the killed frontend, every default answer has a true
reason, and no answer comes from a version that was not current while it was asked.

Bounded by the steps, each of which waits for its event with a deadline.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import psutil
from rich.console import Console
from rich.table import Table

from clipperlab import ClipperConnection, ProcessContainerManager
from clipperlab.deployers.python import deploy_python_closure
from clipperlab.load.http_client import Connection
from clipperlab.load.http_request import post
from tests.support.home import own_home
from tests.support.waiting import wait_for

RATE = 200
CONNECTIONS = 256  # a second of queries, should the clients themselves be held up
OBJECTIVE_MICROS = 1_000_000
LATE_S = 5.0  # for the last answers


class Load:
    """The clients, on a thread of their own. `seen` counts outcomes by step."""

    def __init__(self, url: str) -> None:
        self.step = "before"
        self.sent: Counter[str] = Counter()
        self.seen: dict[str, Counter[str]] = {}
        self.versions: dict[str, Counter[int]] = {}
        self._parts = urlsplit(url)
        self._request = post(url, b'{"input": [1.0]}')
        self._idle: list[Connection] = []
        self._all: set[Connection] = set()
        self._of: dict[int, str] = {}  # the step in which a request was sent
        self._stopping = False
        self._open = 0
        self._all_answered = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="load")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping = True
        self._thread.join()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        self._top_up()
        await asyncio.gather(*self._tasks)
        began = loop.time()
        number = 0
        while not self._stopping:
            await asyncio.sleep(max(0.0, began + number / RATE - loop.time()))
            self._top_up()
            self.sent[self.step] += 1
            if self._idle:
                self._of[number] = self.step
                self._idle.pop().send(number, self._request)
            else:
                self._note(self.step, "no connection")
            number += 1
        self._all_answered.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._all_answered.wait(), LATE_S if self._of else 0)
        for step in self._of.values():
            self.seen.setdefault(step, Counter())["never answered"] += 1
        self._of.clear()
        for connection in list(self._all):
            connection.close()
        await asyncio.sleep(0)  # the transports' own last turn

    def _top_up(self) -> None:
        while self._open < CONNECTIONS:
            self._open += 1
            task = asyncio.get_running_loop().create_task(self._connect())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _connect(self) -> None:
        try:
            host, port = str(self._parts.hostname), int(self._parts.port or 80)
            await asyncio.get_running_loop().create_connection(lambda: Connection(self), host, port)
        except OSError:
            self._open -= 1

    def free(self, connection: Connection) -> None:
        self._idle.append(connection)
        self._all.add(connection)

    def answered(self, number: int, status: int, body: bytes) -> None:
        step = self._of.pop(number)
        if status != 200:
            self._note(step, f"HTTP {status}")
            return
        answer = json.loads(body)
        if answer["default"]:
            self._note(step, f"default: {answer['default_reason']}")
        else:
            self._note(step, "answered")
            self.versions.setdefault(step, Counter())[answer["output"]] += 1

    def lost(self, connection: Connection, number: int) -> None:
        self._open -= 1
        self._all.discard(connection)
        if number in self._of:
            self._note(self._of.pop(number), "lost in flight")
        elif connection in self._idle:
            self._idle.remove(connection)

    def _note(self, step: str, outcome: str) -> None:
        self.seen.setdefault(step, Counter())[outcome] += 1
        if self._stopping and not self._of:
            self._all_answered.set()


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
        enough = self._load.sent[name] + settle_s * RATE
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
    load = Load(f"http://{conn.get_query_addr()}/app/predict")
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


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.tools.drill", description=__doc__)
    parser.add_argument("--settle-s", type=float, default=20.0, help="load after each step")
    arguments = parser.parse_args()
    console = Console(highlight=False)
    with own_home() as home:
        os.environ["CLIPPERLAB_HOME"] = str(home)
        load, drill = run(arguments.settle_s)
    console.print(table(load, drill))
    for promise in drill.broken:
        console.print(f"[red]broken[/] {promise}")
    return 1 if drill.broken else 0


if __name__ == "__main__":
    sys.exit(main())
