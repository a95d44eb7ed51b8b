"""Rollouts."""

from __future__ import annotations

from typing import Any, TypedDict

from . import paths
from .calls import Calls


class Rollout(TypedDict):
    """`share` is the new version's, from 0 to 1. Both sides of `evidence`, and its `sample_ratio`, are None
    where it ended before management was started."""

    id: int
    model: str
    control: str
    canary: str
    steps: list[float]
    hold_s: float
    guardrails: list[dict[str, Any]]
    observe: bool
    sticky: bool
    state: str  # "running", "paused", "passed", "failed" or "aborted"
    step: int
    verdict: str
    who: str
    message: str
    at: float
    ended_at: float | None
    share: float
    evidence: dict[str, Any]


class Rollouts(Calls):
    def rollouts(self, model: str) -> list[Rollout]:
        rollouts: list[Rollout] = self._call("GET", f"{paths.model(model)}/rollouts")
        return rollouts

    def start_rollout(self, model: str, fields: dict[str, Any]) -> Rollout:
        rollout: Rollout = self._call("POST", f"{paths.model(model)}/rollout", fields)
        return rollout

    def steer_rollout(self, model: str, action: str, message: str | None = None) -> Rollout:
        """`action` is pause, resume, promote or abort; the last two take a message."""
        body = None if message is None else {"message": message}
        rollout: Rollout = self._call("POST", f"{paths.model(model)}/rollout/{action}", body)
        return rollout
