"""What the batches of the last minutes were like."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import msgspec

from .task import Dispatch

WINDOW_S = 10.0
WINDOWS = 30


class Window(msgspec.Struct):
    """Some seconds of it. `began_s` is on the event loop's clock; `limit` is the last batch's."""

    began_s: float
    batches: int = 0
    inputs: int = 0
    largest: int = 0
    compute_s: float = 0.0
    limit: float = 0.0


class History:
    """The last five minutes, in windows of ten seconds; those without a batch are left out."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.now = clock
        self._windows: deque[Window] = deque(maxlen=WINDOWS)

    def add(self, dispatch: Dispatch) -> None:
        now = self.now()
        if not self._windows or now - self._windows[-1].began_s >= WINDOW_S:
            self._windows.append(Window(now - now % WINDOW_S))
        window = self._windows[-1]
        window.batches += 1
        window.inputs += dispatch.size
        window.largest = max(window.largest, dispatch.size)
        window.compute_s += dispatch.compute_s or 0.0
        window.limit = dispatch.limit

    def windows(self) -> list[Window]:
        since = self.now() - WINDOW_S * WINDOWS
        return [window for window in self._windows if window.began_s >= since]
