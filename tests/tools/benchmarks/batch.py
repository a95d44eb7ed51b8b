"""Batching under a load that does not wait: a model that takes 5 ms a batch and 0.1 ms an input."""

from __future__ import annotations

from clipperlab import ClipperConnection
from clipperlab.deployers.python import deploy_python_closure
from clipperlab.load.schedule import Phase

from . import report
from .bench import Bench, Outcome, at_least, ratio
from .climb import Climb, Level, climb, plain
from .cluster import cluster, predict_url
from .models import sleeping
from .offered import offer

BASE_S, EACH_S = 0.005, 0.0001
OBJECTIVE_MS = 50
WAYS = ("off", "aimd", "learned")
RATES = (50, 100, 125, 150, 175, 400, 800, 1600, 2400, 3200, 4000, 4800, 5600, 6400, 7200, 8000)
INPUT = [0.0]


def run(bench: Bench) -> Outcome:
    with cluster("batch") as conn:
        conn.register_application("batch", "doubles", -1.0, OBJECTIVE_MS * 1000)
        model = sleeping(BASE_S, EACH_S)
        deploy_python_closure(conn, "batch", 1, "doubles", model, example_input=INPUT)
        conn.link_model_to_app("batch", "batch")
        found = {way: _climb(bench, conn, way) for way in WAYS}
    rows = [
        [
            way,
            level.load,
            report.percent(level.good_share),
            *(report.ms(level.measured["all"][name]) for name in ("p50_ms", "p99_ms", "p999_ms")),
            "best" if climbed.best is not None and level.load == climbed.best.load else "",
        ]
        for way, climbed in found.items()
        for level in climbed.levels
    ]
    return Outcome(
        f"{BASE_S * 1e3:g} ms + {EACH_S * 1e3:g} ms an input, objective {OBJECTIVE_MS} ms: the highest rate "
        "of an open loop at which 99 % of the answers are the model's and within the objective",
        [report.table("open loop", ["batching", "offered /s", "good", "p50", "p99", "p99.9", ""], rows)],
        [
            at_least("learned, in times of off", ratio(found["learned"].rate, found["off"].rate), 1),
            at_least("learned, in times of aimd", ratio(found["learned"].rate, found["aimd"].rate), 1),
        ],
        {way: plain(climbed) for way, climbed in found.items()},
        ["Latencies count from the times at which requests were to be sent."],
    )


def _climb(bench: Bench, conn: ClipperConnection, way: str) -> Climb:
    conn.set_batching("batch", way)

    def measure(rate: float) -> Level:
        phases = [Phase(rate, bench.warm_s), Phase(rate, bench.seconds)]
        seen = offer(predict_url(conn, "batch"), [INPUT], phases, objective_ms=OBJECTIVE_MS)
        measured = seen["phases"][-1]
        return Level(
            rate, measured["good_rate"], measured["good_share"], {**measured, "generator": seen["generator"]}
        )

    return climb(bench.some(RATES), measure, rounds=bench.rounds)
