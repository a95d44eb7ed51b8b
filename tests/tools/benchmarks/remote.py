"""Models that MLServer and TorchServe have, asked there and through ours: `make peers` makes both."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipperlab import ClipperConnection
from clipperlab.deployers.remote import create_endpoint
from clipperlab.load.http_request import predict
from tests.tools.compare.asking import Asked, LeftOut
from tests.tools.compare.peers import PEERS
from tests.tools.compare.running import running
from tests.tools.compare.served.models import PASS_S
from tests.tools.compare.workloads import Task, tasks

from . import report, wrk
from .bench import Bench, Outcome, Target, at_least, at_most, ratio
from .cluster import cluster, defaults, predict_url

LOADS = (("single", 1), ("sums", 1), ("device", 16), ("device", 32))
"""Models of `make compare`, and connections. All but `single` are in batches, which wait 5 ms there."""
SLO_MS = 20_000


@dataclass(frozen=True)
class Asking:
    """How a server is asked by a remote model, and what an input is there."""

    protocol: str
    input_type: str
    path: str
    value: Callable[[Any], Any]


ASKING = {
    "mlserver": Asking("open-inference", "doubles", "/v2/models/", lambda row: row),
    "torchserve": Asking("torchserve", "json", "/predictions/", lambda row: {"input": row}),
}


def run(bench: Bench) -> Outcome:
    rows, targets, notes = [], [], []
    with tempfile.TemporaryDirectory(prefix="remote-", dir="/tmp") as folder:
        asked = tasks(Path(folder))
        models = {model: asked[model] for model, _ in LOADS}
        for name in ASKING:
            try:
                with running(PEERS[name], Path(folder), models) as system, cluster("remote") as conn:
                    found = _measured(bench, conn, name, system, models)
            except LeftOut as error:
                notes.append(f"{PEERS[name].name} is left out. {error}")
                continue
            rows += found
            targets += _targets(found)
    columns = [
        "",
        "connections",
        "theirs /s",
        "ours /s",
        "ratio",
        "theirs p50",
        "ours p50",
        "ratio",
        "in a batch",
    ]
    return Outcome(
        "models that other systems' servers have, asked there and through ours",
        [report.table("closed loop", columns, [_cells(row) for row in rows])],
        targets,
        {"rows": rows},
        notes,
    )


def _measured(
    bench: Bench, conn: ClipperConnection, name: str, system: Asked, models: Mapping[str, Task]
) -> list[dict[str, Any]]:
    asking = ASKING[name]
    for model, task in models.items():
        create_endpoint(
            *(conn, model, f"{system.url}{asking.path}{model}"),
            protocol=asking.protocol,
            input_type=asking.input_type,
            example_input=asking.value(task.rows[0]),
            slo_ms=SLO_MS,
        )
    return [
        _row(bench, conn, name, system, model, connections, models[model]) for model, connections in LOADS
    ]


def _row(
    bench: Bench, conn: ClipperConnection, name: str, system: Asked, model: str, connections: int, task: Task
) -> dict[str, Any]:
    url = predict_url(conn, model)
    ours = [predict(url, ASKING[name].value(row)) for row in task.rows]

    def closed_loop(requests: list[bytes], where: str) -> Callable[[], wrk.Measured]:
        return lambda: wrk.measure(
            requests, where, connections=connections, seconds=bench.seconds, look=False
        )

    sides = {
        "theirs": closed_loop(system.requests(model, task.rows), system.url),
        "ours": closed_loop(ours, url),
    }
    seen = bench.take_turns(sides)
    return {
        "server": PEERS[name].name,
        "model": model,
        "connections": connections,
        **seen,
        "rate_ratio": ratio(seen["ours"]["rate"], seen["theirs"]["rate"]),
        "p50_ratio": ratio(seen["ours"]["p50_ms"], seen["theirs"]["p50_ms"]),
        "more_ms": seen["ours"]["p50_ms"] - seen["theirs"]["p50_ms"],
        # At least: the device may have been without work.
        "in_a_batch": seen["ours"]["rate"] * PASS_S if model == "device" else None,
        "defaults": dict(defaults(conn, model)),
    }


def _targets(rows: list[dict[str, Any]]) -> list[Target]:
    name = rows[0]["server"]
    by = {(row["model"], row["connections"]): row for row in rows}
    failed = sum(sum(row["defaults"].values()) + row["ours"]["unanswered"] for row in rows)
    return [
        at_most(
            f"{name}, 1 connection, in batches: p50, in times of its own", by["sums", 1]["p50_ratio"], 1.5
        ),
        at_most(f"{name}, 1 connection, without: p50, ms more than its own", by["single", 1]["more_ms"], 1),
        at_least(f"{name}, 32 connections: inputs in a batch, or more", by["device", 32]["in_a_batch"], 4),
        at_most(f"{name}: default outputs, and errors", failed, 0),
    ]


def _cells(row: Mapping[str, Any]) -> list[object]:
    theirs, ours = row["theirs"], row["ours"]
    many = row["in_a_batch"]
    return [
        f"{row['server']}: {row['model']}",
        row["connections"],
        theirs["rate"],
        ours["rate"],
        row["rate_ratio"],
        theirs["p50_ms"],
        ours["p50_ms"],
        row["p50_ratio"],
        "" if many is None else f"{many:.1f} or more",
    ]
