"""One input on its way through one model version, and what came of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from clipper_container.inputs import Tensor
from clipper_container.wire import Fault

Outcome = bytes | Fault
"""An output as JSON text, or the reason why there is none and a sentence about it."""


@dataclass(slots=True)
class Task:
    """`deadline` is on the event loop's clock. `done` has its outcome at the deadline at the latest."""

    tensor: Tensor
    deadline: float
    done: asyncio.Future[Outcome]
    losses: int = 0  # replicas that died while they had it

    def finish(self, outcome: Outcome) -> None:
        """The first outcome counts; the client has gone on by the second."""
        if not self.done.done():
            self.done.set_result(outcome)
