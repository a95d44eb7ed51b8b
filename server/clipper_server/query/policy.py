"""Policies: how an application chooses among its models, and makes one answer of theirs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from .task import Outcome


class Policy(Protocol):
    def select(self, models: Sequence[str]) -> Sequence[str]:
        """Which of the application's linked models get the query; none: the default output."""

    def combine(self, outcomes: Sequence[Outcome]) -> Outcome:
        """One outcome of those of the selected models, in their order."""


class FirstModel:
    """The first linked model answers."""

    def select(self, models: Sequence[str]) -> Sequence[str]:
        return models[:1]

    def combine(self, outcomes: Sequence[Outcome]) -> Outcome:
        return outcomes[0]
