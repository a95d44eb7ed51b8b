"""What an open loop saw: for each request when it was sent, when its answer came, and what that was."""

from __future__ import annotations

import math
from array import array
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .latencies import Latencies

MODEL = "model"
NONE = "no answer"
LOST = "connection lost"
WINDOW_S = 0.1
PERCENTS = (1, 5, 10, 25, 50, 75, 90, 95, 99, 99.9)


class Answers:
    """Of so many requests, by number. Times are in seconds after the schedule's beginning."""

    def __init__(self, count: int) -> None:
        self._kinds = [NONE]
        self._number_of = {NONE: 0}
        self._sent = array("d", [math.inf]) * count
        self._came = array("d", [math.inf]) * count
        self._kind = array("b", bytes(count))

    def sent(self, number: int, now: float) -> None:
        self._sent[number] = now

    def settle(self, number: int, now: float, kind: str) -> None:
        self._came[number] = now
        if kind not in self._number_of:
            self._number_of[kind] = len(self._kinds)
            self._kinds.append(kind)
        self._kind[number] = self._number_of[kind]

    def summary(
        self, times: NDArray[np.float64], chosen: NDArray[np.bool_], seconds: float, objective_ms: float
    ) -> dict[str, Any]:
        """Of the chosen requests. Without an answer the latency is infinite: null, in the file."""
        kinds, latency_ms = self._arrays(times)
        kinds, latency_ms = kinds[chosen], latency_ms[chosen]
        by_kind = {
            name: Latencies.of(latency_ms[kinds == number]).summary()
            for name, number in self._number_of.items()
            if (kinds == number).any()
        }
        others = (kinds != self._number_of.get(MODEL, -1)) & (kinds != 0)
        good = int(self._good(kinds, latency_ms, objective_ms).sum())
        return {
            "offered": len(kinds),
            "good": good,
            "good_share": good / max(1, len(kinds)),
            "good_rate": good / seconds,
            "all": Latencies.of(latency_ms).summary(),
            "others": Latencies.of(latency_ms[others]).summary(),
            "distribution": [Latencies.of(latency_ms).percentile(percent) for percent in PERCENTS],
            "by_kind": by_kind,
        }

    def windows(self, times: NDArray[np.float64], objective_ms: float) -> list[dict[str, Any]]:
        """A series over time, by when requests were to be sent: the later, the larger their number.

        Without an answer the latency is infinite.
        """
        kinds, latency_ms = self._arrays(times)
        good = self._good(kinds, latency_ms, objective_ms)
        windows, begins = np.unique((times / WINDOW_S).astype(int), return_index=True)
        found = []
        for window, begin, end in zip(windows, begins, [*begins[1:], len(times)], strict=True):
            here = slice(begin, end)
            latencies = Latencies.of(latency_ms[here])
            found.append(
                {
                    "at_s": float(window * WINDOW_S),
                    "offered": latencies.count,
                    "good": int(good[here].sum()),
                    "p50_ms": latencies.percentile(50),
                    "p99_ms": latencies.percentile(99),
                }
            )
        return found

    def lag(self, times: NDArray[np.float64], count: int) -> dict[str, float]:
        """How late the first `count` were sent: for want of a connection, or of time to send them."""
        lag = Latencies.of(1e3 * np.maximum(0.0, np.array(self._sent[:count]) - times))
        return {"lag_p50_ms": lag.percentile(50), "lag_p99_ms": lag.percentile(99)}

    def _arrays(self, times: NDArray[np.float64]) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
        return np.array(self._kind, dtype=np.int8), 1e3 * (np.array(self._came) - times)

    def _good(
        self, kinds: NDArray[np.int8], latency_ms: NDArray[np.float64], objective_ms: float
    ) -> NDArray[np.bool_]:
        good: NDArray[np.bool_] = (kinds == self._number_of.get(MODEL, -1)) & (latency_ms <= objective_ms)
        return good
