"""What it costs that an application chooses among models, or asks several: ten doubles in, their sum out."""

from __future__ import annotations

from collections.abc import Callable

from clipperlab import ClipperConnection
from clipperlab import policies as P
from clipperlab.deployers.python import deploy_python_closure
from clipperlab.load.http_request import predict

from . import report, wrk
from .bench import Bench, Outcome, at_least, at_most, ratio
from .cluster import cluster, defaults, predict_url
from .models import summing
from .wrk import Measured

CONNECTIONS = 32
INPUT = [i / 10 for i in range(1, 11)]
SLO_MICROS = 1_000_000
MEMBERS = ("a", "b", "c", "d")


def run(bench: Bench) -> Outcome:
    """All of them run at the same time: what is not asked costs nothing but its memory."""
    with cluster("policies") as conn:
        for name in MEMBERS:
            deploy_python_closure(conn, name, 1, "doubles", summing())
        deploy_python_closure(conn, "twice", 1, "doubles", summing(), num_replicas=2)
        split = P.Split({"a": 0.5, "b": 0.5})
        sides = {
            "one model": _side(bench, conn, "one", ["a"]),
            "First, two replicas": _side(bench, conn, "first", ["twice"]),
            "Split over two": _side(bench, conn, "split", ["a", "b"], split),
            # Of which the batches are as large as without a policy: what it costs to choose.
            "Split over one": _side(bench, conn, "same", ["twice"], P.Split({"twice": 0.5, "twice:1": 0.5})),
            "Split by unit": _side(bench, conn, "sticky", ["a", "b"], P.Split(split.weights, "unit")),
            "Vote of four": _side(bench, conn, "vote", MEMBERS, P.Vote(MEMBERS)),
        }
        found = bench.take_turns(sides)
        unwanted = sum(
            defaults(conn, name).total() for name in ("one", "first", "split", "same", "sticky", "vote")
        )
    split_ratio = ratio(found["Split over two"]["rate"], found["First, two replicas"]["rate"])
    same_ratio = ratio(found["Split over one"]["rate"], found["First, two replicas"]["rate"])
    vote_ratio = ratio(found["Vote of four"]["rate"], found["one model"]["rate"])
    rows = [[name, side["rate"], side["p50_ms"], side["p99_ms"]] for name, side in found.items()]
    return Outcome(
        f"the sum of 10 doubles, over REST, {CONNECTIONS} connections, one query frontend",
        [report.table("policies", ["policy", "answers a second", "p50 ms", "p99 ms"], rows)],
        [
            at_least("Split over two models: rate, as a part of that with two replicas", split_ratio, 0.95),
            at_least("Split over one model: rate, as a part of that with two replicas", same_ratio, 0.95),
            at_least("Vote of four: rate, as a part of one model's", vote_ratio, 0.3),
            at_most("default answers", unwanted, 0),
        ],
        {"sides": found, "split": split_ratio, "same": same_ratio, "vote": vote_ratio, "defaults": unwanted},
    )


def _side(
    bench: Bench,
    conn: ClipperConnection,
    application: str,
    models: tuple[str, ...] | list[str],
    policy: P.Policy | None = None,
) -> Callable[[], Measured]:
    conn.register_application(application, "doubles", -1, SLO_MICROS)
    for model in models:
        conn.link_model_to_app(application, model)
    if policy is not None:
        conn.set_policy(application, policy)
    url = predict_url(conn, application)
    return lambda: wrk.measure(
        [predict(url, INPUT)], url, connections=CONNECTIONS, seconds=bench.seconds, look=False
    )
