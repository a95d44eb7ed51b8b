"""The thread that the sums belong to."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple, TypeVar

from ...feedback import Delivery, Receipt
from .sums import Sums

T = TypeVar("T")
TOGETHER = 64
"""Deliveries that wait are written in one transaction, so many at most."""


class _Delivered(NamedTuple):
    frontend: str
    delivery: Delivery
    future: Future[Any]


class _Job(NamedTuple):
    call: Callable[[], Any]
    future: Future[Any]

    def alone(self) -> list[Any]:
        return [self.call()]


class Writer:
    """What comes is done in the order in which it comes."""

    def __init__(self, sums: Sums) -> None:
        self._sums = sums
        self._queue: queue.SimpleQueue[_Delivered | _Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="feedback", daemon=True)
        self._thread.start()

    async def take(self, frontend: str, delivery: Delivery) -> Receipt:
        """Returns when it is written."""
        future: Future[Receipt] = Future()
        self._queue.put(_Delivered(frontend, delivery, future))
        return await asyncio.wrap_future(future)

    async def call(self, what: Callable[[], T]) -> T:
        """Call it in the thread."""
        future: Future[T] = Future()
        self._queue.put(_Job(what, future))
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Returns when all that has come is done."""
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        ends = False
        while not ends:
            found = [self._queue.get()]
            while len(found) < TOGETHER and not self._queue.empty():
                found.append(self._queue.get())
            ends = None in found
            together: list[_Delivered] = []
            for each in found:
                if each is None or not each.future.set_running_or_notify_cancel():
                    continue
                if isinstance(each, _Delivered):
                    together.append(each)
                    continue
                self._take(together)
                together = []
                _answer([each.future], each.alone)
            self._take(together)

    def _take(self, together: Sequence[_Delivered]) -> None:
        if together:
            deliveries = [(each.frontend, each.delivery) for each in together]
            _answer([each.future for each in together], lambda: self._sums.take(deliveries))


def _answer(futures: Sequence[Future[Any]], call: Callable[[], Sequence[Any]]) -> None:
    """Each with its part of the result, or all with what went wrong."""
    try:
        results = call()
    except BaseException as error:
        for future in futures:
            future.set_exception(error)
    else:
        for future, result in zip(futures, results, strict=True):
            future.set_result(result)
