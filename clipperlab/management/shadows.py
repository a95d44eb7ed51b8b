"""Shadows, and what they said."""

from __future__ import annotations

from typing import Any, TypedDict

from . import paths
from .calls import Calls


class Tally(TypedDict):
    """`agreement`, and its 95 % interval from `low` to `high`, are shares of the pairs that were `compared`.

    `failed` and `shed` are counts by reason, `mended` pairs in which only the shadow had an answer.
    """

    compared: int
    same: int
    agreement: float | None
    low: float | None
    high: float | None
    failed: dict[str, int]
    mended: int
    shed: dict[str, int]
    before_ms: dict[str, float | None]
    after_ms: dict[str, float | None]


class Shadow(TypedDict):
    id: int
    model: str
    version: str
    fraction: float
    state: str  # "running", "stopped" or "promoted"
    who: str
    message: str
    at: float
    ended_at: float | None
    tolerance: float
    seen: Tally


class Shadows(Calls):
    def shadows(self, model: str) -> list[Shadow]:
        shadows: list[Shadow] = self._call("GET", f"{paths.model(model)}/shadows")
        return shadows

    def start_shadow(self, model: str, fields: dict[str, Any]) -> Shadow:
        shadow: Shadow = self._call("POST", f"{paths.model(model)}/shadow", fields)
        return shadow

    def end_shadow(self, model: str, action: str, message: str) -> Shadow:
        """`action` is promote or stop."""
        shadow: Shadow = self._call("POST", f"{paths.model(model)}/shadow/{action}", {"message": message})
        return shadow

    def shadow_pairs(self, model: str, limit: int, differing: bool) -> list[dict[str, Any]]:
        """The newest first."""
        query = {"limit": limit, "differing": int(differing)}
        pairs: list[dict[str, Any]] = self._call("GET", f"{paths.model(model)}/shadow/pairs", query=query)
        return pairs
