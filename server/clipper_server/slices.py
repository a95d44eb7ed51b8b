"""What takes long on an event loop is done in slices, so that nobody waits for all of it."""

from __future__ import annotations

import asyncio
import time

SLICE_S = 1e-3


class Slices:
    """Of one piece of work. Begins when it is made."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    async def pause(self) -> None:
        """Let others have a turn, where this slice has taken its time. To be called after each small step."""
        if time.perf_counter() - self._began > SLICE_S:
            await asyncio.sleep(0)
            self._began = time.perf_counter()
