"""Crashes of replicas: how long to wait before the next start, and which versions do nothing but crash."""

from __future__ import annotations

from collections.abc import Callable

BACK_OFF_S = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
LOOP = 3  # crashes within ...
LOOP_S = 60.0  # ... so many seconds are a loop, and so long without one is the end of it


class Crashes:
    """One version's. `clock` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._at: list[float] = []
        self.last_words = ""

    def add(self, last_words: str) -> None:
        self._forget()
        self._at = [*self._at, self._clock()][-len(BACK_OFF_S) :]
        self.last_words = last_words

    def may_start(self) -> bool:
        back_off_s = BACK_OFF_S[min(len(self._at), len(BACK_OFF_S) - 1)]
        return not self._at or self._clock() - self._at[-1] >= back_off_s

    @property
    def looping(self) -> bool:
        self._forget()
        return len(self._at) >= LOOP

    @property
    def recent(self) -> str:
        """The last words of one that crashed in the last minute; "" where none did."""
        self._forget()
        return self.last_words if self._at else ""

    def _forget(self) -> None:
        """A replica that has run for a while has not crashed in a loop."""
        if self._at and self._clock() - self._at[-1] > LOOP_S:
            self._at.clear()
