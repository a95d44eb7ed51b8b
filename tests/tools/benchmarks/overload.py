"""Three times more than can be served: what is served all the same, how fast the rest is told, and after."""

from __future__ import annotations

from typing import Any

from clipperlab.deployers.python import deploy_python_closure
from clipperlab.load.answers import MODEL
from clipperlab.load.schedule import Phase

from . import report
from .bench import Bench, Outcome, at_least, at_most
from .cluster import cluster, predict_url
from .models import sleeping
from .offered import offer
from .windows import first_well

EACH_S = 0.001
CAPACITY = 1 / EACH_S
OBJECTIVE_MS = 100
QUIET, FLOOD = 100, 3000  # requests a second
BEFORE_S, FLOOD_S, AFTER_S = 5, 20, 5
NORMAL = 2  # times what was usual before
INPUT = [0.0]


def run(bench: Bench) -> Outcome:
    lengths = [bench.lasting(seconds) for seconds in (BEFORE_S, FLOOD_S, AFTER_S)]
    phases = [Phase(rate, s) for rate, s in zip((QUIET, FLOOD, QUIET), lengths, strict=True)]
    with cluster("overload") as conn:
        conn.register_application("overload", "doubles", -1.0, OBJECTIVE_MS * 1000)
        model = sleeping(0.0, EACH_S)
        deploy_python_closure(conn, "overload", 1, "doubles", model, example_input=INPUT)
        conn.link_model_to_app("overload", "overload")
        seen = offer(predict_url(conn, "overload"), [INPUT], phases, objective_ms=OBJECTIVE_MS)
    flood = seen["phases"][1]
    well_after_s = recovery(seen["windows"], begins_s=lengths[0], ends_s=lengths[0] + lengths[1])
    rows = [
        [what, phase["rate"], kind, answers["count"]]
        + [report.ms(answers[name]) for name in ("p50_ms", "p99_ms", "max_ms")]
        for what, phase in zip(("before", "overload", "after"), seen["phases"], strict=True)
        for kind, answers in phase["by_kind"].items()
    ]
    served = flood["good_rate"] / CAPACITY
    model_answers = flood["by_kind"].get(MODEL, {}).get("count", 0)
    return Outcome(
        f"{FLOOD:,} a second for {lengths[1]} s, to a model that can do {CAPACITY:,.0f}; "
        f"objective {OBJECTIVE_MS} ms",
        [report.table("open loop", ["", "offered /s", "answer", "count", "p50", "p99", "max"], rows)],
        [
            at_least("served within the objective, as a part of what can be", served, 0.85),
            at_most("seconds until p99 is normal again", well_after_s, 1),
        ],
        {**seen, "served_share": served, "well_after_s": well_after_s},
        [f"{flood['good_rate']:,.0f} a second were served within the objective, {model_answers:,} in all."],
    )


def recovery(windows: list[dict[str, Any]], *, begins_s: float, ends_s: float) -> float:
    """How long after the flood the p99 of short windows is what it was before; NaN if it never is."""
    before = [w["p99_ms"] for w in windows if w["at_s"] < begins_s and w["p99_ms"] is not None]
    after = [w for w in windows if w["at_s"] >= ends_s - 1e-6]
    if not before:
        return float("nan")
    # The first second opens the connections, and wakes what slept.
    usual_ms = max(before[len(before) // 2 :])
    here = first_well(
        after,
        lambda w: w["good"] == w["offered"] and w["p99_ms"] is not None and w["p99_ms"] <= NORMAL * usual_ms,
    )
    return float("nan") if here is None else float(after[here]["at_s"]) - ends_s
