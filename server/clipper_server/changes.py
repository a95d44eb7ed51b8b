"""The one way to wait for something inside the runtime's processes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Changes:
    """Those who change state call `notify`; those who wait for a condition are woken to look again."""

    def __init__(self) -> None:
        self.count = 0
        self.closed = False
        self._waiting: set[asyncio.Future[None]] = set()
        self._beside: list[Changes] = []

    def beside(self) -> Changes:
        """Others, of which these here know nothing, and that are closed with these."""
        self._beside.append(Changes())
        return self._beside[-1]

    def notify(self) -> None:
        self.count += 1
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    def close(self) -> None:
        """Whoever waits, now or later, waits no longer: the process is about to end."""
        self.closed = True
        self.notify()
        for changes in self._beside:
            changes.close()

    async def wait(self, timeout_s: float | None = None) -> None:
        """Until the next change, or for `timeout_s` seconds."""
        if self.closed:
            return
        future = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            await asyncio.wait([future], timeout=timeout_s)
        finally:
            self._waiting.discard(future)

    async def wait_for(self, condition: Callable[[], bool], timeout_s: float | None = None) -> bool:
        """Until `condition()` holds, at most `timeout_s` seconds. Returns whether it holds."""
        loop = asyncio.get_running_loop()
        end = None if timeout_s is None else loop.time() + timeout_s
        while not condition():
            left = None if end is None else end - loop.time()
            if self.closed or (left is not None and left <= 0):
                return False
            await self.wait(left)
        return True
