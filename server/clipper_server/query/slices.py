"""What is large is done a little at a time, between everything else on the event loop."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Generator
from typing import Any, TypeVar

from ..turns import TURN_S

SMALL = 256  # inputs: with so many a request is done at once, and its inputs share a batch

log = logging.getLogger(__name__)

T = TypeVar("T")
Steps = Generator[None, None, T]
"""Work that may be interrupted wherever it yields; T is what comes of it. A step should take microseconds."""


class Slices:
    """Does what it is given, one after the other, for a millisecond in each turn of the event loop.

    One after the other, so that no more than one holds what is half done.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._works: deque[Steps[None]] = deque()

    def add(self, work: Steps[None]) -> None:
        """Begin it soon. What it raises is logged, and keeps no other from being done."""
        self._works.append(work)
        if len(self._works) == 1:
            self._loop.call_soon(self._go_on)

    async def result(self, work: Steps[T]) -> T:
        """What comes of it, when it is done. Raises what it raises."""
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def steps() -> Steps[None]:
            try:
                found = yield from work
            except Exception as error:
                if not done.done():
                    done.set_exception(error)
            else:
                if not done.done():  # who waited may have gone
                    done.set_result(found)

        self.add(steps())
        return await done

    def _go_on(self) -> None:
        until = time.perf_counter() + TURN_S
        works = self._works
        try:
            for _ in works[0]:
                if time.perf_counter() > until:
                    break
            else:
                works.popleft()
        except Exception:
            works.popleft()
            log.exception("something large was left half done")
        if works:
            self._loop.call_soon(self._go_on)


def let_go(items: list[Any]) -> Steps[None]:
    """Empty a list that nobody needs any more: to free thousands of objects takes milliseconds, too."""
    while items:
        del items[-SMALL:]
        yield


def at_once(work: Steps[T]) -> T:
    """What comes of it."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
