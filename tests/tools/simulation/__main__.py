"""`python -m tests.tools.simulation`: how far one cluster goes, measured here; docs/scale.md shows it.

Figures are CPU time, which neighbours on the machine change little; rates by the clock would be theirs too.
Bounded: at most 10,000 connections and ten query frontends at once, and some minutes; `--smoke` is quick.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import msgspec

from clipper_server.snapshot import MAX_FRONTENDS

from . import cluster, management, replica
from .load import Load
from .table import table

CONNECTIONS = 32  # of clients for each frontend, each with one query at a time
WORK_MS = 1.0
MOST_CONNECTIONS = 10_000
REPORTS_A_SECOND = 2
MOST_CORES = 0.5  # of the one that management has
MIB = 1 << 20
AT_ONCE = 32  # batches, of a replica of a model that waits


@dataclass(frozen=True)
class Seen:
    """Of one frontend: CPU seconds a query, CPU seconds in a quiet second, memory; of all, what came back,
    how many queries shared a batch, and how often a credit had to be asked for, in parts of the batches.
    """

    query_s: float
    batch: float
    asked: float
    idle: float
    memory: float
    ready_s: float
    answers: int
    others: int


async def look(frontends: int, replicas: int, seconds: float) -> Seen:
    """Real frontends and fake replicas, under load."""
    with tempfile.TemporaryDirectory(prefix="clipper-", dir="/tmp") as folder:
        async with cluster.simulated(Path(folder), frontends, replicas, WORK_MS) as simulated:
            await asyncio.sleep(1)
            quiet = sum(simulated.cpu_s())
            await asyncio.sleep(seconds)
            before = sum(simulated.cpu_s())
            load = Load()
            await load.run(simulated.address, CONNECTIONS * frontends, seconds)
            spent = sum(simulated.cpu_s()) - before
            answers = load.answers["model"]
            others = load.answers.total() - answers + load.lost
            asked = await simulated.asked()
            await asyncio.sleep(1)  # until all have reported
            batches, queries = simulated.batches()
            return Seen(
                spent / max(1, answers),
                queries / max(1, batches),
                asked / max(1, batches),
                (before - quiet) / seconds / frontends,
                simulated.memory(),
                simulated.ready_s,
                answers,
                others,
            )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.tools.simulation", description=__doc__)
    parser.add_argument("--seconds", type=float, default=4, help="for each measurement")
    parser.add_argument("--smoke", action="store_true", help="only see that everything runs")
    options = parser.parse_args()
    _allow_files()
    seconds = 0.3 if options.smoke else options.seconds
    replicas = [20] if options.smoke else [10, 100, 1000]
    frontends = [1, 2] if options.smoke else [1, 10, 100]
    whole = [1, 2] if options.smoke else [1, 2, 4, 10]

    rows, seen = [], {}
    for count in replicas:
        for width in whole:
            if width * count > MOST_CONNECTIONS:
                continue
            one = seen[width, count] = asyncio.run(look(width, count, seconds))
            rows.append(
                [f"{count:,}", str(width), f"{width * count:,}", f"{one.answers:,}", str(one.others)]
                + [f"{one.batch:.1f}", f"{one.asked:.2f}", f"{one.query_s * 1e6:.0f}"]
                + [f"{1 / one.query_s:,.0f}", f"{100 * one.idle:.1f}"]
                + [f"{one.memory / MIB:.0f}", f"{one.ready_s:.1f}"]
            )
    heads = [
        "replicas",
        "frontends",
        "connections",
        "answers",
        "other answers",
        "queries a batch",
        "asked a batch",
        "µs a query",
        "queries/s a core",
    ]
    show("Whole clusters", [*heads, "idle %", "MiB", "connected in s"], rows)

    rows = []
    for width in frontends:
        for at_once in (1, AT_ONCE):
            cost = asyncio.run(replica.measure(width, seconds, at_once))
            rows.append(
                [str(width), str(at_once), f"{cost.batches:,}", f"{cost.batch_cpu_s * 1e6:.0f}"]
                + [f"{cost.least:.2f}", f"{100 * cost.idle_cpu:.1f}", f"{cost.memory / MIB:.0f}"]
            )
    heads = ["frontends", "at once", "batches", "µs a batch", "least share", "idle %", "MiB"]
    show("One replica", heads, rows)

    rows, costs = [], {}
    for count in replicas:
        for width in frontends:
            told = costs[width, count] = management.measure(width, count)
            rows.append(
                [f"{count:,}", str(width), f"{told.bytes / 1e3:.1f}", f"{told.cpu_s * 1e3:.1f}"]
                + [f"{told.cpu_s * REPORTS_A_SECOND * width:.2f}"]
                + [f"{told.bytes * REPORTS_A_SECOND * width / 1e6:.2f}"]
            )
    show("Management", ["replicas", "frontends", "kB a report", "ms a report", "cores", "MB/s"], rows)

    rows = [
        [f"{count:,}", f"{len(msgspec.json.encode(cluster.snapshot(1000, count))) / 1e3:.1f}"]
        for count in (1, 10, 100, 1000)
    ]
    show("Snapshots", ["versions", "kB"], rows)

    rows = []
    widest = max(width for width, _ in seen)
    for count in replicas:
        for width in frontends:
            near = min((w for w, c in seen if c == count), key=lambda w: abs(w - width))
            rate = width / seen[near, count].query_s
            cores = costs[width, count].cpu_s * REPORTS_A_SECOND * width
            rows.append(
                [f"{count:,}", str(width), f"{width * count:,}", f"{2 * count / width:g}", f"{rate:,.0f}"]
                + ["seen" if (width, count) in seen else f"from {near}", f"{cores:.2f}"]
                + [_verdict(width, count, cores)]
            )
    heads = [
        "replicas",
        "frontends",
        "connections",
        "credits a frontend",
        "queries/s",
        "",
        "management's cores",
    ]
    show(f"The arithmetic, from these (up to {widest} frontends are seen)", [*heads, ""], rows)


def _verdict(frontends: int, replicas: int, cores: float) -> str:
    """Whether a cluster like that works as it should; or what is too scarce for it."""
    short = ["credits"] if frontends > 2 * replicas else []
    short += ["management"] if cores > MOST_CORES else []
    short += ["ids"] if frontends > MAX_FRONTENDS else []
    return f"too few: {', '.join(short)}" if short else "holds"


def _allow_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 3 * MOST_CONNECTIONS // 2
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard < 0 else min(wanted, hard), hard))


def show(title: str, heads: list[str], rows: list[list[str]]) -> None:
    sys.stdout.write(f"### {title}\n\n{table(heads, rows)}\n\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
