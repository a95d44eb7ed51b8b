"""What a replica tells its owner while it serves: sentences, which become the cluster's events."""

from __future__ import annotations

from collections import deque

from .faults import safe

MOST = 10  # that wait to be told; of more the oldest are left out
_waiting: deque[str] = deque(maxlen=MOST)


def say(text: str) -> None:
    """Tell it within a second or two. May be called from any thread."""
    _waiting.append(safe(" ".join(text.split()), 1000))


def taken() -> list[str]:
    """Those that wait, which is then none. Only one thread takes them."""
    found: list[str] = []
    while _waiting:
        found.append(_waiting.popleft())
    return found
