"""A long run with a restless operator: `python -m tests.tools.soak`, or `--minutes 40 --rate 1500`.

A constant load goes to one model, of which each minute a version is deployed, rolled back, scaled, and a
replica killed; a second model is left alone. Prints what became of the queries, and of each process that
lived throughout how its memory grew (the slope over the second half of the run, when all that has a bound
is full) and how many descriptors it has. Exits with 1 where a query was lost, where descriptors grew, and
after ten minutes or more also where memory did.

Bounded by the minutes; an operator's step that does not come to its end is an error.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import psutil
from rich.console import Console
from rich.table import Table

from clipper_server.query.frontend import raise_limit_of_descriptors
from clipperlab import ClipperConnection, ProcessContainerManager
from clipperlab.deployers.python import deploy_python_closure
from tests.support.home import own_home
from tests.support.looking import looking
from tests.support.usage import is_of
from tests.support.waiting import wait_for

from .drill.bad_hour import version
from .drill.load import CONNECTIONS, Load

OBJECTIVE_MICROS = 1_000_000
LOOK_EVERY_S = 2.0
STEADY_SHARE = 0.1  # of the rate, which goes to the model that is left alone
JUDGED_MINUTES = 10.0  # a shorter run tells nothing of memory
FLAT = 0.02  # of its memory, by which a process may grow in the second half
SPARE_DESCRIPTORS = 8
MIB = 1 << 20


@dataclass
class Life:
    """What one process has had: (seconds, bytes), and descriptors."""

    kind: str
    memory: list[tuple[float, int]] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)

    def slope(self) -> float:
        """Bytes a minute, over the second half."""
        later = self.memory[len(self.memory) // 2 :]
        if len(later) < 2:
            return 0.0
        return 60 * statistics.linear_regression(*zip(*later, strict=True)).slope


class Watch:
    """All processes of a cluster, as they were each time that one looked."""

    def __init__(self, home: str) -> None:
        self.lives: dict[psutil.Process, Life] = {}
        self.began = time.monotonic()
        self._home = home

    def look(self) -> None:
        now = time.monotonic() - self.began
        for process in psutil.process_iter():
            try:
                if is_of(process, self._home):
                    self._note(process, now)
            except psutil.Error:
                continue  # it has just ended

    def _note(self, process: psutil.Process, now: float) -> None:
        # Its own pages alone: what it shares is divided among ever others, which come and go here.
        descriptors, memory = process.num_fds(), process.memory_full_info().uss
        life = self.lives.get(process)
        if life is None:
            life = self.lives[process] = Life(_kind(process))
        life.memory.append((now, memory))
        life.descriptors.append(descriptors)

    def throughout(self) -> list[tuple[psutil.Process, Life]]:
        """The processes that lived from the beginning to the end."""
        looks = max((len(life.memory) for life in self.lives.values()), default=0)
        return [(process, life) for process, life in self.lives.items() if len(life.memory) >= looks - 1]


def _kind(process: psutil.Process) -> str:
    name = process.environ().get("CLIPPER_MODEL_NAME")
    command = " ".join(process.cmdline())
    if name:
        return f"replica of {name}"
    return "query frontend" if "query.frontend" in command else "management"


class Operator:
    """Does four things a minute to the model `moving`."""

    def __init__(self, conn: ClipperConnection) -> None:
        self.did = 0
        self._conn = conn
        self._number = 1

    def steps(self) -> list[Callable[[], None]]:
        # Each minute another version is hit: one that ends every minute is called a crash loop.
        return [self._deploy, self._scale, self._kill, self._roll_back]

    def _deploy(self) -> None:
        self._number += 1
        deploy_python_closure(
            self._conn, "moving", self._number, "doubles", version(self._number), num_replicas=2
        )
        self.did += 1

    def _roll_back(self) -> None:
        self._conn.rollback("moving", message="as every minute")
        current = self._conn.get_current_model_version("moving")
        every = {
            m["model_version"] for m in self._conn.get_all_models(verbose=True) if m["model_name"] == "moving"
        }
        others = sorted(every - {current, str(self._number)})
        if others:
            self._conn.stop_versioned_models({"moving": others})
        self.did += 1

    def _scale(self) -> None:
        for count in (3, 1, 2):
            self._conn.set_num_replicas("moving", count)
        self.did += 1

    def _kill(self) -> None:
        victims = self._pids()
        psutil.Process(victims[0]).kill()
        wait_for("another replica", lambda: len(set(self._pids()) - set(victims[:1])) == 2)
        self.did += 1

    def _pids(self) -> list[int]:
        current = self._conn.get_current_model_version("moving")
        return [
            r["pid"]
            for r in self._conn.get_all_model_replicas(verbose=True)
            if (r["model_name"], r["model_version"], r["state"]) == ("moving", current, "ready") and r["pid"]
        ]


def run(minutes: float, rate: float, home: str) -> tuple[list[Load], Operator, Watch]:
    conn = ClipperConnection(ProcessContainerManager("soak", clipper_query_port=0, clipper_management_port=0))
    conn.start_clipper(cache_size=0, fresh=True)
    try:
        for name in ("moving", "steady"):
            conn.register_application(name, "doubles", -1, OBJECTIVE_MICROS)
            deploy_python_closure(conn, name, 1, "doubles", version(1), num_replicas=2)
            conn.link_model_to_app(name, name)
        url, operator = f"http://{conn.get_query_addr()}", Operator(conn)
        rates = {"moving": rate * (1 - STEADY_SHARE), "steady": rate * STEADY_SHARE}
        raise_limit_of_descriptors()
        # As many clients as may ask within an objective: a wait of less than that costs no query.
        loads = [
            Load(f"{url}/{name}/predict", each, max(CONNECTIONS, round(each * OBJECTIVE_MICROS / 1e6)))
            for name, each in rates.items()
        ]
        watch = Watch(home)
        with looking(watch.look, LOOK_EVERY_S):
            for load in loads:
                load.step = "all"
                load.start()
            try:
                _operate(operator, watch.began, 60 * minutes)
            finally:
                for load in loads:
                    load.stop()
    finally:
        conn.stop_all(purge=True)
    return loads, operator, watch


def _operate(operator: Operator, began: float, seconds: float) -> None:
    """Each step at its quarter of a minute; a slow one is followed by the next."""
    steps, number = operator.steps(), 0
    while (due := 15.0 * number + 5.0) < seconds:
        time.sleep(max(0.0, began + due - time.monotonic()))  # not for an event: this is the run
        steps[number % len(steps)]()
        number += 1
    time.sleep(max(0.0, began + seconds - time.monotonic()))


def judge(loads: list[Load], watch: Watch, minutes: float) -> tuple[Table, list[str]]:
    broken = []
    for load, name in zip(loads, ("moving", "steady"), strict=True):
        lost = {kind: count for kind, count in load.seen["all"].items() if kind != "answered"}
        if lost:
            broken.append(f"{name}: {lost}")
    heads = "process", "memory", "slope", "descriptors at the middle, at the end, at most"
    found = Table(*heads, box=None, header_style="bold")
    for process, life in watch.throughout():
        last, slope, descriptors = life.memory[-1][1], life.slope(), life.descriptors
        middle = max(descriptors[len(descriptors) // 2 - 2 : len(descriptors) // 2 + 3])
        counts = f"{middle}, {descriptors[-1]}, {max(descriptors)}"
        name = f"{life.kind} ({process.pid})"
        found.add_row(name, f"{last / MIB:.1f} MiB", f"{slope / 1024:+.1f} KiB a minute", counts)
        if minutes >= JUDGED_MINUTES and slope * minutes / 2 > FLAT * last:
            broken.append(f"{name} grows by {slope / 1024:.1f} KiB a minute")
        if descriptors[-1] > middle + SPARE_DESCRIPTORS:
            broken.append(f"{name} has {descriptors[-1]} descriptors, and had {middle}")
    return found, broken


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.tools.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=500.0, help="queries a second")
    arguments = parser.parse_args()
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    with own_home() as home:
        os.environ["CLIPPERLAB_HOME"] = str(home)
        loads, operator, watch = run(arguments.minutes, arguments.rate, str(home))
    found, broken = judge(loads, watch, arguments.minutes)
    console.print(found)
    answered = sum(load.seen["all"]["answered"] for load in loads)
    sent = sum(load.sent["all"] for load in loads)
    worst = max(load.worst_s["all"] for load in loads)
    console.print(
        f"{sent:,} queries, {sent - answered:,} lost, the longest wait {1000 * worst:,.0f} ms; "
        f"{operator.did} deploys, roll-backs, scalings and kills"
    )
    for promise in broken:
        console.print(f"[red]broken[/] {promise}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
