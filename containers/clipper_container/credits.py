"""The model's credits: how many batches may be under way, and which query frontend may send the next.

There are two in all, one for the batch that executes and one for the next, or as many as execute at once,
however many frontends there are. A frontend alone has all. Where several want them, each freed credit goes
to the one that has fewest, of these the one that has waited longest; those that lie idle elsewhere are called
back.
"""

from __future__ import annotations

import threading
from typing import Protocol

from . import wire

CREDITS = 2
MAX_CONCURRENCY = 256  # batches that execute at once, in one replica


def credits_for(concurrency: int) -> int:
    """How many there are where so many batches execute at once."""
    return max(CREDITS, concurrency)


class Holder(Protocol):
    """A connection to a frontend."""

    def send(self, message: object) -> None: ...


class Credits:
    """May be used from any thread."""

    def __init__(self, total: int = CREDITS) -> None:
        self._lock = threading.Lock()
        self._total = self._free = total
        self._held: dict[Holder, int] = {}  # granted, and no batch has come for them yet
        self._under_way: dict[Holder, int] = {}  # its batches that are not answered
        self._waiting: list[Holder] = []
        self._recalled: set[Holder] = set()

    def join(self, holder: Holder) -> None:
        """A frontend may have credits from now on. Whoever comes first gets all."""
        with self._lock:
            self._held[holder] = self._under_way[holder] = 0
            self._grant(holder, self._free)

    def leave(self, holder: Holder) -> None:
        """The frontend is gone. Its batches that wait for the model still end with `finish`."""
        with self._lock:
            self._free += self._held.pop(holder, 0)
            self._under_way.pop(holder, None)
            self._recalled.discard(holder)
            if holder in self._waiting:
                self._waiting.remove(holder)
            self._serve()

    def want(self, holder: Holder) -> None:
        """The frontend has queries that wait, and no credit."""
        with self._lock:
            # One that asked just before its credit arrived has what it wants.
            if self._held.get(holder) == 0 and holder not in self._waiting:
                self._waiting.append(holder)
                self._serve()

    def spend(self, holder: Holder) -> None:
        """A batch came from this frontend."""
        with self._lock:
            if self._held.get(holder):
                self._held[holder] -= 1
            if holder in self._under_way:
                self._under_way[holder] += 1

    def give_back(self, holder: Holder, count: int) -> None:
        """The frontend's answer to a recall."""
        with self._lock:
            self._recalled.discard(holder)
            count = min(count, self._held.get(holder, 0))
            if count:
                self._held[holder] -= count
                self._free += count
            self._serve()

    def finish(self, holder: Holder) -> int:
        """A batch is answered: whether its credit (0 or 1) goes back to the same frontend with the reply."""
        with self._lock:
            if holder in self._held:
                self._under_way[holder] = max(0, self._under_way[holder] - 1)
                neediest = min(self._waiting, key=self._count, default=holder)
                if neediest is holder or self._count(holder) < self._count(neediest):
                    self._held[holder] += 1
                    if holder in self._waiting and self._has_its_share(holder):
                        self._waiting.remove(holder)
                    return 1
            self._free += 1
            self._serve()
            return 0

    def _serve(self) -> None:
        while self._free and self._waiting:
            neediest = min(self._waiting, key=self._count)
            self._waiting.remove(neediest)
            self._grant(neediest, 1)
        if self._waiting:
            for holder, held in self._held.items():
                if held and holder not in self._recalled and holder not in self._waiting:
                    self._recalled.add(holder)
                    holder.send(wire.Recall())
        elif self._free and self._held:
            # Nobody waits: whoever has the fewest may as well have them at hand.
            self._grant(min(self._held, key=lambda holder: self._held[holder]), self._free)

    def _count(self, holder: Holder) -> int:
        """How many it has, those that it has spent included."""
        return self._held.get(holder, 0) + self._under_way.get(holder, 0)

    def _has_its_share(self, holder: Holder) -> bool:
        working = sum(1 for each in self._held if self._count(each) or each in self._waiting)
        return self._count(holder) * working >= self._total

    def _grant(self, holder: Holder, count: int) -> None:
        if count:
            self._free -= count
            self._held[holder] += count
            holder.send(wire.Credit(count))
