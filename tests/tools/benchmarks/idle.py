"""What a cluster costs that has nothing to do."""

from __future__ import annotations

import time

import psutil

from . import report
from .bench import Bench, Outcome, at_most
from .cluster import cluster
from .noop import serve

SECONDS = 10
SETTLE_S = 2  # for what a deployment leaves to do


def run(bench: Bench) -> Outcome:
    with cluster("idle") as conn:
        serve(conn)
        frontend = psutil.Process(conn.status()["frontends"][0]["pid"])
        processes = {
            "frontend": frontend,
            "replica": psutil.Process(conn.get_all_model_replicas(verbose=True)[0]["pid"]),
        }
        time.sleep(SETTLE_S)
        before = {name: cpu_s(process) for name, process in processes.items()}
        began = time.monotonic()
        time.sleep(bench.lasting(SECONDS))
        seconds = time.monotonic() - began
        found = {
            name: {
                "core_percent": 100 * (cpu_s(process) - before[name]) / seconds,
                "rss_mb": process.memory_info().rss / 1e6,
            }
            for name, process in processes.items()
        }
    together = sum(one["core_percent"] for one in found.values())
    return Outcome(
        f"nothing to do for {seconds:.0f} s",
        [
            report.table(
                "processes",
                ["process", "% of a core", "RSS in MB"],
                [[name, one["core_percent"], one["rss_mb"]] for name, one in found.items()],
            )
        ],
        [
            at_most("% of a core, together", together, 1),
            at_most("RSS of the frontend in MB", found["frontend"]["rss_mb"], 90),
            at_most("RSS of a replica in MB", found["replica"]["rss_mb"], 70),
        ],
        {**found, "core_percent": together, "seconds": seconds},
    )


def cpu_s(process: psutil.Process) -> float:
    used = process.cpu_times()
    return float(used.user + used.system)
