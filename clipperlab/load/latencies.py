"""Percentiles of latencies, of all of them and not of a sample."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

PERCENTILES = {"p50_ms": 50.0, "p90_ms": 90.0, "p99_ms": 99.0, "p999_ms": 99.9}


@dataclass(frozen=True)
class Latencies:
    """Milliseconds in ascending order, and how often each was seen."""

    ms: NDArray[np.float64]
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, ms: Sequence[float] | NDArray[np.float64]) -> Latencies:
        return cls(*np.unique(np.asarray(ms, dtype=np.float64), return_counts=True))

    @property
    def count(self) -> int:
        return int(self.counts.sum())

    def percentile(self, percent: float) -> float:
        """The smallest latency that so many percent do not exceed; NaN where there is none."""
        if not self.count:
            return math.nan
        below = np.cumsum(self.counts)
        return float(self.ms[np.searchsorted(below, math.ceil(self.count * percent / 100))])

    def above(self, limit_ms: float) -> int:
        return int(self.counts[self.ms > limit_ms].sum())

    def summary(self) -> dict[str, Any]:
        found: dict[str, Any] = {name: self.percentile(percent) for name, percent in PERCENTILES.items()}
        return {"count": self.count, **found, "max_ms": self.percentile(100)}
