"""Two replicas of one model, one of them three times slower: who gets how much."""

from __future__ import annotations

from clipperlab import ClipperConnection
from clipperlab.deployers.python import deploy_python_closure
from clipperlab.load.http_request import predict
from tests.support.waiting import wait_for

from . import report, wrk
from .bench import Bench, Outcome, at_least, ratio
from .cluster import cluster, defaults, predict_url
from .models import uneven

BASE_S, EACH_S = 0.002, 0.0002
FAST, SLOW, TIMES_SLOWER = "0", "1", 3.0
CONNECTIONS = 64
SLO_MICROS = 100_000
INPUT = [0.0]


def run(bench: Bench) -> Outcome:
    with cluster("replicas") as conn:
        conn.register_application("uneven", "doubles", -1.0, SLO_MICROS)
        model = uneven(BASE_S, EACH_S, SLOW, TIMES_SLOWER)
        deploy_python_closure(conn, "uneven", 1, "doubles", model, num_replicas=2, example_input=INPUT)
        conn.link_model_to_app("uneven", "uneven")
        url = predict_url(conn, "uneven")
        seconds = bench.seconds * bench.rounds
        seen = wrk.measure([predict(url, INPUT)], url, connections=CONNECTIONS, seconds=seconds, look=True)
        # Frontends tell management what they have counted only now and then.
        answered = seen.answers - seen.others.total()
        served = wait_for("all answers to be counted", lambda: _counted(conn, answered))
        unwanted = defaults(conn, "uneven")
    share = ratio(served[FAST], served[SLOW])
    return Outcome(
        f"{BASE_S * 1e3:g} ms + {EACH_S * 1e3:g} ms an input, and {TIMES_SLOWER:g} times as much; "
        f"{CONNECTIONS} connections, {seconds} s, {seen.rate:,.0f} answers a second",
        [report.table("replicas", ["replica", "inputs"], [["fast", served[FAST]], ["slow", served[SLOW]]])],
        [at_least("inputs of the fast one, in times of the slow one's", share, 2.5)],
        {**seen.summary(), "served": served, "ratio": share, "defaults": unwanted},
    )


def _counted(conn: ClipperConnection, answered: int) -> dict[str, int]:
    """Inputs by replica; nothing before there are so many."""
    replicas = conn.get_all_model_replicas(verbose=True)
    served = {replica["model_replica_id"]: replica["num_predictions"] for replica in replicas}
    return served if sum(served.values()) >= answered else {}
