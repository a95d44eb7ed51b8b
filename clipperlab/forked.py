"""What a forked process, such as a worker of a multiprocessing.Pool, leaves to its parent.

It has a copy of all that the parent holds: of connections, over which answers would come to either of both;
of locks, which a thread that it has not may have taken; of pipes, whose other end waits until both are shut.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Any

_all: set[weakref.WeakMethod[Callable[[], None]]] = set()


def in_child(leave: Callable[[], None]) -> None:
    """Call a method in each process that is forked from now on, for as long as its object lives."""
    _all.add(weakref.WeakMethod(leave, _all.discard))


def let_go(pipe: IO[Any] | None) -> None:
    """Hold the pipe open no more. What is written to it then goes nowhere, also what waits to be."""
    with suppress(ValueError):  # it is closed
        if pipe is not None:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, pipe.fileno(), inheritable=False)
            os.close(nowhere)


def _forked() -> None:
    for one in list(_all):
        if (leave := one()) is not None:
            leave()


os.register_at_fork(after_in_child=_forked)
