"""A circuit breaker: who has failed so often in a row is left alone for a while."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

FAILURES = 5  # in a row ...
LASTING_S = 1.0  # ... over so long: what breaks all requests under way at once may be over at once
OPEN_S = 5.0  # the first time; twice as long each time that a trial fails
LONGEST_OPEN_S = 60.0


class Open(Exception):
    """The circuit is open: nothing was asked."""


class Breaker:
    """Of one server. `tell` hears in words when the circuit opens and closes, and whether it is open."""

    def __init__(self, clock: Callable[[], float], tell: Callable[[str, bool], None]) -> None:
        self._clock = clock
        self._tell = tell
        self._failures = 0
        self._first_at = 0.0
        self._last = ""
        self._opened_at: float | None = None
        self._try_at = 0.0
        self._pause_s = OPEN_S
        self._trying = False

    @contextlib.contextmanager
    def closed(self) -> Iterator[None]:
        """For one request. Raises Open where the circuit is; after a while one request is the trial."""
        trial = self._opened_at is not None
        if self._opened_at is not None:
            now = self._clock()
            if self._trying or now < self._try_at:
                raise Open(f"its circuit is open since {now - self._opened_at:.0f} s, last: {self._last}")
            self._trying = True
        try:
            yield
        finally:
            if trial:
                self._trying = False

    def answered(self) -> None:
        self._failures = 0
        if self._opened_at is not None:
            was_s = self._clock() - self._opened_at
            self._opened_at, self._pause_s = None, OPEN_S
            self._tell(f"answers again, after {was_s:.0f} s: its circuit is closed.", False)

    def failed(self, words: str) -> None:
        now = self._clock()
        self._first_at = self._first_at if self._failures else now
        self._failures += 1
        self._last = words
        if self._opened_at is not None:
            if self._trying:
                self._pause_s = min(2 * self._pause_s, LONGEST_OPEN_S)
                self._try_at = now + self._pause_s
        elif self._failures >= FAILURES and now - self._first_at >= LASTING_S:
            self._opened_at = now
            self._try_at = self._opened_at + self._pause_s
            self._tell(
                f"failed {self._failures} times in a row, last: {words}. Its circuit is open: what is asked "
                f"fails at once, and in {self._pause_s:g} s it is tried again.",
                True,
            )
