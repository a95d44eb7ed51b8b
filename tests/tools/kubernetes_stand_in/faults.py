"""What goes wrong with the API server, where the test says so."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

from .authorization import Asked
from .refusals import conflict, too_many
from .resources import Resource

KEPT = 5_000
WRITES = ("update", "patch")


@dataclass
class Faults:
    throttled: int = 0  # so many requests, of those to come, get a 429
    retry_after_s: int = 1
    conflicts: int = 0  # so many changes of objects get a 409
    slow_s: float = 0.0  # each request takes so much longer
    asked: deque[Asked] = field(default_factory=lambda: deque(maxlen=KEPT))
    watches: set[asyncio.Transport] = field(default_factory=set)

    async def strike(self, verb: str, resource: Resource | None, name: str) -> None:
        """Called for every request. Raises Refusal."""
        if self.slow_s:
            await asyncio.sleep(self.slow_s)
        if self.throttled > 0:
            self.throttled -= 1
            raise too_many(
                "the server has received too many requests and has asked us to try again later",
                self.retry_after_s,
            )
        if self.conflicts > 0 and resource is not None and verb in WRITES:
            self.conflicts -= 1
            raise conflict(resource, name)

    def drop_watches(self) -> None:
        for transport in list(self.watches):
            transport.abort()
