"""Loops that never end and never spin: what goes wrong in one is told, and it goes on after a while."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable

from clipper_container.errors import ClipperException

BACK_OFF_S = (0.5, 1.0, 2.0)  # after one failure, two, and more
TELL_AGAIN_S = 60.0  # a trouble that comes and goes is not told of each time

log = logging.getLogger(__name__)


class Supervisor:
    """Keeps the loops of one process going. `tell` gets a sentence about each trouble that is new."""

    def __init__(self, tell: Callable[[str], None] = lambda _: None) -> None:
        self._tell = tell
        self._failing: dict[str, str] = {}
        self._told: dict[str, tuple[str, float]] = {}  # by loop, what was told last, and when

    async def keep(
        self, name: str, turn: Callable[[], Awaitable[None]], ends: Callable[[], bool] = lambda: False
    ) -> None:
        """Take one turn after the other, until cancelled, or until `ends()` when one begins.

        Any exception of a turn is told of, and the next turn waits, longer after each failure. A turn that
        waits for nothing lets others run all the same.
        """
        failures = 0
        while not ends():
            try:
                await turn()
            except Exception as error:
                self._fails(name, error)
                await asyncio.sleep(BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)])
                failures += 1
            else:
                failures = 0
                if self._failing.pop(name, None):
                    log.info("the loop %s goes on", name)
                await asyncio.sleep(0)

    def failing(self) -> list[str]:
        """The names of the loops whose last turn failed."""
        return sorted(self._failing)

    def troubles(self) -> list[str]:
        """Sentences about these."""
        return [self._failing[name] for name in self.failing()]

    def _fails(self, name: str, error: Exception) -> None:
        text = f"The loop {name} does not get on, and tries again. {sentence(error)}"
        goes_on = self._failing.get(name) == text
        self._failing[name] = text
        now = asyncio.get_running_loop().time()
        before, at = self._told.get(name, ("", now))
        if goes_on or (text == before and now - at < TELL_AGAIN_S):
            return
        self._told[name] = text, now
        log.error("%s", text, exc_info=None if _is_told(error) else error)
        try:
            self._tell(text)
        except Exception:
            log.exception("and nobody could be told")


def sentence(error: BaseException) -> str:
    """What went wrong, for a person."""
    if isinstance(error, BaseExceptionGroup):
        return " ".join(dict.fromkeys(map(sentence, error.exceptions)))
    if isinstance(error, ClipperException):
        return str(error)
    if _is_of_files(error):
        return f"A file cannot be written or read: {error}. See that the disk has room."
    return f"{type(error).__name__}: {error}"


def _is_told(error: BaseException) -> bool:
    """Whether its sentence says all that there is to say."""
    if isinstance(error, BaseExceptionGroup):
        return all(map(_is_told, error.exceptions))
    return isinstance(error, ClipperException) or _is_of_files(error)


def _is_of_files(error: BaseException) -> bool:
    """Errors of HTTP are OSErrors too, in some libraries; they have no number."""
    return isinstance(error, sqlite3.Error) or (isinstance(error, OSError) and error.errno is not None)
