"""What versions did, as Triton's statistics have it.

It is counted by input, where Triton counts requests, for this query frontend, and for all applications that
ask the version. Of times there are those that inputs waited, and those that models say that batches took.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...application import Application
from ...metrics import Histogram, VersionMetrics
from .. import Served
from .finding import find


def statistics(served: Served, name: str | None, version: str | None = None) -> list[dict[str, Any]]:
    """Of that version, of all versions of that model, or of all models. Raises NotFound."""
    found = []
    for model, application in _applications(served, name, version):
        for each in served.versions_of(application) if version is None else [version]:
            told = [queue.metrics for queue in application.all_queues() if queue.spec.version == each]
            found.append(_told(model, each, told))
    return found


def _applications(served: Served, name: str | None, version: str | None) -> Iterable[tuple[str, Application]]:
    return sorted(served.applications.items()) if name is None else [(name, find(served, name, version))]


def _told(name: str, version: str, did: list[VersionMetrics]) -> dict[str, Any]:
    return {
        "name": name,
        "version": version,
        "last_inference": 0,
        "inference_count": sum(each.answered for each in did),
        "execution_count": sum(each.compute.count for each in did),
        "inference_stats": {
            "success": _durations(each.latency for each in did),
            "fail": {"count": sum(each.faults.total() for each in did), "ns": 0},
            "queue": _durations(each.queue_delay for each in did),
            "compute_input": {"count": 0, "ns": 0},
            "compute_infer": _durations(each.compute for each in did),
            "compute_output": {"count": 0, "ns": 0},
            "cache_hit": {"count": sum(each.hits for each in did), "ns": 0},
            "cache_miss": {"count": sum(each.lookups - each.hits for each in did), "ns": 0},
        },
        "batch_stats": [],
    }


def _durations(histograms: Iterable[Histogram]) -> dict[str, int]:
    found = list(histograms)
    return {"count": sum(each.count for each in found), "ns": int(sum(each.sum for each in found) * 1e9)}
