"""The deadlines of all tasks in flight, on one timer."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable

from .task import Task


class Deadlines:
    """Calls a function for each task that has no outcome at its deadline."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._heap: list[tuple[float, int, Task, Callable[[Task], None]]] = []
        self._sequence = itertools.count()
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, task: Task, expire: Callable[[Task], None]) -> None:
        # What is done leaves here, a few at each call, so that the timer never finds a second's worth of it.
        heap = self._heap
        while heap and heap[0][2].done.done():
            heapq.heappop(heap)
        entry = (task.deadline, next(self._sequence), task, expire)
        heapq.heappush(heap, entry)
        if heap[0] is entry and (self._timer is None or self._timer.when() > task.deadline):
            self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._heap[0][0], self._ring)

    def _ring(self) -> None:
        self._timer = None
        now = self._loop.time()
        while self._heap and (self._heap[0][0] <= now or self._heap[0][2].done.done()):
            _, _, task, expire = heapq.heappop(self._heap)
            if not task.done.done():
                expire(task)
        if self._heap:
            self._set_timer()
