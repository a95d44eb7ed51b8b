"""Many rows in one request against one row in each: ten doubles in, their sum out."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from clipperlab import ClipperConnection
from clipperlab.deployers.python import deploy_python_closure
from clipperlab.load.http_request import post, predict

from . import report, wrk
from .bench import Bench, Outcome, at_least, at_most, medians, ratio
from .cluster import cluster, cpu_s, defaults, predict_url
from .models import summing_together

ROWS = 64
GAINS = {1: 15, 32: 5}
"""By connections: in times of single requests, the rows a second."""
REQUESTS = 100  # different ones, one after the other
SLO_MICROS = 1_000_000


def run(bench: Bench) -> Outcome:
    with cluster("rows") as conn:
        url = _serve(conn)
        rows = np.random.default_rng(0).normal(size=(REQUESTS, ROWS, 10)).round(3).tolist()
        sides = {
            1: [predict(url, request[0]) for request in rows],
            ROWS: [post(url, json.dumps({"input_batch": request}).encode()) for request in rows],
        }
        found: dict[int, dict[int, list[dict[str, Any]]]] = {n: {1: [], ROWS: []} for n in GAINS}
        for _ in range(bench.rounds):
            for connections, of in found.items():
                for size, requests in sides.items():
                    of[size].append(_measure(bench, conn, url, requests, size, connections))
        unwanted = defaults(conn, "rows")
    sums = {n: {size: medians(rounds) for size, rounds in of.items()} for n, of in found.items()}
    gains = {n: ratio(of[ROWS]["rows"], of[1]["rows"]) for n, of in sums.items()}
    table = [
        [
            f"{n} x {size}",
            of["rows"],
            of["p50_ms"],
            of["p99_ms"],
            of["cpu_micros"],
            gains[n] if size > 1 else "",
        ]
        for n, sides_of in sums.items()
        for size, of in sides_of.items()
    ]
    titles = ["connections x rows", "rows /s", "p50 ms", "p99 ms", "frontend, µs a row", "gain"]
    return Outcome(
        f"the sums of {ROWS} rows of 10 doubles, over REST, one query frontend, one replica, no cache",
        [report.table("closed loop", titles, table)],
        [
            *(
                at_least(f"{n} connections: gain of {ROWS} rows", gains[n], wanted)
                for n, wanted in GAINS.items()
            ),
            at_most("default answers", unwanted.total(), 0),
        ],
        {"rounds": found, "gains": gains, "defaults": unwanted},
    )


def _serve(conn: ClipperConnection) -> str:
    conn.register_application("rows", "doubles", -1, SLO_MICROS)
    deploy_python_closure(conn, "rows", 1, "doubles", summing_together(), example_input=[0.0] * 10)
    conn.link_model_to_app("rows", "rows")
    return predict_url(conn, "rows")


def _measure(
    bench: Bench, conn: ClipperConnection, url: str, requests: list[bytes], size: int, connections: int
) -> dict[str, Any]:
    used = cpu_s(conn)
    before = used()
    seen = wrk.measure(requests, url, connections=connections, seconds=bench.seconds, look=False)
    rows = size * seen.answers
    return {
        **seen.summary(),
        "rows": size * seen.rate,
        "cpu_micros": 1e6 * ratio(used() - before, rows),
    }
