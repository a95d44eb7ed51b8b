"""Clients that ask again as soon as they are answered: how many they are, and how soon they are back.

Many models take for a hundred inputs what they take for one. Where the answers of a batch bring the next
queries, a replica that begins at once with what waits already splits the crowd in two, and each half waits
while the other one is served. So a batch is held for those who are on their way, as long as all together
are answered sooner for it. Clients that come of themselves, at whatever rate, seldom come at once after an
answer: little is held for them.
"""

from __future__ import annotations

from collections.abc import Callable

_WEIGHT = 0.25  # of the last batch in how many come back
# A batch that goes too soon splits the crowd; one that would go too late goes when all are back.
_LONGER, _SHORTER = 0.5, 0.05
_MOST = 0.9  # of those that come back are back in `back_s`, ...
_LATE = 1.25  # ... and who is not in so many times of it is not worth waiting for
_AGAIN = 2.0  # a crowd that is brought together stays together: it gains more than once


class Crowd:
    """Looks at when queries come after the last batch was answered."""

    def __init__(self) -> None:
        self.back_s = 0.0  # in which most of them are back, ...
        self._share = 0.0  # ... of which there are so many for each that was answered
        self._answered_at = 0.0
        self._answered = 0
        self._came: list[float] = []  # seconds after the answers

    def came(self, now: float, count: int = 1) -> None:
        """So many inputs came."""
        if (room := 2 * self._answered - len(self._came)) > 0:
            self._came += [now - self._answered_at] * (count if count < room else room)

    def answered(self, now: float, count: int) -> None:
        """A batch was answered, of so many queries."""
        if self._answered:
            back = min(len(self._came), self._answered)
            self._share += _WEIGHT * (back / self._answered - self._share)
            if back:
                off_s = self._came[int(_MOST * (back - 1))] - self.back_s
                self.back_s += (_LONGER if off_s > 0 else _SHORTER) * off_s
        self._answered_at = now
        self._answered = count
        self._came.clear()

    def missing(self, now: float) -> tuple[float, float]:
        """How many of those that were answered are still to come back, and in how many seconds."""
        missing = self._share * self._answered - len(self._came)
        passed_s = now - self._answered_at
        back_in_s = self.back_s - passed_s
        return missing, back_in_s if back_in_s > 0 else _LATE * self.back_s - passed_s

    def after(self, count: int) -> tuple[float, float]:
        """How many will come back after so many answers, and in how many seconds."""
        return self._share * count, self.back_s


def worth_holding(
    seconds: Callable[[float], float | None], waiting: float, missing: float, hold_s: float
) -> bool:
    """Whether all are answered sooner, taken together, if a batch is held until the missing are there.

    `seconds` is what a batch of a cost takes. Those that wait lose what the others gain, now and later.
    """
    alone_s, rest_s, all_s = seconds(waiting), seconds(missing), seconds(waiting + missing)
    if alone_s is None or rest_s is None or all_s is None:
        return False
    lost_s = hold_s + all_s - alone_s
    gained_s = alone_s + rest_s - hold_s - all_s
    return _AGAIN * missing * gained_s > waiting * lost_s
