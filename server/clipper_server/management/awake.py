"""A clock for the silence of others: it stands still while this process does."""

from __future__ import annotations

from collections.abc import Callable

LOOKS_S = 1.0


class Awake:
    """Seconds, by `clock`, of which at most LOOKS_S count from one call to the next.

    Somebody calls it more often than that, unless the process was held up: by a disk that took its time over
    a commit, by a machine that stood still. What others said meanwhile has yet to be read then.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._looked_at = clock()
        self._now = 0.0

    def __call__(self) -> float:
        at = self._clock()
        self._now += min(at - self._looked_at, LOOKS_S)
        self._looked_at = at
        return self._now
