"""A model's own metrics: `add_metric` once, `report_metric` from within the function that answers.

They appear on the query frontend's /metrics as `clipper_custom_<name>`, with the labels model, version and
replica. In a notebook both functions check what they are given and keep it, and nobody asks for it.
"""

from __future__ import annotations

import math
import os
import re
import threading
from bisect import bisect_left
from collections.abc import Sequence

from .errors import AlreadyExists, BadRequest, NotFound
from .faults import safe
from .wire import Metric

MOST = 100  # metrics of one replica
MAX_BUCKETS = 200  # of one of them
MOST_DESCRIBED = 1000  # characters
KINDS = ("Counter", "Gauge", "Histogram", "Summary")
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,99}")


class Metrics:
    """Those of one process. May be used from any thread."""

    def __init__(self) -> None:
        self._metrics: dict[str, Metric] = {}
        self._changed = False
        self._lock = threading.Lock()

    def add(self, name: str, kind: str, description: str, buckets: Sequence[float] | None = None) -> None:
        """Raises BadRequest, or AlreadyExists where the name has another kind."""
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise BadRequest(
                f"{name!r:.200} cannot be the name of a metric: take letters, digits and _, no digit first."
            )
        if kind not in KINDS:
            raise BadRequest(f"There is no kind of metric {kind!r}. Choose one of: {', '.join(KINDS)}.")
        if buckets is not None and kind != "Histogram":
            raise BadRequest(f"Only a Histogram has buckets; {name} is a {kind}.")
        given = (BUCKETS if buckets is None else buckets) if kind == "Histogram" else ()
        bounds = sorted(set(map(float, given)))
        if len(bounds) > MAX_BUCKETS or not all(map(math.isfinite, bounds)):
            raise BadRequest(f"The buckets of {name} must be at most {MAX_BUCKETS} finite numbers.")
        # One line of text: it ends up in a format of lines.
        described = safe(" ".join(str(description).split()), MOST_DESCRIBED)
        with self._lock:
            known = self._metrics.get(name)
            if known is not None and (known.kind, known.bounds) != (kind, bounds):
                raise AlreadyExists(f"The metric {name} is a {known.kind} already. Use another name.")
            if known is None and len(self._metrics) == MOST:
                raise BadRequest(f"A model has {MOST} metrics at most. Use fewer names.")
            if known is None:
                counts = [0] * (len(bounds) + 1)
                self._metrics[name] = Metric(name, kind, described, bounds, counts)
                self._changed = True

    def report(self, name: str, value: float) -> None:
        """Raises NotFound where it was not added, and BadRequest for what it cannot take."""
        number = float(value)
        with self._lock:
            metric = self._metrics.get(name)
            if metric is None:
                known = ", ".join(self._metrics) or "none yet"
                raise NotFound(f"There is no metric {name!r}: add_metric makes it. Metrics: {known}.")
            if not math.isfinite(number if metric.kind == "Gauge" else metric.sum + number):
                raise BadRequest(f"{name} cannot take {number}: metrics are finite numbers.")
            if metric.kind == "Gauge":
                metric.sum = number
            elif metric.kind == "Counter" and number < 0:
                raise BadRequest(f"The counter {name} cannot go down, by {number:g}. A Gauge can.")
            else:
                metric.sum += number
                metric.count += 1
                if metric.bounds:
                    metric.counts[bisect_left(metric.bounds, number)] += 1
            self._changed = True

    def touch(self) -> None:
        """Whoever asks next does not know them."""
        self._changed = bool(self._metrics)

    def news(self) -> list[Metric] | None:
        """All of them, where one changed since the last time."""
        if not self._changed:
            return None
        with self._lock:
            self._changed = False
            return [
                Metric(m.name, m.kind, m.description, m.bounds, list(m.counts), m.sum, m.count)
                for m in self._metrics.values()
            ]

    def leave_to_parent(self) -> None:
        """In a forked child, whose other threads are gone, and perhaps with the lock."""
        self._lock = threading.Lock()


ours = Metrics()
os.register_at_fork(after_in_child=ours.leave_to_parent)


def add_metric(
    metric_name: str,
    metric_type: str,
    metric_description: str,
    histogram_bucket: Sequence[float] | None = None,
) -> None:
    """Make a metric: a "Counter", a "Gauge", a "Histogram" (with its upper bounds) or a "Summary".

    The same again is no error. Raises BadRequest, or AlreadyExists.
    """
    ours.add(metric_name, metric_type, metric_description, histogram_bucket)


def report_metric(metric_name: str, metric_data: float) -> None:
    """Add to a counter, set a gauge, or observe. Raises NotFound where the metric was not added."""
    ours.report(metric_name, metric_data)
