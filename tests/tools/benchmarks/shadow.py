"""What users wait while a shadow is asked beside them, for every input, by a frontend that is half busy."""

from __future__ import annotations

from statistics import median
from typing import Any

from clipperlab import ClipperConnection
from clipperlab.deployers.python import deploy_python_closure
from clipperlab.load.answers import MODEL
from clipperlab.load.schedule import Phase

from . import report
from .bench import Bench, Outcome, at_least, at_most, ratio
from .cluster import cluster, cpu_s, predict_url
from .models import sleeping
from .offered import offer

RATE = 2000  # a second: with the shadow about half of what one frontend can do
BASE_S = 0.005
OBJECTIVE_MS = 100
INPUT = [0.0]


def run(bench: Bench) -> Outcome:
    with cluster("shadow") as conn:
        conn.register_application("shadow", "doubles", -1.0, OBJECTIVE_MS * 1000)
        for version in (1, 2):
            deploy_python_closure(
                *(conn, "m", version, "doubles", sleeping(BASE_S, 0.0)),
                make_current=version == 1,
                example_input=INPUT,
            )
        conn.link_model_to_app("shadow", "m")
        rounds: list[dict[str, Any]] = []
        for _ in range(max(2, bench.rounds)):
            alone = _offered(bench, conn)
            shadow = conn.start_shadow("m", 2, fraction=1)
            beside = _offered(bench, conn)
            shadow.stop()
            rounds.append({"alone": alone, "beside": beside, "seen": shadow.now["seen"]})
    times = median(ratio(each["beside"]["p99_ms"], each["alone"]["p99_ms"]) for each in rounds)
    asked = sum(each["seen"]["compared"] for each in rounds)
    shed = sum(sum(each["seen"]["shed"].values()) for each in rounds)
    sides = ("alone", "beside")
    rows = [
        [side, *(median(each[side][what] for each in rounds) for what in ("p50_ms", "p99_ms", "busy"))]
        for side in sides
    ]
    return Outcome(
        f"{RATE:,} a second, to a model that sleeps {1000 * BASE_S:g} ms a batch, and to its shadow",
        [report.table("open loop", ["", "p50 ms", "p99 ms", "frontend, of a core"], rows)],
        [
            at_most("p99 beside a shadow, in times of that without", times, 1.1),
            at_least("pairs", asked, 1),
        ],
        {"rounds": rounds, "p99_times": times, "asked": asked, "shed": shed},
        [f"{asked:,} inputs were compared, and {shed:,} left out."],
    )


def _offered(bench: Bench, conn: ClipperConnection) -> dict[str, Any]:
    """The model's answers of one round, and how much of a core the frontend used."""
    seconds = bench.lasting(bench.seconds)
    used = cpu_s(conn)
    before = used()
    seen = offer(predict_url(conn, "shadow"), [INPUT], [Phase(RATE, seconds)], objective_ms=OBJECTIVE_MS)
    found: dict[str, Any] = seen["phases"][0]["by_kind"][MODEL]
    return {**found, "busy": (used() - before) / seconds}
