"""Autoscaling: how many replicas the measured load wants, between a version's bounds.

Load and capacity are measured by the query frontends: inputs that come a second, and inputs that one replica
can answer a second within the objective. As many replicas are wanted as carry the load with a reserve.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import msgspec

from .state import Version

FULL = 0.8  # of their capacity is what replicas should carry
CALM_S = 30.0  # with less to do for so long, one goes
IDLE_S = 60.0  # with nothing to do for so long, all go, where the lower bound is 0
COMES_S = 600.0  # after it woke its first replica may take so long: until then it is not idle
RATE_S = 1.0  # a rate is measured over at least so long


class Load(msgspec.Struct, frozen=True):
    """What the live frontends report of one version.

    `asked` counts the inputs that came since the frontends started. `capacity` is what one replica can
    answer, in inputs a second; None where that was not measured yet. `waiting` counts inputs that wait.
    """

    asked: int
    capacity: float | None
    waiting: int


class _Measured:
    def __init__(self, asked: int, now: float) -> None:
        self.samples = [(now, asked)]
        self.needed: list[tuple[float, int]] = []  # replicas, at these times, in the last CALM_S
        self.awake_since = now
        self.busy_at = now

    def rate(self, asked: int, now: float) -> float | None:
        """Inputs a second over the last seconds."""
        if asked < self.samples[-1][1]:
            self.samples = []  # a frontend was restarted, and counts anew
        self.samples.append((now, asked))
        while len(self.samples) > 2 and now - self.samples[1][0] > RATE_S:
            self.samples.pop(0)
        began, before = self.samples[0]
        return (asked - before) / (now - began) if now - began >= RATE_S else None


class Autoscaler:
    """`clock` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._measured: dict[tuple[str, str], _Measured] = {}

    def decide(self, version: Version, load: Load, ready: int) -> tuple[int, str] | None:
        """The number of replicas that it should have from now on, and why; None where it has it."""
        bounds = version.autoscaling
        assert bounds is not None
        now = self._clock()
        key = (version.model, version.version)
        seen = self._measured.setdefault(key, _Measured(load.asked, now))
        if load.asked > seen.samples[-1][1] or load.waiting:
            seen.busy_at = now
        rate = seen.rate(load.asked, now)
        have = version.num_replicas
        if have < bounds.min_replicas:
            return bounds.min_replicas, f"its lower bound is {bounds.min_replicas}"
        if have > bounds.max_replicas:
            return bounds.max_replicas, f"its upper bound is {bounds.max_replicas}"
        if have == 0:
            # What it is measured by begins when it wakes: neither what came before it slept, nor the queries
            # that piled up at its door, are a rate at which they come.
            seen.samples = [(now, load.asked)]
            seen.needed.clear()
            seen.awake_since = now
            return (1, f"{_queries(load.waiting)} for it") if load.waiting else None
        if not ready and now - seen.awake_since < COMES_S:
            seen.busy_at = now
        if bounds.min_replicas == 0 and now - seen.busy_at >= IDLE_S:
            return 0, f"nobody has asked for {IDLE_S:.0f} s"
        if rate is None or load.capacity is None or ready < have:
            return None
        wanted = math.ceil(rate / (FULL * load.capacity)) if rate else 1
        wanted = min(max(wanted, 1, bounds.min_replicas), bounds.max_replicas)
        measured = f"{rate:,.0f} inputs a second come, and one replica answers {load.capacity:,.0f}"
        seen.needed = [(at, n) for at, n in seen.needed if now - at <= CALM_S] + [(now, wanted)]
        if wanted > have:
            return wanted, measured
        most = max(n for _, n in seen.needed)
        if most < have and now - seen.awake_since >= CALM_S:
            return most, f"{measured}, and it was no more for {CALM_S:.0f} s"
        return None

    def forget(self, versions: Iterable[Version]) -> None:
        """Remember nothing of any but these, which it scales: what was off for a while is measured anew."""
        kept = {(version.model, version.version) for version in versions}
        for key in self._measured.keys() - kept:
            del self._measured[key]


def _queries(count: int) -> str:
    return "a query waits" if count == 1 else f"{count} queries wait"
