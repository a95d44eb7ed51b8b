"""What happened, in sentences: the last thousand."""

from __future__ import annotations

import logging
import time
from collections import deque
from dataclasses import dataclass

log = logging.getLogger("clipper")


@dataclass(frozen=True, slots=True)
class Event:
    """`at` is in seconds since 1970."""

    at: float
    text: str


class Events:
    def __init__(self) -> None:
        self._events: deque[Event] = deque(maxlen=1000)

    def add(self, text: str) -> None:
        log.info("%s", text)
        self._events.append(Event(time.time(), text))

    def last(self, count: int) -> list[Event]:
        return list(self._events)[-count:]
