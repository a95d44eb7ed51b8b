"""The cost of everything but a model: ten doubles in, their sum out."""

from __future__ import annotations

from clipperlab import ClipperConnection
from clipperlab.deployers.python import deploy_python_closure
from clipperlab.load.http_request import predict

from . import report
from .bench import Bench, Outcome, at_least, at_most
from .cluster import cluster, defaults, predict_url
from .models import summing

CONNECTIONS = (1, 8, 32, 128, 256)
INPUT = [i / 10 for i in range(1, 11)]
SLO_MICROS = 1_000_000


def run(bench: Bench) -> Outcome:
    with cluster("noop") as conn:
        url = serve(conn)
        ours, echoed = [predict(url, INPUT)], [predict(bench.echo_url, INPUT)]
        rows = [bench.against_echo(ours, echoed, url, n) for n in bench.some(CONNECTIONS)]
        unwanted = defaults(conn, "noop")
    by_connections = {row["connections"]: row for row in rows}
    targets = [at_most("default answers", unwanted.total(), 0)]
    if 32 in by_connections:
        rate = by_connections[32]["rate_ratio"]
        targets.append(at_least("32 connections: rate, as a part of the echo's", rate, 0.6))
    if 1 in by_connections:
        p50 = by_connections[1]["p50_ratio"]
        targets.append(at_most("1 connection: p50, in times of the echo's", p50, 3))
    return Outcome(
        "the sum of 10 doubles, over REST, one query frontend, one replica",
        [report.against_echo("closed loop", rows)],
        targets,
        {"rows": rows, "defaults": unwanted},
    )


def serve(conn: ClipperConnection) -> str:
    """Deploy it behind the application noop; where it answers."""
    conn.register_application("noop", "doubles", -1, SLO_MICROS)
    deploy_python_closure(conn, "noop", 1, "doubles", summing())
    conn.link_model_to_app("noop", "noop")
    return predict_url(conn, "noop")
