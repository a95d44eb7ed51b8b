"""Batch-size policies: how many inputs a replica gets at once."""

from __future__ import annotations

from typing import Protocol

DEFAULT_BATCH_SIZE = 32


class BatchPolicy(Protocol):
    """Decides the largest batch, and learns from what each batch took."""

    def limit(self, slack_s: float) -> int:
        """The most inputs (at least 1) to send when the most urgent one has `slack_s` seconds left."""

    def observe(self, size: int, compute_s: float) -> None:
        """A batch of `size` inputs took the model `compute_s` seconds."""


class Fixed:
    """At most `size` inputs, whatever they take. A size of 1 is batching switched off."""

    def __init__(self, size: int) -> None:
        self._size = size

    def limit(self, slack_s: float) -> int:
        return self._size

    def observe(self, size: int, compute_s: float) -> None:
        pass


def policy_for(batch_size: int) -> BatchPolicy:
    """The policy that Clipper's `batch_size` argument asks for; -1 leaves the choice to the system."""
    return Fixed(DEFAULT_BATCH_SIZE if batch_size == -1 else batch_size)
