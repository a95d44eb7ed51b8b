"""The last decisions of one frontend, by query id, and how often each arm was chosen."""

from __future__ import annotations

from ...feedback import UNIT, Decided
from . import answered
from .answered import Answered

KEPT = 16_384
MAX_COUNTED = 20_000  # by second, application, context, arm and side of a rollout
LARGEST = 2**63  # of what travels as a whole number


class Decisions:
    """Query ids grow by `step`; each decision has the place that its id gives it."""

    def __init__(self, step: int) -> None:
        self.uncounted = 0  # for which there was no room
        self._step = step
        self._kept: list[bytes] | None = None
        self._counts: dict[tuple[str, str, str, int, int], list[int]] = {}

    def add(self, text: bytes, made: Answered) -> None:
        """Keep it and count it. `text` is as it is written."""
        if self._kept is None:
            self._kept = [b""] * KEPT
        self._kept[made.query_id // self._step % KEPT] = text
        inverse = round(UNIT / made.propensity)
        at, dealt = int(made.at), made.dealt
        counts, first = self._counts, 1
        for place, arm in enumerate(made.arms):
            key = made.application, made.context, arm, at, dealt[place] if dealt else 0
            count = counts.get(key)
            if count is None and inverse < LARGEST and len(counts) < MAX_COUNTED:
                counts[key] = [1, inverse, first]
            elif count is not None and count[1] + inverse < LARGEST:
                count[0] += 1
                count[1] += inverse
                count[2] += first
            else:
                self.uncounted += 1
            first = 0

    def find(self, query_id: int) -> Answered | None:
        text = self._kept[query_id // self._step % KEPT] if self._kept is not None else b""
        if not text:
            return None
        made = answered.decode(text)
        return made if made.query_id == query_id else None

    def take(self, most: int, before: int) -> list[Decided]:
        """What was counted in seconds before that one, so much of it at most, the oldest first."""
        found = [key for key in self._counts if key[3] < before][:most]
        return [Decided(*key, *self._counts.pop(key)) for key in found]
