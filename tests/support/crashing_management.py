"""Management that kills itself with SIGKILL at a step of its work: the test's stand-in for a power cut.

Runs as a script, with the arguments of `python -m clipper_server`. Counts the steps from when the file
CRASH_FROM exists, and dies at step CRASH_AT. It is the real management otherwise.
"""

from __future__ import annotations

import functools
import inspect
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from clipper_server import __main__ as server
from clipper_server.management.artifacts import Artifacts
from clipper_server.management.state import State
from clipper_server.places.process.manager import ProcessContainerManager

STEPS: list[tuple[type, str]] = [
    (Artifacts, "put"),
    (State, "add_version"),
    (State, "add_event"),
    (State, "next_revision"),
    (State, "next_replica"),
    (ProcessContainerManager, "prepare"),
    (ProcessContainerManager, "start"),
    (State, "set_version_state"),
    (State, "move"),
    (State, "came_up"),
]
_count = 0


def step() -> None:
    global _count
    if Path(os.environ["CRASH_FROM"]).exists():
        _count += 1
        if _count == int(os.environ["CRASH_AT"]):
            os.kill(os.getpid(), signal.SIGKILL)


def dangerous(function: Callable[..., Any]) -> Callable[..., Any]:
    """After it is a step. Before it is after the one before it: nothing that lasts has come about between."""
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def slowly(*args: Any, **kwargs: Any) -> Any:
            result = await function(*args, **kwargs)
            step()
            return result

        return slowly

    @functools.wraps(function)
    def at_once(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        step()
        return result

    return at_once


if __name__ == "__main__":
    for owner, name in STEPS:
        setattr(owner, name, dangerous(getattr(owner, name)))
    sys.exit(server.main())
