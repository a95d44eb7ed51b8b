"""Container managers: what runs replicas and query frontends, as processes, in Docker or on Kubernetes.

A container manager keeps its own record of what it started, so that a new management process finds it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

Kind = Literal["query", "replica"]


@dataclass(frozen=True, slots=True)
class Spec:
    """What to start. `name` is its own in the cluster, for ever. `labels` come back from `poll`."""

    name: str
    kind: Kind
    environment: dict[str, str]
    labels: dict[str, str]


@dataclass(frozen=True, slots=True)
class Status:
    """What became of it. `exit_code` is None while it runs, and may be -1 where nobody knows it.

    `last_words` is what it said of its own end: the model's traceback, or the end of its log.
    """

    name: str
    kind: Kind
    labels: dict[str, str]
    pid: int
    exit_code: int | None
    last_words: str


class ContainerManager(Protocol):
    """Called by the reconciler alone, one call at a time."""

    async def start(self, spec: Spec) -> None:
        """Start it, and return without waiting for it. Raises ClusterError where it cannot be started."""

    async def stop(self, name: str, *, at_once: bool = False) -> None:
        """Ask it to end, and see to it that it does; `at_once` ends it without asking.

        Returns at once; does nothing for unknown names.
        """

    async def poll(self) -> list[Status]:
        """All that was started and not yet forgotten. Called often, so it must be quick."""

    async def forget(self, name: str) -> None:
        """It has ended, and its end was noted."""

    async def logs(self) -> dict[str, str]:
        """The last part (a bounded one) of each log, by name."""
