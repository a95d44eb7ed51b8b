"""Which of a lesson's checks have passed, and what the learner tried."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class Tries(Protocol):
    """What a learner is asked to do, such as to guess. As text it says how much of it was done."""

    @property
    def asked(self) -> int: ...

    @property
    def tried(self) -> int: ...


class Progress:
    """A check that has passed once stays passed, also when the learner then breaks things."""

    def __init__(self, ids: Iterable[str], tries: Iterable[Tries] = ()) -> None:
        self.ids = tuple(ids)
        self._passed: set[str] = set()
        self._tries = tuple(tries)

    def add(self, id: str) -> None:
        self._passed.add(id)

    @property
    def passed(self) -> list[str]:
        return [id for id in self.ids if id in self._passed]

    @property
    def missing(self) -> list[str]:
        return [id for id in self.ids if id not in self._passed]

    @property
    def complete(self) -> bool:
        return not self.missing

    @property
    def tried(self) -> bool:
        """Whether anything was, of what was asked."""
        return any(each.tried for each in self._tries)

    def __repr__(self) -> str:
        rest = f"; not yet: {', '.join(self.missing)}" if self.missing else ""
        checks = f"{len(self.passed)} of {len(self.ids)} checks have passed{rest}"
        asked = [each for each in self._tries if each.asked]
        if asked and not self.tried:
            return f"{checks}. Nothing was tried: no guess was made, and no question answered"
        return "; ".join([checks, *map(str, asked)])
