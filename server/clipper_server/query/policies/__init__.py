"""Policies: how an application chooses among its models, and makes one answer of theirs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ..snapshot import VersionSpec
from .task import Outcome


class Asked(Protocol):
    """One version of one of the models."""

    @property
    def spec(self) -> VersionSpec: ...


class Policy(Protocol):
    def select(self, models: Sequence[str]) -> Sequence[str]:
        """Which of the application's linked models get the query; none: the default output."""

    def combine(self, outcomes: Sequence[Outcome]) -> Outcome:
        """One outcome of those of the selected models, in their order.

        Called when all have come, or at the deadline, with a fault for each that is missing.
        """

    def observe(self, asked: Sequence[Asked], outcomes: Sequence[Outcome], latency_s: float) -> None:
        """What each of those that were asked said to one input, and how long all of it took."""


class First:
    """The first linked model answers."""

    def select(self, models: Sequence[str]) -> Sequence[str]:
        return models[:1]

    def combine(self, outcomes: Sequence[Outcome]) -> Outcome:
        return outcomes[0]

    def observe(self, asked: Sequence[Asked], outcomes: Sequence[Outcome], latency_s: float) -> None:
        pass
