"""Policies."""

from __future__ import annotations

from typing import Any, TypedDict

from . import paths
from .calls import Calls


class PolicyMove(TypedDict):
    """`at` is in seconds since 1970."""

    policy: dict[str, Any] | None
    at: float
    who: str
    message: str


class Policy(TypedDict):
    policy: dict[str, Any] | None
    text: str
    history: list[PolicyMove]


class Policies(Calls):
    def policy(self, application: str) -> Policy:
        policy: Policy = self._call("GET", f"{paths.application(application)}/policy")
        return policy

    def set_policy(self, application: str, policy: dict[str, Any] | None, message: str) -> None:
        body = {"policy": policy, "message": message}
        self._call("PUT", f"{paths.application(application)}/policy", body)
