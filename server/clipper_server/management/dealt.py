"""Whether the requests of a rollout were dealt to both sides as the shares say."""

from __future__ import annotations

from collections.abc import Hashable

from .evidence import UNLIKE, sample_ratio

MOST = 256  # of what is counted apart, those that grew last: 64 frontends, each with 4 epochs


class Dealt:
    """Of one rollout, by the sample ratio, which may be looked at as often as one likes.

    What is counted apart is tested apart, and one of them is enough: an alarm is false in 1 of 1,000 of those
    at most.
    """

    def __init__(self) -> None:
        self._counts: dict[
            Hashable, tuple[int, int, float]
        ] = {}  # the control's, the canary's, and its share

    def add(self, control: int, canary: int, share: float, apart: Hashable) -> None:
        """So many more of each, while the canary had `share` of the queries, which is between 0 and 1.

        Those that know of each other, such as the same units in another frontend, are to be told `apart`.
        """
        if not control and not canary:
            return
        before = self._counts.pop(apart, (0, 0, share))
        self._counts[apart] = before[0] + control, before[1] + canary, share
        if len(self._counts) > MOST:
            del self._counts[next(iter(self._counts))]

    def _worst(self) -> tuple[float, tuple[int, int, float]]:
        """The evidence, and of which it is."""
        found = [
            (sample_ratio((control, canary), (1 - share, share)), (control, canary, share))
            for control, canary, share in self._counts.values()
        ]
        return max(found, default=(0.0, (0, 0, 0.5)))

    @property
    def reached(self) -> float:
        """How far the evidence that they do not fit has come on its way to an alarm, from 0 to 1."""
        return min(1.0, max(0.0, self._worst()[0] / UNLIKE))

    def unfit(self) -> str | None:
        """A sentence, where they do not fit."""
        found, (control, canary, share) = self._worst()
        if found < UNLIKE:
            return None
        return (
            f"The new version was dealt {canary:,} of {control + canary:,} requests, where its share is "
            f"{share:.0%}: both cannot be compared."
        )
