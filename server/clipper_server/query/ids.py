"""The ids of queries, which are consecutive within a request."""

from __future__ import annotations

from ..snapshot import MAX_FRONTENDS

_EPOCH_S = 1_767_225_600  # 2026-01-01


class Ids:
    """Of one frontend, which began at `now`. One id is `STEP` more than the one before.

    The seconds since an epoch, then a counter, then the frontend in six bits: unique over restarts and
    frontends, up to 65,536 inputs a second at each, and safe as a JavaScript number until 2094.
    """

    STEP = MAX_FRONTENDS

    def __init__(self, frontend: int, now: float) -> None:
        self._next = (int(now) - _EPOCH_S) << 22 | frontend

    def take(self, count: int = 1) -> int:
        """The first one of so many."""
        first = self._next
        self._next = first + count * self.STEP
        return first
