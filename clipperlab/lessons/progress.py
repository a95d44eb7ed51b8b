"""Which of a lesson's checks have passed."""

from __future__ import annotations

from collections.abc import Iterable


class Progress:
    """A check that has passed once stays passed, also when the learner then breaks things."""

    def __init__(self, ids: Iterable[str]) -> None:
        self.ids = tuple(ids)
        self._passed: set[str] = set()

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

    def __repr__(self) -> str:
        rest = f"; not yet: {', '.join(self.missing)}" if self.missing else ""
        return f"{len(self.passed)} of {len(self.ids)} checks have passed{rest}"
