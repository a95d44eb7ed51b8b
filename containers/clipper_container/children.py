"""The processes that a model forks. In them signals do what they do in plain Python, and they end where the
model's code does: they are no replicas.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable

from .faults import show
from .log import say

_replica = os.getpid()
_handled: dict[int, Callable[[int, object], None]] = {}
_forking = threading.local()


def watch() -> None:
    """This process runs a replica."""
    global _replica
    _replica = os.getpid()


def handle(signum: int, handler: Callable[[int, object], None]) -> None:
    """As signal.signal, for this process and not for those that it forks."""
    _handled[signum] = handler
    signal.signal(signum, handler)


def end_if_child(error: BaseException | None = None) -> None:
    """Does nothing in the replica's own process. In one that the model forked it does not come back.

    It is called where the model's code has ended, by `error` or without. What is to be done at Python's exit
    (temporary folders, say) is the replica's, and left to it.
    """
    if os.getpid() == _replica:
        return
    code = 0 if error is None else 1
    if isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, int) else bool(error.code)
        if isinstance(error.code, str):
            say(error.code)
    elif error is not None:
        show(error)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(code & 0xFF)


def _before_fork() -> None:
    """A signal that comes to a child before it has its own handlers waits until then. The replica's would
    swallow it, and whoever sent it would wait for an end that does not come.
    """
    _forking.mask = signal.pthread_sigmask(signal.SIG_BLOCK, _handled)


def _after_fork() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _forking.mask)


def _in_child() -> None:
    for signum, handler in _handled.items():
        if signal.getsignal(signum) is handler:
            signal.signal(signum, signal.default_int_handler if signum == signal.SIGINT else signal.SIG_DFL)
    _handled.clear()
    _after_fork()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_in_child)
