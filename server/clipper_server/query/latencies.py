"""What batches take in one replica, by how many it has at once: a latency table for each octave of these."""

from __future__ import annotations

import msgspec

from .latency import LatencyTable

_GAINS = 1.5  # times as many a second, or several at once are not worth it
_SEVERAL = 4
_SEEN = 20  # batches, before anything is said


class AtOnce(msgspec.Struct, frozen=True):
    """What a batch of one input takes where so many, or up to twice as many, are worked on at once."""

    at_once: int
    mean_ms: float
    batches: int


class Latencies:
    """Of a replica that works on up to `most` batches at once, and `calls` others or not."""

    def __init__(self, most: int = 1, *, calls: bool = False) -> None:
        self.most = most
        self._calls = calls
        self._by_octave = {1: LatencyTable()}

    def at(self, at_once: int) -> LatencyTable:
        """By which to predict a batch that is one of so many: where that was not seen, of fewer of them."""
        octave = min(at_once, self.most).bit_length()
        while octave > 1 and octave not in self._by_octave:
            octave -= 1
        return self._by_octave[max(1, octave)]

    def seen(self, at_once: int) -> LatencyTable:
        """The table that learns of a batch that was one of so many."""
        return self._by_octave.setdefault(max(1, at_once.bit_length()), LatencyTable())

    def rows(self) -> list[AtOnce]:
        """What one input took, by how many batches there were at once; none where it is one at a time."""
        if self.most == 1:
            return []
        return [
            AtOnce(min(1 << (octave - 1), self.most), 1000 * seconds, table.observed)
            for octave, table in sorted(self._by_octave.items())
            if (seconds := table.mean(1.0)) is not None
        ]

    def useless(self) -> str:
        """Says so where several at once are answered hardly quicker than one after the other; else "".

        Of a pipeline it says nothing: what it calls may have more to do.
        """
        if self.most < _SEVERAL or self._calls:
            return ""
        octave = max(self._by_octave)
        alone, several = self._by_octave[1], self._by_octave[octave]
        at_once = min(1 << (octave - 1), self.most)
        alone_s, several_s = alone.mean(1.0), several.mean(1.0)
        if alone_s is None or several_s is None or at_once < _SEVERAL or several.observed < _SEEN:
            return ""
        gain = at_once * alone_s / several_s
        if gain >= _GAINS:
            return ""
        return (
            f"{at_once} at once take {1000 * several_s:.3g} ms each, and one alone {1000 * alone_s:.3g} ms: "
            f"that is {gain:.1f} times as many a second. The model computes where concurrency={self.most} "
            "is for one that waits. Deploy it without, and with more replicas."
        )
