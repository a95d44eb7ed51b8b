"""This process's log: its standard error, or a replica's own way to that.

A model may close standard error or put something else in its place. What went wrong is told all the same.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys

_own: int | None = None  # a file descriptor


class _Handler(logging.Handler):
    """Writes records here, and never raises."""

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(Exception):
            say(self.format(record))


def keep() -> None:
    """From now on the log is where standard error leads now; standard output takes any text."""
    global _own
    with contextlib.suppress(OSError):  # started without one: then there is no log
        _own = os.dup(2)
    with contextlib.suppress(AttributeError, OSError, ValueError):
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    handler = _Handler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.INFO)
    # Ours go straight there: what a model makes of the root logger is the model's matter.
    ours = logging.getLogger(__package__)
    ours.addHandler(handler)
    ours.propagate = False


def say(text: str) -> None:
    """Write a line, or several. Never raises; may be called from any thread.

    A replica's log has no buffer: that has a lock, which a forked process may find taken for good.
    """
    with contextlib.suppress(Exception):
        if _own is None:
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()
            return
        rest = f"{text}\n".encode("utf-8", "backslashreplace")
        while rest:
            rest = rest[os.write(_own, rest) :]
