"""The page of the metrics: what a query frontend writes for Prometheus, where all has happened once."""

from __future__ import annotations

import asyncio
import re
from types import SimpleNamespace
from typing import Any

from clipper_server.query.configuration import _Gauges
from clipper_server.query.exposition import Metrics
from clipper_server.query.metrics import CallMetrics, ReplicaMetrics

HEAD = """# Metrics

`GET /metrics` at the query port, in Prometheus's text format. `conn.get_metrics()` has those of all query
frontends. Counters end in `_total`; histograms have `_bucket`, `_sum` and `_count`. A model's own metrics
are there as `clipper_custom_...`.

| metric | kind | what | labels |
|---|---|---|---|
"""


def page() -> str:
    text = asyncio.run(_all().text()).decode()
    rows = []
    for name, what in re.findall(r"^# HELP (\S+) (.*)$", text, re.MULTILINE):
        kind = re.findall(rf"^# TYPE {name} (\S+)$", text, re.MULTILINE)[0]
        series = re.findall(rf"^{name}(?:_bucket|_count)?{{([^}}]*)}}", text, re.MULTILINE)[0]
        labels = [label for label in re.findall(r'(\w+)="', series) if label not in ("le", "frontend")]
        rows.append(f"| `{name}` | {kind} | {what} | {', '.join(f'`{label}`' for label in labels)} |")
    return (
        HEAD
        + "\n".join(rows)
        + "\n\nEach has the label `frontend` besides: which query frontend counted it.\n"
    )


def _all() -> Metrics:
    metrics = Metrics("0")
    application = metrics.application("digits")
    application.queries["clipper"] += 1
    application.defaults["deadline"] += 1
    application.feedback["accepted"] += 1
    application.confidence.observe(0.9)
    application.rewards["digits:1"].observe(1.0)
    application.arms["digits:1"].faults["deadline"] += 1
    version = metrics.version("digits", "1")
    version.faults["deadline"] += 1
    version.dispatches["idle"] += 1
    version.calls["other"] = CallMetrics()
    version.calls["other"].faults["deadline"] += 1
    version.replicas["0"] = ReplicaMetrics()
    metrics.gauges.append(_Gauges(_a_moment()))
    return metrics


def _a_moment() -> Any:
    queue = SimpleNamespace(waiting=SimpleNamespace(count=0), ready=[])
    feedback = SimpleNamespace(
        outbox=SimpleNamespace(waiting=0, dropped=0), decisions=SimpleNamespace(uncounted=0)
    )

    class Cache(dict[str, str]):
        used = evictions = 0

    return SimpleNamespace(cache=Cache(), feedback=feedback, queues={("digits", "1"): queue})
