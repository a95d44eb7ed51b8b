"""Bad neighbours, one after the other, beside a constant load on an honest application.

100 queries a second go to one application of a cluster with one query frontend and two replicas. Beside it a
replica lies, clients ask for too much, break off, keep silent or read nothing, and descriptors and the disk
come to their end. A promise is broken where one query of the load is not answered by its model, where a query
frontend had to be started again, or where management says nothing for long.

Each neighbour has a process of its own, and an end.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil
from rich.table import Table

from clipperlab import ClipperConnection, ProcessContainerManager
from clipperlab.deployers.python import deploy_python_closure
from tests.support.home import end_clusters, own_home
from tests.support.looking import looking
from tests.support.waiting import wait_for

from . import liar, strangers
from .bad_hour import version
from .load import Load
from .target import VICTIM, Target, rounds

RATE = 100
OBJECTIVE_MICROS = 3_000_000  # for queries that fail, and not for a machine that stands still for a second
VICTIM_MICROS = 200_000  # for those who ask it wait so long
APPLICATIONS = 200  # that make metrics; fewer in a short drill
DISK = "512m"
SPARE_DESCRIPTORS = 20
ATTACK_S = 60.0  # beyond its time, for an attack to end
DEAF_S = 5.0  # management may not be silent for so long
LOOK_EVERY_S = 0.2

Neighbour = Callable[[Target, float], str]
NEIGHBOURS: dict[str, Neighbour] = {
    "replies that lie": liar.lie_in_replies,
    "messages that lie": liar.lie_in_messages,
    "strangers among replicas": liar.knock,
    "a replica that reads nothing": liar.flood,
    "the largest requests": strangers.ask_for_much,
    "larger requests": strangers.ask_for_too_much,
    "broken pipelines": strangers.break_pipelines,
    "silent clients": strangers.keep_silent,
    "clients who read nothing": strangers.never_read,
    "scrapers": strangers.scrape,
    "artifacts that are bombs": strangers.upload_bombs,
}


class Health:
    """How long management takes to say how it is, at worst, in each step."""

    def __init__(self, target: Target) -> None:
        self.worst_s: Counter[str] = Counter()
        self.step = ""
        self._target = target

    def look(self) -> None:
        step, began = self.step, time.monotonic()
        with suppress(OSError):
            self._target.manage("GET", "/health", patience_s=2 * DEAF_S)
        self.worst_s[step] = max(self.worst_s[step], time.monotonic() - began)  # type: ignore[assignment]


def run(seconds: float) -> tuple[Table, list[str]]:
    """What the load saw beside each neighbour, and the promises that were broken."""
    with ExitStack() as stack:
        small = stack.enter_context(_small_disk())
        home = small or stack.enter_context(own_home())
        os.environ["CLIPPERLAB_HOME"] = str(home)
        manager = ProcessContainerManager("hostile", clipper_query_port=0, clipper_management_port=0)
        conn = ClipperConnection(manager)
        conn.start_clipper(cache_size=0, fresh=True)
        stack.callback(conn.stop_all, purge=True)
        record = manager.record()
        assert record is not None
        target = Target(record.query, record.management, record.token, manager.folder)
        conn.register_application("honest", "doubles", -1, OBJECTIVE_MICROS)
        deploy_python_closure(conn, "honest", 1, "doubles", version(1), num_replicas=2)
        conn.link_model_to_app("honest", "honest")
        conn.register_application(VICTIM, "doubles", -1, VICTIM_MICROS)
        conn.register_model(VICTIM, 1, "doubles")
        conn.link_model_to_app(VICTIM, VICTIM)
        spawn = multiprocessing.get_context("spawn")
        neighbours = stack.enter_context(ProcessPoolExecutor(1, spawn))
        neighbours.submit(time.sleep, 0).result()  # it has started before anything is measured
        load = Load(f"http://{conn.get_query_addr()}/honest/predict", RATE)
        health = Health(target)
        stack.enter_context(looking(health.look, LOOK_EVERY_S))
        drill = _Drill(conn, target, load, health, seconds)
        load.start()
        stack.callback(load.stop)
        with drill.beside("nobody") as did:
            did.append("")
            time.sleep(seconds)  # not for an event: this is the load's time
        for name, neighbour in NEIGHBOURS.items():
            if neighbour is strangers.scrape:
                for number in range(min(APPLICATIONS, int(20 * seconds))):
                    conn.register_application(f"other-{number}", "doubles", -1, OBJECTIVE_MICROS)
            with drill.beside(name) as did:
                attack = neighbours.submit(neighbour, target, seconds)
                try:
                    did.append(attack.result(seconds + ATTACK_S))
                except Exception as error:  # such as that the cluster was not there
                    did.append(f"ended by {type(error).__name__}")
                    drill.broken.append(f"{name}: it came to no end: {error}")
        with drill.beside("few descriptors") as did:
            did.append(drill.few_descriptors())
        if small is not None:
            with drill.beside("a full disk") as did:
                did.append(drill.full_disk())
        load.stop()
        return drill.table(small is not None), drill.broken


class _Drill:
    def __init__(
        self, conn: ClipperConnection, target: Target, load: Load, health: Health, seconds: float
    ) -> None:
        self.broken: list[str] = []
        self._conn = conn
        self._target = target
        self._load = load
        self._health = health
        self._seconds = seconds
        self._did: dict[str, str] = {}
        self._took: dict[str, float] = {}
        self._frontend = self._pid()

    def _pid(self) -> int:
        return int(self._conn.status()["frontends"][0]["pid"])

    @contextmanager
    def beside(self, name: str) -> Iterator[list[str]]:
        self._load.step = self._health.step = name
        did: list[str] = []
        began = time.monotonic()
        yield did
        self._did[name] = did[0]
        self._took[name] = time.monotonic() - began
        self._load.step = "between"
        # What it left behind is paid for a moment later.
        enough = self._load.sent["between"] + self._load.rate * min(1.0, self._seconds / 4)
        wait_for("the load to go on", lambda: self._load.sent["between"] >= enough)
        if self._pid() != self._frontend:
            self.broken.append(f"{name}: the query frontend was started again")
            self._frontend = self._pid()
        if self._health.worst_s[name] > DEAF_S:
            self.broken.append(f"{name}: management was silent for {self._health.worst_s[name]:.1f} s")

    def _is_whole(self) -> bool:
        info = self._conn.get_model_info("honest", 1)
        return info is not None and info["ready_replicas"] == 2

    def few_descriptors(self) -> str:
        """The query frontend may open but a few more, and silent clients take them."""
        process = psutil.Process(self._frontend)
        if not hasattr(process, "rlimit"):
            return "left out: only Linux limits another process"
        limits = process.rlimit(psutil.RLIMIT_NOFILE)
        process.rlimit(psutil.RLIMIT_NOFILE, (process.num_fds() + SPARE_DESCRIPTORS, limits[1]))
        before = process.cpu_times()
        try:
            came = strangers.keep_silent(self._target, self._seconds)
        finally:
            process.rlimit(psutil.RLIMIT_NOFILE, limits)
        spent = process.cpu_times()
        busy = (spent.user + spent.system - before.user - before.system) / self._seconds
        return f"{came}, {100 * busy:.0f} % of a core"

    def full_disk(self) -> str:
        """Nothing can be written, an application is wanted again and again, and a replica is killed."""
        filler = self._target.folder / "filler"
        refused: Counter[int] = Counter()
        try:
            with filler.open("wb") as file, suppress(OSError):
                while True:
                    file.write(bytes(1 << 16))
            replicas = [r["pid"] for r in self._conn.get_all_model_replicas(verbose=True) if r["pid"]]
            psutil.Process(replicas[0]).kill()
            wanted = {"input_type": "doubles", "default_output": "x" * 1_000_000, "latency_slo_micros": 1000}
            for number in rounds(self._seconds):
                status, _ = self._target.manage("POST", "/applications", {"name": f"full-{number}", **wanted})
                refused[status] += 1
        finally:
            filler.unlink(missing_ok=True)
        wait_for("two replicas again", self._is_whole)
        return ", ".join(f"{count} x {status}" for status, count in refused.items())

    def table(self, disk: bool) -> Table:
        load, health = self._load, self._health
        heads = "beside", "took", "did", "asked", "missed", "worst wait", "health"
        found = Table(*heads, box=None, header_style="bold")
        for step, did in self._did.items():
            outcomes = load.seen.get(step, Counter())
            missed = {kind: count for kind, count in outcomes.items() if kind != "answered"}
            words = ", ".join(f"{count} x {kind}" for kind, count in missed.items())
            if missed:
                self.broken.append(f"{step}: {words}")
            worst = f"{1000 * load.worst_s.get(step, 0.0):,.0f} ms", f"{1000 * health.worst_s[step]:,.0f} ms"
            took = f"{self._took[step]:.0f} s"
            found.add_row(step, took, did, f"{load.sent[step]:,}", words or "nothing", *worst)
        if not disk:
            found.add_row("a full disk", "", "left out: no small disk can be mounted here")
        between = {kind: count for kind, count in load.seen["between"].items() if kind != "answered"}
        if between:
            self.broken.append(f"between them: {between}")
        if load.sent.total() != sum(outcomes.total() for outcomes in load.seen.values()):
            self.broken.append("not every query has an outcome")
        return found


@contextmanager
def _small_disk() -> Iterator[Path | None]:
    """A folder with a disk of its own, where this user may mount one."""
    with tempfile.TemporaryDirectory(prefix="clipper-", dir="/tmp") as folder:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "none", folder]
        try:
            done = subprocess.run(mount, capture_output=True)
        except FileNotFoundError:
            done = None
        if done is None or done.returncode:
            yield None
            return
        home = Path(folder)
        try:
            yield home
        finally:
            end_clusters(home)
            subprocess.run(["umount", folder], check=True)
