"""What a replica tells its owner while it serves: sentences, which become the cluster's events."""

from __future__ import annotations

import threading
from collections import deque

from .faults import safe

MOST = 10  # that wait to be told; of more the oldest are left out
_waiting: deque[str] = deque(maxlen=MOST)
_lock = threading.Lock()


def say(text: str) -> None:
    """Tell it within a second or two. May be called from any thread."""
    with _lock:
        _waiting.append(safe(" ".join(text.split()), 1000))


def taken() -> list[str]:
    """Those that wait, which is then none."""
    with _lock:
        found = list(_waiting)
        _waiting.clear()
    return found
