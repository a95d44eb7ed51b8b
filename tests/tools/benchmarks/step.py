"""A model that becomes three times slower while it serves, and then itself again."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from clipperlab.deployers.python import deploy_python_closure
from clipperlab.load.http_request import predict
from clipperlab.load.schedule import Phase

from . import report, wrk
from .bench import Bench, Outcome, Target, at_least, at_most, ratio
from .climb import ENOUGH
from .cluster import cluster, predict_url
from .models import changing
from .offered import offer
from .stepper import Batch, Stepper
from .windows import IN_A_ROW, first_well

BASE_S, EACH_S = 0.002, 0.0002
SLOWER = 3
OBJECTIVE_MS = 50
WAYS = ("learned", "aimd")
RATE = 1000  # of the open loop: the model can serve so many at both costs
CONNECTIONS = 128  # of the closed loop: in one batch, they are too many at the higher cost
PART_S = 4
INPUT = [0.0]


def run(bench: Bench) -> Outcome:
    with tempfile.TemporaryDirectory() as folder, cluster("step") as conn:
        conn.register_application("step", "doubles", -1.0, OBJECTIVE_MS * 1000)
        stepper = Stepper(conn, "step", Path(folder))
        model = changing(BASE_S, EACH_S, stepper.factor, stepper.log)
        deploy_python_closure(conn, "step", 1, "doubles", model, example_input=INPUT)
        conn.link_model_to_app("step", "step")
        url = predict_url(conn, "step")
        part_s = bench.lasting(PART_S)

        def open_loop() -> dict[str, Any]:
            return offer(url, [INPUT], [Phase(RATE, 3 * part_s)], objective_ms=OBJECTIVE_MS)

        def closed_loop() -> dict[str, Any]:
            requests = [predict(url, INPUT)]
            seen = wrk.measure(requests, url, connections=CONNECTIONS, seconds=3 * part_s, look=True)
            return seen.summary()

        found = {}
        for way in WAYS:
            conn.set_batching("step", way)
            for load in (open_loop, closed_loop):
                name = f"{way}, {load.__name__.replace('_', ' ')}"
                found[name] = _step(stepper, load, part_s)
    return Outcome(
        f"{BASE_S * 1e3:g} ms + {EACH_S * 1e3:g} ms an input, {SLOWER} times that for {part_s} s, and back; "
        f"objective {OBJECTIVE_MS} ms; {RATE:,} a second, and {CONNECTIONS} connections",
        [_table(found)],
        [target for name, one in found.items() for target in _targets(name, one)],
        found,
        [
            f"A step is over with the first of {IN_A_ROW} batches in a row within the objective;",
            f"for the clients, with as many tenths of a second with {report.percent(ENOUGH)} good answers.",
        ],
    )


def _step(stepper: Stepper, load: Callable[[], dict[str, Any]], part_s: float) -> dict[str, Any]:
    limits: list[float] = []
    changes: list[float] = []

    def change() -> None:
        for factor in (SLOWER, 1):
            if over.wait(part_s):
                return
            limits.append(stepper.limit())
            stepper.set(factor)
            changes.append(time.monotonic())

    over = threading.Event()
    began = time.monotonic()
    with _meanwhile(change, over):
        seen = load()
    limits.append(stepper.limit())
    batches = [batch for batch in stepper.batches() if batch.began >= began]
    edges = [began, *changes, time.monotonic()]
    parts = [[b for b in batches if start <= b.began < end] for start, end in pairwise(edges)]
    slower = first_well(parts[1], lambda batch: batch.took_ms <= OBJECTIVE_MS)
    return {
        "load": seen,
        "batches_until_it_fits": float("nan") if slower is None else slower,
        "unwanted": _unwanted(seen),
        **_clients(seen, changes[0], parts[1]),
        "limits": limits,
        "parts": [
            {
                "batches": len(part),
                "mean_size": sum(b.inputs for b in part) / max(1, len(part)),
                "largest": max((b.inputs for b in part), default=0),
                "too_long": sum(b.took_ms > OBJECTIVE_MS for b in part),
            }
            for part in parts
        ],
    }


@contextmanager
def _meanwhile(change: Callable[[], None], over: threading.Event) -> Iterator[None]:
    thread = threading.Thread(target=change, name="changes the cost")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _unwanted(seen: dict[str, Any]) -> float:
    """The share of answers that were not the model's, of all."""
    if "windows" in seen:
        phase = seen["phases"][0]
        return float(phase["others"]["count"]) / float(phase["offered"])
    return ratio(sum(seen["others"].values()), seen["count"])


def _clients(seen: dict[str, Any], changed: float, batches: list[Batch]) -> dict[str, float]:
    """When the clients of the open loop had good answers again. wrk tells nothing about times."""
    if "windows" not in seen:
        return {}
    since_s = changed - seen["begins"]
    after = [w for w in seen["windows"] if w["at_s"] >= since_s]
    here = first_well(after, lambda w: w["good"] >= ENOUGH * w["offered"])
    if here is None:
        return {"clients_well_after_s": float("nan"), "clients_well_after_batches": float("nan")}
    well_s = after[here]["at_s"] - since_s if here else 0.0
    count = sum(batch.began < changed + well_s for batch in batches)
    return {"clients_well_after_s": well_s, "clients_well_after_batches": count}


def _table(found: dict[str, Any]) -> Any:
    rows = [
        [name if i == 0 else "", f"x {factor}", part["batches"], part["mean_size"], part["largest"]]
        + [part["too_long"], limit, report.percent(one["unwanted"]) if i == 0 else ""]
        for name, one in found.items()
        for i, (factor, part, limit) in enumerate(
            zip((1, SLOWER, 1), one["parts"], one["limits"], strict=True)
        )
    ]
    columns = ["load", "cost", "batches", "mean size", "largest", "too long", "limit at end", "defaults"]
    return report.table("batches", columns, rows)


def _targets(name: str, one: dict[str, Any]) -> list[Target]:
    kept = ratio(one["limits"][2], one["limits"][0])
    targets = [
        at_most(f"{name}: batches until they fit again", one["batches_until_it_fits"], 20),
        at_least(f"{name}: limit afterwards, as a part of before", kept, 0.8),
    ]
    if "clients_well_after_batches" in one:
        batches = one["clients_well_after_batches"]
        targets.append(at_most(f"{name}: batches until the clients' answers are good", batches, 20))
    return targets
