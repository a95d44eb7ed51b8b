"""What learning costs: choosing by what was learned, feedback beside queries, and feedback by input."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psutil
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier

from clipperlab import ClipperConnection, ProcessContainerManager
from clipperlab import policies as P
from clipperlab.deployers.python import deploy_python_closure
from clipperlab.deployers.sklearn import deploy_sklearn_model
from clipperlab.load.http_request import post, predict

from . import report, wrk
from .bench import Bench, Outcome, at_least, at_most, medians, ratio
from .cluster import cluster, predict_url
from .models import summing
from .telling import Telling, tokens

CONNECTIONS = 32
INPUT = [i / 10 for i in range(1, 11)]
SLO_MICROS = 1_000_000
BESIDE = 1000
"""Feedbacks a second, beside as many queries as come."""
ALONE = 5000
CACHE_SIZE = 32 << 20
TREES = 20
IMAGES = 100
WRITTEN_S = 20

Found = dict[str, Any]


def run(bench: Bench) -> Outcome:
    with cluster("feedback") as conn:
        deploy_python_closure(conn, "m", 1, "doubles", summing(), num_replicas=2)
        # Both arms are one version, so that batches are as large as without a policy.
        learner = P.Thompson(arms=["m", "m:1"])
        queries = _take_turns(
            bench,
            {
                "no policy": _asked(bench, conn, "plain", None),
                "a split": _asked(bench, conn, "splits", P.Split({"m": 0.5, "m:1": 0.5})),
                "a learner": _asked(bench, conn, "learns", learner),
                f"the same, with {BESIDE:,} feedbacks a second": _asked(bench, conn, "told", learner, BESIDE),
            },
        )
        alone = _take_turns(bench, {"alone": lambda: _told(bench, conn)})["alone"]
    with _updates(bench, "cached", CACHE_SIZE) as through, _updates(bench, "uncached", 0) as past:
        updates = _take_turns(bench, {"through the cache": through, "without a cache": past})
    plain, _, learns, told = queries.values()
    cached, uncached = updates.values()
    rates = [ratio(side["rate"], plain["rate"]) for side in (learns, told)]
    costs = [ratio(side["core_us"], plain["core_us"]) for side in (learns, told)]
    return Outcome(
        f"over REST, {CONNECTIONS} connections, one query frontend",
        [
            _table("queries: the sum of 10 doubles", "answers a second", queries),
            report.table(
                f"{ALONE:,} feedbacks a second, by token, and nothing else",
                ["", "of a core"],
                [[who, report.percent(alone[who])] for who in ("management", "query frontend")],
            ),
            _table(
                f"feedback by input, for a vote of two forests of {TREES} trees", "updates a second", updates
            ),
        ],
        [
            at_least("a learner: rate, as a part of that without a policy", rates[0], 0.95),
            at_least("the same, with feedback", rates[1], 0.88),
            at_most("a learner: the frontend's time for an answer, in times", costs[0], 1.05),
            at_most("the same, with feedback", costs[1], 1.12),
            at_most(f"management at {ALONE:,} feedbacks a second, of a core", alone["management"], 0.15),
            at_most("how late feedback was sent, in seconds", alone["late_s"], 1),
            at_most("feedbacks that were not written", alone["lost"], 0),
            at_least("updates through the cache, in times", ratio(cached["rate"], uncached["rate"]), 1.5),
        ],
        {"queries": queries, "alone": alone, "updates": updates},
        ["The frontend's time depends less than rates do on what else the machine does."],
    )


def _take_turns(bench: Bench, sides: Mapping[str, Callable[[], Found]]) -> dict[str, Found]:
    """As `Bench.take_turns` does it."""
    rounds: dict[str, list[Found]] = {name: [] for name in sides}
    for _ in range(bench.rounds):
        for name, measure in sides.items():
            rounds[name].append(measure())
    return {name: {**medians(found), "rounds": found} for name, found in rounds.items()}


def _table(title: str, what: str, sides: Mapping[str, Found]) -> Any:
    columns = ["", what, "frontend's µs each", "p50", "p99"]
    rows = [
        [name, side["rate"], side["core_us"], report.ms(side["p50_ms"]), report.ms(side["p99_ms"])]
        for name, side in sides.items()
    ]
    return report.table(title, columns, rows)


def _measured(bench: Bench, conn: ClipperConnection, requests: list[bytes], url: str) -> Found:
    """A closed loop, and how long the frontend was at work for each answer."""
    frontend = conn.status()["frontends"][0]["pid"]
    before = _used(frontend)
    seen = wrk.measure(requests, url, connections=CONNECTIONS, seconds=bench.seconds, look=False)
    return {**seen.summary(), "core_us": 1e6 * (_used(frontend) - before) / max(1, seen.answers)}


def _asked(
    bench: Bench, conn: ClipperConnection, application: str, policy: P.Policy | None, told: int = 0
) -> Callable[[], Found]:
    """Queries, while so many answers a second that were given before get feedback."""
    conn.register_application(application, "doubles", -1, SLO_MICROS)
    conn.link_model_to_app(application, "m")
    if policy is not None:
        conn.set_policy(application, policy)
    url = predict_url(conn, application)
    request = predict(url, INPUT)

    def ask() -> Found:
        known = tokens(url, request, told * bench.seconds) if told else []
        with Telling(url, known, told):
            return _measured(bench, conn, [request], url)

    return ask


@contextmanager
def _updates(bench: Bench, name: str, cache_size: int) -> Iterator[Callable[[], Found]]:
    """Feedback by input, which the models are asked again: the same images over and over."""
    images, digits = load_digits(return_X_y=True)
    with cluster(name, cache_size=cache_size) as conn:
        conn.register_application("vote", "doubles", -1, SLO_MICROS)
        for seed, member in enumerate("ab"):
            forest = RandomForestClassifier(TREES, random_state=seed).fit(images, digits)
            deploy_sklearn_model(conn, member, 1, "doubles", forest, example_input=images[0])
            conn.link_model_to_app("vote", member)
        conn.set_policy("vote", P.Vote(["a", "b"], weights="learned"))
        url = f"http://{conn.get_query_addr()}/vote/update"
        known = zip(images[:IMAGES].tolist(), digits[:IMAGES].tolist(), strict=True)
        bodies = [json.dumps({"input": image, "label": digit}) for image, digit in known]
        requests = [post(url, body.encode()) for body in bodies]
        yield lambda: _measured(bench, conn, requests, url)


def _told(bench: Bench, conn: ClipperConnection) -> Found:
    """Feedback alone: what of a core each process used for it, and how much of it was not written."""
    url = predict_url(conn, "learns")
    known = tokens(url, predict(url, INPUT), ALONE * bench.seconds)
    assert isinstance(conn.cm, ProcessContainerManager)
    record = json.loads((conn.cm.folder / "cluster.json").read_text())
    pids = {"management": record["pid"], "query frontend": conn.status()["frontends"][0]["pid"]}
    before, used = _joined(conn), {who: _used(pid) for who, pid in pids.items()}
    with Telling(url, known, ALONE) as telling:
        telling.wait()
    give_up = time.monotonic() + WRITTEN_S
    while _joined(conn) < before + len(known) and time.monotonic() < give_up:
        time.sleep(0.1)
    found: Found = {who: (_used(pid) - used[who]) / telling.seconds for who, pid in pids.items()}
    return {**found, "late_s": telling.late_s, "lost": before + len(known) - _joined(conn)}


def _joined(conn: ClipperConnection) -> int:
    return conn.learned("learns").now["joined"]


def _used(pid: int) -> float:
    """Seconds of a core."""
    return sum(psutil.Process(pid).cpu_times()[:2])
