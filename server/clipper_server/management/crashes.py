"""Crashes of replicas and query frontends: how long to wait before the next start, and who only crashes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

BACK_OFF_S = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
FRONTEND_BACK_OFF_S = (0.0, 0.0, 0.5, 1.0, 2.0, 5.0)  # nobody is answered without them
LOOP = 3  # crashes within ...
LOOP_S = 60.0  # ... so many seconds are a loop, and so long without one is the end of it


class Crashes:
    """One version's, or one query frontend's. `clock` is monotonic, in seconds.

    After so many crashes within a minute the next start waits for `back_off_s` of that number.
    """

    def __init__(self, clock: Callable[[], float], back_off_s: Sequence[float] = BACK_OFF_S) -> None:
        self._clock = clock
        self._back_off_s = back_off_s
        self._at: list[float] = []
        self.last_words = ""

    def add(self, last_words: str) -> None:
        self._forget()
        self._at = [*self._at, self._clock()][-len(self._back_off_s) :]
        self.last_words = last_words

    def may_start(self) -> bool:
        wait_s = self._back_off_s[min(len(self._at), len(self._back_off_s) - 1)]
        return not self._at or self._clock() - self._at[-1] >= wait_s

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
