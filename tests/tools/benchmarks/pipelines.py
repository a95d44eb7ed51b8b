"""What calls cost, and what it brings to work on several batches at once: ten doubles in, their sum out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from clipperlab import ClipperConnection
from clipperlab.deployers.pipeline import deploy_pipeline
from clipperlab.deployers.python import deploy_python_closure
from clipperlab.load.http_request import predict

from . import report, wrk
from .bench import Bench, Outcome, at_least, at_most, ratio
from .cluster import cluster, defaults, predict_url
from .models import by_value, sleeping, summing
from .wrk import Measured

CONNECTIONS = 32
INPUT = [i / 10 for i in range(1, 11)]
SLO_MICROS = 1_000_000
SLEEPS_S = 0.02
WAITING = 32


def run(bench: Bench) -> Outcome:
    """All run on one cluster, one after the other: what is not asked costs nothing but its memory."""
    with cluster("pipelines") as conn:
        for name in ("first", "second"):
            deploy_python_closure(conn, name, 1, "doubles", summing())
        deploy_pipeline(conn, "two", 1, _two(), uses=["first", "second"], input_type="doubles")
        waits = sleeping(SLEEPS_S, 0.0)
        deploy_python_closure(conn, "alone", 1, "doubles", waits, batching="off")
        deploy_python_closure(conn, "several", 1, "doubles", waits, batching="off", concurrency=WAITING)
        lone = {name: _side(bench, conn, name, 1) for name in ("first", "two")}
        many = {name: _side(bench, conn, name, CONNECTIONS) for name in ("first", "two", "alone", "several")}
        found_lone, found_many = bench.take_turns(lone), bench.take_turns(many)
        rows = [conn.batching("second").frontends[0]["windows"]]
        direct = conn.batching("first").frontends[0]["windows"]
        unwanted = sum(defaults(conn, name).total() for name in many)
    latency = ratio(found_lone["two"]["p50_ms"], found_lone["first"]["p50_ms"])
    waiting = ratio(found_many["several"]["rate"], found_many["alone"]["rate"])
    table = [
        [f"{name}, {connections}", side["rate"], side["p50_ms"], side["p99_ms"]]
        for connections, found in ((1, found_lone), (CONNECTIONS, found_many))
        for name, side in found.items()
    ]
    return Outcome(
        "the sum of 10 doubles, over REST, one query frontend: alone, and twice in a pipeline",
        [report.table("pipelines", ["asked, connections", "answers a second", "p50 ms", "p99 ms"], table)],
        [
            at_most("two stages in sequence, one connection: p50, times that of one stage", latency, 3.5),
            at_least(f"a model that waits 20 ms, {WAITING} at once: rate, times one at a time", waiting, 28),
            at_most("default answers", unwanted, 0),
        ],
        {"lone": found_lone, "many": found_many, "windows": rows, "direct": direct},
    )


def _two() -> Any:
    async def answer(query: Any, models: Any) -> Any:
        await models["first"](query)
        return await models["second"](query)

    return by_value(answer)


def _side(bench: Bench, conn: ClipperConnection, model: str, connections: int) -> Callable[[], Measured]:
    if model not in conn.get_all_apps():
        conn.register_application(model, "doubles", -1, SLO_MICROS)
        conn.link_model_to_app(model, model)
    url = predict_url(conn, model)
    return lambda: wrk.measure(
        [predict(url, INPUT)], url, connections=connections, seconds=bench.seconds, look=False
    )
