"""The numbers of query frontends that have names: small, for they are a part of every query id."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection

from clipper_container.errors import ClusterError

from ...snapshot import MAX_FRONTENDS
from .. import Settings

_KEY = "frontend_numbers"
YOUNG_S = 60.0  # it may take that long until one that asks is seen


class Numbers:
    """Kept in the state, so that no two frontends ever have the same one at once."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._asked: dict[str, float] = {}
        self._numbers: dict[str, int] = json.loads(settings.get(_KEY) or "{}")

    def find(self, name: str) -> int | None:
        return self._numbers.get(name)

    def give(self, name: str, alive: Collection[str]) -> int:
        """Its own number, the lowest that none of those has who are `alive`. Raises ClusterError."""
        now = self._clock()
        self._asked[name] = now
        if name not in self._numbers:
            for old in list(self._numbers):
                if old not in alive and now - self._asked.get(old, -YOUNG_S) >= YOUNG_S:
                    del self._numbers[old]
                    self._asked.pop(old, None)
            free = set(range(MAX_FRONTENDS)) - set(self._numbers.values())
            if not free:
                raise ClusterError(
                    f"There are {MAX_FRONTENDS} query frontends, and a cluster can have no more. Scale them "
                    "down, or start another cluster."
                )
            self._numbers[name] = min(free)
            self._settings.set(_KEY, json.dumps(self._numbers))
        return self._numbers[name]
