"""Tells of a change: in the history of events, and to the query frontends."""

from __future__ import annotations

from ...changes import Changes
from ..events import Events
from ..frontends import Frontends
from ..state import State, Version


class Publisher:
    """What all operations end with."""

    def __init__(self, state: State, frontends: Frontends, changes: Changes, events: Events) -> None:
        self._state = state
        self._frontends = frontends
        self._changes = changes
        self._events = events

    def announce(self, kind: str, text: str, **subject: str) -> None:
        """Note what happened, and wake those who wait for changes."""
        self._events.add(kind, text, **subject)
        self._changes.notify()

    async def publish(self, kind: str, text: str, **subject: str) -> None:
        """Announce it, and return when every live query frontend has the state as it is now."""
        self.announce(kind, text, **subject)
        await self.acknowledged()

    async def acknowledged(self) -> None:
        await self._frontends.acknowledge(self._state.revision)


def subject(version: Version) -> dict[str, str]:
    return {"model": version.model, "version": version.version}


def by(who: str, message: str) -> str:
    """For the end of a sentence."""
    return (f", by {who}" if who else "") + (f": {message.rstrip('.')}" if message else "")
