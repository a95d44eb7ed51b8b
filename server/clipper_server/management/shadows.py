"""What is known of shadows, from the pairs in the query log."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter

from typing_extensions import TypedDict

from ..querylog import Dropped, Pair, Record, Said, Shed
from ..snapshot import LATENCIES_S
from .series import percentile

Z = 1.96
"""Of an interval that holds 95 times in 100."""


class Tally(TypedDict):
    """Pairs, by what came of them.

    `agreement` is `same` of the `compared`, from 0 to 1, and `low` to `high` its 95 % interval. `failed` are
    pairs in which the shadow had no answer, by reason; `mended` those in which it alone had one. `shed` are
    inputs that it was not asked, by reason. Milliseconds are None where nothing was measured.
    """

    compared: int
    same: int
    agreement: float | None
    low: float | None
    high: float | None
    failed: dict[str, int]
    mended: int
    shed: dict[str, int]
    before_ms: dict[str, float | None]
    after_ms: dict[str, float | None]


class _Counts:
    def __init__(self) -> None:
        self.compared = self.same = self.mended = 0
        self.failed: Counter[str] = Counter()
        self.shed: Counter[str] = Counter()
        self.before = [0] * (len(LATENCIES_S) + 1)
        self.after = [0] * (len(LATENCIES_S) + 1)

    def add(self, pair: Pair) -> None:
        if pair.after.reason:
            self.failed[pair.after.reason] += 1
        elif pair.before.reason:
            self.mended += 1
        else:
            self.compared += 1
            self.same += pair.same
        _observe(self.before, pair.before)
        _observe(self.after, pair.after)


class Tallies:
    """One a shadow, of what the query log has had of it since it, or this process, began."""

    def __init__(self) -> None:
        self.dropped = 0
        self._counts: dict[int, _Counts] = {}

    def add(self, record: Record) -> None:
        if isinstance(record, Pair):
            self._of(record.shadow).add(record)
        elif isinstance(record, Shed):
            self._of(record.shadow).shed.update(record.reasons)
        elif isinstance(record, Dropped):
            self.dropped += record.count

    def _of(self, shadow: int) -> _Counts:
        return self._counts.setdefault(shadow, _Counts())

    def of(self, shadow: int) -> Tally:
        counts = self._of(shadow)
        low, high = interval(counts.same, counts.compared)
        return {
            "compared": counts.compared,
            "same": counts.same,
            "agreement": counts.same / counts.compared if counts.compared else None,
            "low": low,
            "high": high,
            "failed": dict(counts.failed),
            "mended": counts.mended,
            "shed": dict(counts.shed),
            "before_ms": _percentiles(counts.before),
            "after_ms": _percentiles(counts.after),
        }


def interval(successes: int, trials: int) -> tuple[float | None, float | None]:
    """Wilson's, of a share: it never leaves 0 to 1, and is right for few trials, too."""
    if not trials:
        return None, None
    share = successes / trials
    middle = share + Z * Z / (2 * trials)
    half = Z * math.sqrt(share * (1 - share) / trials + Z * Z / (4 * trials * trials))
    whole = 1 + Z * Z / trials
    return max(0.0, (middle - half) / whole), min(1.0, (middle + half) / whole)


def _observe(counts: list[int], said: Said) -> None:
    if said.ms is not None and not said.reason:
        counts[bisect_left(LATENCIES_S, said.ms / 1000)] += 1


def _percentiles(counts: list[int]) -> dict[str, float | None]:
    return {f"p{percent}": percentile(counts, percent) for percent in (50, 95, 99)}
