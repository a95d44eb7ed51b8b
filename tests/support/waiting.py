"""The one way in which tests wait for something that happens in another process."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from clipperlab import ClipperConnection

T = TypeVar("T")


def wait_for(what: str, look: Callable[[], T], deadline_s: float = 120.0) -> T:
    """The first true value that `look()` returns; fails after the deadline, naming what was awaited.

    The deadline is for what never comes, and not for what comes late: a machine may be slow.
    """
    give_up = time.monotonic() + deadline_s
    while not (found := look()):
        if time.monotonic() > give_up:
            raise AssertionError(f"Waited {deadline_s:.0f} s in vain for {what}.")
        time.sleep(0.02)
    return found


def wait_for_end(conn: ClipperConnection, model: str) -> None:
    """Until none of its replicas is left. Those that drain count no longer, and may still answer."""

    def is_over() -> bool:
        return all(replica["model_name"] != model for replica in conn.get_all_model_replicas(verbose=True))

    wait_for(f"the replicas of {model} to end", is_over)
