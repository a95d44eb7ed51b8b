"""The first linked model answers: what an application does that has no policy."""

from __future__ import annotations

from collections.abc import Sequence

from ..task import Outcome
from . import Able, Arm, Combined, Decision


class First:
    """The first of the arms, whether it has replicas or not."""

    name = "First"
    choice = sticky = early = steps = False

    def __init__(self, arms: Sequence[str]) -> None:
        self.arms = [Arm.of(name) for name in arms[:1]]
        self._decision = Decision(self.arms)

    def decide(self, unit: str | None, able: Able, context: str = "", features: bytes = b"") -> Decision:
        return self._decision

    def combine(self, decision: Decision, outcomes: Sequence[Outcome]) -> Combined:
        return Combined(outcomes[0], None, 1, 0)

    def certain(self, decision: Decision, outcomes: Sequence[Outcome | None]) -> bool:
        return False
