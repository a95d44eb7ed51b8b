"""What takes long on an event loop gives way to others now and then, so that nobody waits for all of it."""

from __future__ import annotations

import asyncio
import time

TURN_S = 1e-3


class Turn:
    """That of one piece of work, after another. The first begins when it is made."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    async def pause(self) -> None:
        """Give way to others where this turn has taken its time. To be called after each small step."""
        if time.perf_counter() - self._began > TURN_S:
            await asyncio.sleep(0)
            self._began = time.perf_counter()
