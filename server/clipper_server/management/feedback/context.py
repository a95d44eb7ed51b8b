"""One context of one application: its memory, the row that was published of it, and how both are stored."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from ...feedback import UNIT
from ..learning.memory import Arm, Memory

_Stored = tuple[
    dict[str, tuple[int, int, int, int, int, int, float, float, float]],
    tuple[str, ...],
    int,
    int,
    list[tuple[int, int]],
    dict[str, float],
    int,
]


@dataclass(slots=True)
class Context:
    """`row` is what frontends have, and `row_at` how many updates had come then."""

    memory: Memory = field(default_factory=Memory)
    row: dict[str, float] = field(default_factory=dict)
    row_at: int = 0

    def encode(self) -> bytes:
        """Sums as a whole and a rest: they may be larger than 64 bits."""
        memory = self.memory
        arms = {
            name: (
                *(arm.times, *divmod(arm.reward, UNIT), *divmod(arm.loss, UNIT), arm.chosen),
                *(arm.recent_times, arm.recent_reward, arm.recent_loss),
            )
            for name, arm in memory.arms.items()
        }
        return msgspec.msgpack.encode(
            (arms, memory.active, memory.updates, memory.unsettled, memory.marks, self.row, self.row_at)
        )

    @classmethod
    def decode(cls, stored: bytes) -> Context:
        arms, active, updates, unsettled, marks, row, row_at = msgspec.msgpack.decode(stored, type=_Stored)
        known = {
            name: Arm(times, whole * UNIT + rest, losses * UNIT + part, *others)
            for name, (times, whole, rest, losses, part, *others) in arms.items()
        }
        return cls(Memory(known, active, updates, unsettled, marks), row, row_at)
