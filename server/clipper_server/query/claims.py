"""Claims on credits, where queries wait and none is left: upon a few replicas, and more while none comes.

Whoever is asked takes its credits from a frontend that may want them next. Were all asked for every query,
many frontends with many replicas would do little else.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence, Sized
from typing import Protocol

FIRST = 2  # replicas are asked at once, and each time twice as many
AGAIN_S = 2e-3


class Asked(Protocol):
    asking: bool
    concurrency: int

    @property
    def in_flight(self) -> Sized: ...

    def ask_for_credit(self) -> None: ...


class Claims:
    """`choose` draws so many of them by chance: frontends that want something want it of different ones."""

    def __init__(self, choose: Callable[[Sequence[Asked], int], list[Asked]] = random.sample) -> None:
        self._choose = choose
        self._count = FIRST
        self._next_at = 0.0

    def ask(self, ready: Sequence[Asked], now: float) -> float | None:
        """Ask as many as it is time for. Returns when it is time for more; None where all are asked."""
        if now >= self._next_at:
            left = [r for r in ready if len(r.in_flight) < r.concurrency and not r.asking]
            if not left:
                return None
            for replica in left if len(left) <= self._count else self._choose(left, self._count):
                replica.ask_for_credit()
            self._count *= 2
            self._next_at = now + AGAIN_S
        return self._next_at

    def stop(self) -> None:
        """A credit has come."""
        self._count, self._next_at = FIRST, 0.0
