"""The deadlines of all queries in flight, on one timer."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from typing import Protocol

TIMER_S = 1e-4  # timers are no better than this: what is due so soon is due now

LOOK_THROUGH = 4096
AT_ONCE = 128


class Dated(Protocol):
    deadline: float
    finished: bool

    def expire(self) -> None: ...


class Deadlines:
    """Calls `expire` on each query that is not finished at its deadline."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Callable[[], float]) -> None:
        self._loop = loop
        self._clock = clock
        self._heap: list[tuple[float, int, Dated]] = []
        self._sequence = itertools.count()
        self._timer: asyncio.TimerHandle | None = None
        self._look_through_at = LOOK_THROUGH

    def watch(self, query: Dated) -> None:
        # What is done leaves here, a few at each call, so that the timer never finds a second's worth of it.
        heap = self._heap
        while heap and heap[0][2].finished:
            heapq.heappop(heap)
        if len(heap) > self._look_through_at:
            # One that takes long may stand before thousands that were quick.
            heap[:] = [entry for entry in heap if not entry[2].finished]
            heapq.heapify(heap)
            self._look_through_at = 2 * len(heap) + LOOK_THROUGH
        entry = (query.deadline, next(self._sequence), query)
        heapq.heappush(heap, entry)
        if heap[0] is entry and (self._timer is None or self._timer.when() > query.deadline):
            self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._heap[0][0], self._ring)

    def _ring(self) -> None:
        self._timer = None
        now = self._clock() + TIMER_S
        expired = 0
        while self._heap and (self._heap[0][0] <= now or self._heap[0][2].finished) and expired < AT_ONCE:
            _, _, query = heapq.heappop(self._heap)
            if not query.finished:
                expired += 1
                query.expire()
        if self._heap:  # which may be more that are due: in the next turn of the event loop
            self._set_timer()

    def __len__(self) -> int:
        return len(self._heap)
