"""What a query frontend counted, in Prometheus's format.

The names say what Clipper's say: `clipper_app_predictions_total` is its `app:{app}:num_predictions`, and so
on; its throughputs are the rates of counters, and its ratios their quotients.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Iterator

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from clipper_container import wire

from ..turns import Turn
from .metrics import ApplicationMetrics, ArmMetrics, Histogram, VersionMetrics

_KINDS = {
    "Counter": CounterMetricFamily,
    "Gauge": GaugeMetricFamily,
    "Histogram": HistogramMetricFamily,
    "Summary": SummaryMetricFamily,
}
KEPT_S = 1.0
SAMPLES = 20  # are written in one go


class _Only(Collector):
    """A registry of one family."""

    def __init__(self, family: Metric) -> None:
        self._family = family

    def collect(self) -> Iterator[Metric]:
        yield self._family


class Metrics:
    """All of one frontend's, by application and version. `gauges` tells of the moment."""

    def __init__(self, frontend: str) -> None:
        self.applications: dict[str, ApplicationMetrics] = {}
        self.versions: dict[tuple[str, str], VersionMetrics] = {}
        self.gauges: list[Iterable[tuple[str, str, dict[str, str], float]]] = []
        self._frontend = frontend
        self._writing: asyncio.Future[bytes] | None = None
        self._keep_until = 0.0

    def application(self, name: str) -> ApplicationMetrics:
        return self.applications.setdefault(name, ApplicationMetrics())

    def version(self, model: str, version: str) -> VersionMetrics:
        return self.versions.setdefault((model, version), VersionMetrics())

    async def text(self, *, fresh: bool = False) -> bytes:
        """In Prometheus's text format, at most a second old; `fresh` has all that came before the call.

        Made in slices, between which queries are served; whoever asks meanwhile gets the same.
        """
        loop = asyncio.get_running_loop()
        if fresh and self._writing is not None:
            await asyncio.wait([self._writing])  # it may have begun before
            self._keep_until = min(self._keep_until, loop.time())
        if self._writing is None or loop.time() >= self._keep_until:
            self._keep_until = math.inf  # while it is written
            self._writing = asyncio.ensure_future(self._write())
        return await asyncio.shield(self._writing)

    async def _write(self) -> bytes:
        loop = asyncio.get_running_loop()
        try:
            families = _Families(self._frontend)
            parts: list[bytes] = []
            turn = Turn()
            for steps in (families.of(self), families.written(parts)):
                for _ in steps:
                    await turn.pause()
            return b"".join(parts)
        finally:
            self._keep_until = loop.time() + KEPT_S


class _Families:
    """Writes series that all carry the frontend's label."""

    def __init__(self, frontend: str) -> None:
        self._frontend = frontend
        self._found: dict[str, Metric] = {}

    def of(self, metrics: Metrics) -> Iterator[None]:
        """Collects them step by step, from what may change meanwhile."""
        for name, app in list(metrics.applications.items()):
            labels = {"application": name}
            self._count("app_predictions", "Inputs answered", labels, app.answered)
            for protocol, count in app.queries.items():
                what = "Requests, by the protocol that they came by"
                self._count("app_queries", what, {**labels, "protocol": protocol}, count)
            for reason, count in app.defaults.items():
                what = "Inputs answered with the default output, by reason"
                self._count("app_default_predictions", what, {**labels, "reason": reason}, count)
            self._count("app_cancelled", "Inputs whose client went away", labels, app.cancelled)
            self._count("app_rejected", "Requests refused for overload, with 429", labels, app.rejected)
            self._count("app_bad_requests", "Requests that could not be read", labels, app.bad_requests)
            what = "From the request's arrival to its answer"
            self._observe("app_prediction_latency_seconds", what, labels, app.latency)
            if app.confidence.count:
                what = "Part of the weight of a vote that is behind what it says"
                self._observe("app_confidence", what, labels, app.confidence)
            for code, count in app.feedback.items():
                what = "Feedback, by the code with which it was refused, or accepted"
                self._count("feedback", what, {**labels, "code": code}, count)
            for asked, rewards in app.rewards.items():
                what = "Rewards that feedback brought a version"
                model, _, number = asked.partition(":")
                of = {**labels, "model": model, "version": number}
                family = self._family(SummaryMetricFamily, "feedback_reward", what, of)
                family.add_metric(self._values(of), rewards.count, rewards.sum)
            yield
            for arm, did in list(app.arms.items()):
                self._arm({**labels, "arm": arm}, did)
                yield
        for (model, number), version in list(metrics.versions.items()):
            yield from self._version({"model": model, "version": number}, version)
        for series in metrics.gauges:
            for name, what, labels, value in list(series):
                self._gauge(name, what, labels, value)
                yield

    def written(self, parts: list[bytes]) -> Iterator[None]:
        """Writes what was collected, step by step."""
        for family in self._found.values():
            samples = family.samples
            for start in range(0, len(samples), SAMPLES):
                family.samples = samples[start : start + SAMPLES]
                text = generate_latest(_Only(family))
                parts.append(text if not start else text.split(b"\n", 2)[2])  # its head stands there once
                yield

    def _arm(self, labels: dict[str, str], arm: ArmMetrics) -> None:
        self._count("arm_chosen", "Inputs for which the policy asked the arm", labels, arm.chosen)
        what = "Inputs for which it had no replica, and others were asked in its place"
        self._count("arm_skipped", what, labels, arm.skipped)
        for reason, count in arm.faults.items():
            what = "Inputs without an output of the arm, by reason"
            self._count("arm_faults", what, {**labels, "reason": reason}, count)
        self._observe(
            "arm_latency_seconds", "From an input's queueing to the arm's output", labels, arm.latency
        )

    def _version(self, labels: dict[str, str], version: VersionMetrics) -> Iterator[None]:
        self._count("model_predictions", "Inputs that the model answered", labels, version.answered)
        for reason, count in version.faults.items():
            what = "Inputs without an output, by reason"
            self._count("model_faults", what, {**labels, "reason": reason}, count)
        for reason, count in version.dispatches.items():
            what = "Batches sent, by the reason why then and so large"
            self._count("model_dispatches", what, {**labels, "reason": reason}, count)
        self._count("model_retries", "Batches run again to find a bad input", labels, version.retries)
        self._count("model_not_begun", "Inputs nobody waited for any more", labels, version.not_begun)
        self._count("model_cache_lookups", "Inputs looked up in the cache", labels, version.lookups)
        self._count("model_cache_hits", "Inputs found in the cache", labels, version.hits)
        self._count("model_cache_joined", "Inputs that joined one in flight", labels, version.joined)
        for name, what, histogram in (
            ("prediction_latency_seconds", "From an input's queueing to its output", version.latency),
            ("queue_delay_seconds", "From an input's queueing to its dispatch", version.queue_delay),
            ("compute_seconds", "The model's own time for a batch", version.compute),
            ("batch_size", "Inputs in a batch", version.batch_size),
        ):
            self._observe(f"model_{name}", what, labels, histogram)
        yield
        for called, calls in version.calls.items():
            stage = {**labels, "called": called}
            self._observe("call_latency_seconds", "From a call to its output", stage, calls.latency)
            for reason, count in calls.faults.items():
                what = "Calls without an output, by reason"
                self._count("call_faults", what, {**stage, "reason": reason}, count)
            yield
        for name, replica in list(version.replicas.items()):
            whose = {**labels, "replica": name}
            self._count("replica_predictions", "Inputs that the replica answered", whose, replica.answered)
            what = "From sending a batch to its reply"
            self._observe("replica_prediction_latency_seconds", what, whose, replica.latency)
            for metric in replica.custom:
                self._custom(metric, whose)
                yield
            yield

    def _custom(self, metric: wire.Metric, labels: dict[str, str]) -> None:
        """One of a model's own. Where two models mean different things by a name, the first one has it."""
        name, values = f"custom_{metric.name}", self._values(labels)
        kind = _KINDS.get(metric.kind)
        if kind is None or not isinstance(self._found.get(name), kind | None):
            return
        family = self._family(kind, name, metric.description.rstrip("."), labels)
        if isinstance(family, HistogramMetricFamily):
            histogram = Histogram(metric.bounds, metric.counts, metric.sum)
            family.add_metric(values, histogram.buckets(), histogram.sum)
        elif isinstance(family, SummaryMetricFamily):
            family.add_metric(values, metric.count, metric.sum)
        else:
            family.add_metric(values, metric.sum)

    def _count(self, name: str, what: str, labels: dict[str, str], value: float) -> None:
        self._family(CounterMetricFamily, name, what, labels).add_metric(self._values(labels), value)

    def _gauge(self, name: str, what: str, labels: dict[str, str], value: float) -> None:
        self._family(GaugeMetricFamily, name, what, labels).add_metric(self._values(labels), value)

    def _observe(self, name: str, what: str, labels: dict[str, str], histogram: Histogram) -> None:
        family = self._family(HistogramMetricFamily, name, what, labels)
        family.add_metric(self._values(labels), histogram.buckets(), histogram.sum)

    def _family(self, kind: type, name: str, what: str, labels: dict[str, str]):  # type: ignore[no-untyped-def]
        if name not in self._found:
            self._found[name] = kind(f"clipper_{name}", f"{what}.", labels=["frontend", *labels])
        return self._found[name]

    def _values(self, labels: dict[str, str]) -> list[str]:
        return [self._frontend, *labels.values()]
