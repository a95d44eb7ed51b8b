"""Which arms have a replica that could answer, or one that comes where it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from .policies import Arm


class Queue(Protocol):
    @property
    def able(self) -> bool: ...


class AbleArms:
    """Those of one frontend. Who keeps what it said asks again when there has been another `turn`."""

    def __init__(self, find: Callable[[str, str | None], Queue | None]) -> None:
        self.turn = 0
        self._find = find

    def __call__(self, arm: Arm) -> bool:
        queue = self._find(arm.model, arm.version)
        return queue is not None and queue.able

    def changed(self) -> None:
        """A replica came or went, or another version is the current one."""
        self.turn += 1
