"""Rollouts: a model goes from one version to another step by step, as what is seen of both allows.

A `RolloutSpec` is desired state, in the snapshot. The share of the queries that its canary has changes while
it runs: that is in a table of its own, with a number of its own, which nobody waits for.
"""

from __future__ import annotations

import msgspec

LIFETIME_S = 15.0
"""Of a table that management says nothing of any more. After that all queries go to the controls."""


class RolloutSpec(msgspec.Struct, frozen=True):
    """`canary` and `control` are versions of `model`. `sticky`: a unit that the canary has, it keeps."""

    id: int
    model: str
    control: str
    canary: str
    sticky: bool = False

    @property
    def salt(self) -> str:
        return f"{self.model}#{self.id}"


class Shares(msgspec.Struct, frozen=True):
    """Of each rollout's canary, from 0 to 1, by the rollout's id. A later table has a larger epoch."""

    epoch: int
    shares: dict[int, float] = {}
    lifetime_s: float = LIFETIME_S


class ArmCounts(msgspec.Struct):
    """What became of the inputs of one side. `latencies`, by LATENCIES_S, leave out what the cache knew.

    `defaults` have no output. A request whose client does not wait for its answer is one `late`.

    `dealt` are the requests that it got, whatever became of them: while both sides could answer, and of a
    sticky rollout each unit once.
    """

    chosen: int = 0
    errors: int = 0
    late: int = 0
    defaults: int = 0
    latencies: list[int] = []
    dealt: int = 0


class RolloutReport(msgspec.Struct, frozen=True):
    """What one frontend has counted for one rollout while the table had that epoch."""

    id: int
    epoch: int
    control: ArmCounts
    canary: ArmCounts
