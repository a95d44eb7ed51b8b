"""The desired state, in SQLite: applications, models, versions, which is current, and who made it so.

One module has the tables of one noun. Used from one thread, the event loop's. Every mutation is one
transaction.
"""

from __future__ import annotations

from typing import Literal

from .applications import Applications
from .events import EventLog
from .history import History
from .labels import VersionLabels
from .records import (
    ENDS,
    Autoscaling,
    Event,
    Guardrail,
    Move,
    MoveKind,
    PolicyMove,
    Rollout,
    RolloutState,
    Shadow,
    Version,
)
from .rollouts import Rollouts
from .shadows import Shadows
from .versions import Versions

__all__ = [
    "ENDS",
    "Autoscaling",
    "Event",
    "Guardrail",
    "Move",
    "MoveKind",
    "PolicyMove",
    "Rollout",
    "RolloutState",
    "Shadow",
    "State",
    "Version",
]


class State(Applications, Versions, VersionLabels, History, Rollouts, Shadows, EventLog):
    """All tables, of one database."""

    def came_up(self, version: Version) -> None:
        """It is ready, and current where it was deployed to be: both or, after a crash, neither."""
        with self._change():
            self.set_version_state(version.model, version.version, "ready", None)
            if version.make_current:
                self.move(version.model, version.version, "deploy", version.deployed_by, version.message)

    def taken_back(
        self, rollout: Rollout, end: Literal["failed", "aborted"], verdict: str, who: str, message: str
    ) -> None:
        """It has ended, and moved nothing."""
        with self._change():
            self.end_rollout(rollout, end, verdict)
            self.note(rollout.model, rollout.canary, end, who, message)

    def passed(self, rollout: Rollout, verdict: str, who: str, message: str) -> None:
        """It has ended, and its canary is current: both or, after a crash, neither."""
        with self._change():
            self.end_rollout(rollout, "passed", verdict)
            self.move(rollout.model, rollout.canary, "rollout", who, message)
