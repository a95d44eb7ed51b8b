"""Operations that stop replicas return when those count no longer; they drain, and end, after that."""

from __future__ import annotations

import math

from ...changes import Changes
from ..events import Events
from ..running import Running
from ..state import State, Version
from .publisher import subject

STOP_S = 10.0


class Stopping:
    """Waits for the reconciler, and for the engine that picks which replicas go."""

    def __init__(self, state: State, running: Running, changes: Changes, events: Events) -> None:
        self._state = state
        self._running = running
        self._changes = changes
        self._events = events

    async def asked(self, version: Version) -> None:
        """Return when all replicas that the version has too many are asked to end.

        After ten seconds in any case: an event says so then, and they are asked as soon as that works.
        """

        def is_done() -> bool:
            return self._running.counted(version.model, version.version) <= self._most(version)

        if not await self._changes.wait_for(is_done, STOP_S) and not self._changes.closed:
            text = f"{version} still has more replicas than it should: they could not be stopped yet."
            self._events.add("scale", text, **subject(version))

    def _most(self, version: Version) -> float:
        """How many it may have, as things are now: it may have been deployed again, or scaled up."""
        found = self._state.version(version.model, version.version)
        if found is None or found.state == "failed":
            return 0
        bounds = found.autoscaling
        # Where the engine counts, it does so in its own time.
        return found.num_replicas if bounds is None or bounds.cpu_percent is None else math.inf
