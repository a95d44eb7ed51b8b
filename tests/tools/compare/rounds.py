"""Rounds of all systems, one at a time, each started anew, in another order each round."""

from __future__ import annotations

import random
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.tools.benchmarks import wrk
from tests.tools.benchmarks.bench import medians

from .asking import Asked, LeftOut
from .peer import Peer
from .running import running
from .versions import versions
from .workloads import WORKLOADS, Task, Workload, tasks

Found = dict[str, list[dict[str, float]]]


@dataclass(frozen=True)
class Rounds:
    """How much to measure: seconds of each load, and of warm-ups before the first load and before the others.

    `seed` is of the orders.
    """

    rounds: int
    seconds: int
    start_warm_s: int
    warm_s: int
    seed: int


def compare(peers: Mapping[str, Peer], much: Rounds, say: Callable[[str], None]) -> dict[str, Any]:
    """What was found of each, by its name: its medians and rounds by workload, or why it is left out."""
    order = random.Random(much.seed)
    found: dict[str, Found] = {name: {load.name: [] for load in WORKLOADS} for name in peers}
    left_out: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="compare-", dir="/tmp") as folder:
        asked = tasks(Path(folder))
        for turn in range(much.rounds):
            names = [name for name in peers if name not in left_out]
            for name in order.sample(names, len(names)):
                say(f"round {turn + 1} of {much.rounds}: {peers[name].name}")
                try:
                    for load, seen in _measured(peers[name], Path(folder), asked, much):
                        found[name][load.name].append(seen)
                except LeftOut as error:
                    left_out[name] = str(error)
                    say(f"  left out: {error}")
    return {
        name: {"name": peer.name, "left_out": left_out[name]}
        if name in left_out
        else {
            "name": peer.name,
            "settings": peer.settings,
            "versions": versions(peer, peer.programs(Path(sys.executable).parent)),
            "workloads": {load: _together(seen) for load, seen in found[name].items()},
        }
        for name, peer in peers.items()
    }


def _measured(
    peer: Peer, shared: Path, asked: Mapping[str, Task], much: Rounds
) -> Iterator[tuple[Workload, dict[str, float]]]:
    for loads in [[load] for load in WORKLOADS] if peer.apart else [WORKLOADS]:
        models = {load.model: asked[load.model] for load in loads}
        with running(peer, shared, models) as system:
            for model, task in models.items():
                system.check(model, task)
            for load in loads:
                _warm(system, load, asked, much.start_warm_s if load is loads[0] else much.warm_s)
                yield load, _load(system, load, asked, much.seconds)


def _warm(system: Asked, workload: Workload, asked: Mapping[str, Task], seconds: int) -> None:
    if seconds:
        _load(system, workload, asked, seconds)


def _load(system: Asked, workload: Workload, asked: Mapping[str, Task], seconds: int) -> dict[str, float]:
    requests = system.requests(workload.model, asked[workload.model].rows)
    seen = wrk.measure(requests, system.url, connections=workload.connections, seconds=seconds, look=False)
    latencies = seen.latencies.summary()
    return {
        "rate": (seen.answers - seen.refused) / seen.seconds,
        "p50_ms": latencies["p50_ms"],
        "p99_ms": latencies["p99_ms"],
        "errors": seen.refused + seen.unanswered,
    }


def _together(seen: Sequence[dict[str, float]]) -> dict[str, Any]:
    """The median of each figure, all errors, and the rounds."""
    return {**medians(seen), "errors": sum(one["errors"] for one in seen), "rounds": list(seen)}
