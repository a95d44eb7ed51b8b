"""Whether a version that has no replica gets one, as it was asked for: it sleeps, or is on its way up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..snapshot import VersionSpec

RISE_S = 60.0  # the first replica takes so long at most: else others answer until it is there


class Waking:
    """Of one version, which is true while it does. `changed` is called when its way up is over."""

    def __init__(
        self, spec: VersionSpec, loop: asyncio.AbstractEventLoop, changed: Callable[[], None]
    ) -> None:
        self._spec = spec
        self._loop = loop
        self._changed = changed
        self._rises: asyncio.TimerHandle | None = None

    def __bool__(self) -> bool:
        return self._rises is not None or (self._spec.wakes and not self._spec.num_replicas)

    def configure(self, spec: VersionSpec) -> None:
        """Another number of replicas is wanted: from none to some is the way up."""
        before, self._spec = self._spec, spec
        if not spec.wakes or not spec.num_replicas:
            self.over()
        elif not before.num_replicas:
            self._rises = self._loop.call_later(RISE_S, self.over)

    def over(self) -> None:
        """A replica is ready, or the one that was to be has gone: from now on it is as any other version."""
        if self._rises is not None:
            self._rises.cancel()
            self._rises = None
            self._changed()
