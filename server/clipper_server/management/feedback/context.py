"""One context of one application: its memory, the row that was published of it, and how both are stored."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from ...feedback import UNIT
from ..learning.linear import Linear
from ..learning.memory import Arm, Memory

_Stored = tuple[
    dict[str, tuple[int, int, int, int, int, int, float, float, float]],
    tuple[str, ...],
    int,
    int,
    list[tuple[int, int]],
    dict[str, float],
    int,
    dict[str, tuple[int, bytes]],
]
_decode = msgspec.msgpack.Decoder(_Stored).decode


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
        linear = {
            name: (arm.linear.size, arm.linear.encode())
            for name, arm in memory.arms.items()
            if arm.linear is not None
        }
        known = arms, memory.active, memory.updates, memory.unsettled, memory.marks
        return msgspec.msgpack.encode((*known, self.row, self.row_at, linear))

    @classmethod
    def decode(cls, stored: bytes) -> Context:
        arms, active, updates, unsettled, marks, row, row_at, linear = _decode(stored)
        known = {
            name: Arm(times, whole * UNIT + rest, losses * UNIT + part, *others)
            for name, (times, whole, rest, losses, part, *others) in arms.items()
        }
        for name, (size, sums) in linear.items():
            known[name].linear = Linear.decode(size, sums)
        return cls(Memory(known, active, updates, unsettled, marks), row, row_at)
