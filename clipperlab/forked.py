"""What a forked process, such as a worker of a multiprocessing.Pool, leaves to its parent.

It has a copy of all that the parent holds: of connections, over which answers would come to either of both;
of locks, which a thread that it has not may have taken; of pipes, whose other end waits until both are shut.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from contextlib import suppress
from types import MethodType
from typing import IO, Any

_all: weakref.WeakKeyDictionary[Any, Callable[[Any], None]] = weakref.WeakKeyDictionary()


def in_child(leave: Callable[[], None]) -> None:
    """Call a method in each process that is forked from now on, for as long as its object lives."""
    assert isinstance(leave, MethodType)
    _all[leave.__self__] = leave.__func__


def let_go(pipe: IO[Any] | None) -> None:
    """Hold the pipe open no more. What is written to it then goes nowhere, also what waits to be."""
    with suppress(ValueError, OSError):  # it is closed, or nothing can be opened in its place
        if pipe is not None:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, pipe.fileno(), inheritable=False)
            os.close(nowhere)


def _forked() -> None:
    for one, leave in list(_all.items()):
        with suppress(Exception):  # it is nothing to the others
            leave(one)


os.register_at_fork(after_in_child=_forked)
