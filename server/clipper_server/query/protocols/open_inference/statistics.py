"""What versions did, as Triton's statistics have it.

It is counted by input, where Triton counts requests, for this query frontend, and for all applications that
ask the version. Of times there are those that inputs waited, and those that models say that batches took.
What the cache knew is a success, and no inference. An input that is the same as one under way is that one.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from ...application import Application
from ...metrics import Histogram, VersionMetrics
from .. import Served
from .finding import find

_NOTHING = {"count": 0, "ns": 0}


def statistics(served: Served, name: str | None, version: str | None = None) -> list[dict[str, Any]]:
    """Of that version, of all versions of that model, or of all models. Raises NotFound."""
    found = []
    for model, application in _applications(served, name, version):
        for each in served.versions_of(application) if version is None else [version]:
            told = [queue.metrics for queue in application.all_queues() if queue.spec.version == each]
            found.append(_told(model, each, told, application.parts.clock()))
    return found


def _applications(served: Served, name: str | None, version: str | None) -> Iterable[tuple[str, Application]]:
    return sorted(served.applications.items()) if name is None else [(name, find(served, name, version))]


def _told(name: str, version: str, did: list[VersionMetrics], now: float) -> dict[str, Any]:
    hits = sum(each.hits for each in did)
    success = _durations(each.latency for each in did)
    last = max((each.last_at for each in did if each.last_at is not None), default=None)
    return {
        "name": name,
        "version": version,
        "last_inference": 0 if last is None else round(1000 * (time.time() - (now - last))),
        "inference_count": sum(each.answered for each in did),
        "execution_count": sum(each.compute.count for each in did),
        "inference_stats": {
            "success": {**success, "count": success["count"] + hits},
            "fail": {"count": sum(each.faults.total() for each in did), "ns": 0},
            "queue": _durations(each.queue_delay for each in did),
            "compute_input": _NOTHING,
            "compute_infer": _durations(each.compute for each in did),
            "compute_output": _NOTHING,
            "cache_hit": {"count": hits, "ns": 0},
            "cache_miss": {"count": sum(each.lookups - each.hits for each in did), "ns": 0},
        },
        "batch_stats": [
            {
                "batch_size": size,
                "compute_input": _NOTHING,
                "compute_infer": {"count": count, "ns": int(seconds * 1e9)},
                "compute_output": _NOTHING,
            }
            for size, (count, seconds) in _batches(did)
        ],
    }


def _batches(did: Iterable[VersionMetrics]) -> list[tuple[int, tuple[int, float]]]:
    """Of each size that there was: how many, and how many seconds they took in sum."""
    found: dict[int, tuple[int, float]] = {}
    for each in did:
        for size, (count, seconds) in each.computed.items():
            before, total = found.get(size, (0, 0.0))
            found[size] = before + count, total + seconds
    return sorted(found.items())


def _durations(histograms: Iterable[Histogram]) -> dict[str, int]:
    found = list(histograms)
    return {"count": sum(each.count for each in found), "ns": int(sum(each.sum for each in found) * 1e9)}
