"""Looks again and again, on a thread of its own, for as long as a block takes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def looking(look: Callable[[], None], every_s: float) -> Iterator[None]:
    """Call `look` after each `every_s` seconds, until the block ends."""
    stopping = threading.Event()

    def run() -> None:
        while not stopping.wait(every_s):
            look()

    thread = threading.Thread(target=run, name="looking")
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()
