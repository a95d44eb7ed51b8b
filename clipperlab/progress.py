"""Says how far a long call has come, where somebody looks: in a notebook and in a terminal."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Any

log = logging.getLogger(__name__)
_listener: ContextVar[Callable[[str], None] | None] = ContextVar("_listener", default=None)


@contextmanager
def told_to(listener: Callable[[str], None]) -> Iterator[None]:
    """Progress within the block is told to `listener`, and not shown: it has a better place for it."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


class Progress:
    """One line that changes while the `with` block runs. Where nobody looks, as in a script whose output goes
    into a file, each change is a line of the log, at the level INFO.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._began = time.monotonic()
        self._said = ""
        self._end = "done"
        self._handle: Any = None
        self._listener = _listener.get()
        self._terminal = self._listener is None and sys.stderr.isatty()
        if self._listener is None and not self._terminal and "ipykernel" in sys.modules:
            from IPython import get_ipython

            self._handle = _display("") if get_ipython() is not None else None

    def __enter__(self) -> Progress:
        self.say("...")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.say(self._end if kind is None else "not done")
        if self._terminal:
            sys.stderr.write("\n")

    def ends(self, how: str) -> None:
        """What to say at the end, where it is not "done"."""
        self._end = how.rstrip(".")

    def say(self, how_far: str) -> None:
        line = f"{self._what}: {how_far}, {time.monotonic() - self._began:.1f} s"
        if self._listener is not None:
            self._listener(line)
        elif self._terminal:
            sys.stderr.write(f"\r\x1b[K{line}")
            sys.stderr.flush()
        elif how_far != self._said:
            if self._handle is not None:
                self._handle.update(_Line(line))
            else:
                log.info("%s", line)
        self._said = how_far


class _Line:
    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def _display(text: str) -> Any:
    from IPython.display import display

    return display(_Line(text), display_id=True)  # type: ignore[no-untyped-call]
