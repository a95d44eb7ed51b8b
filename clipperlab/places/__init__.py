"""Places, seen from the workbench: where a cluster is, and how it is brought up and down.

The cluster is not part of this process. It is brought up by `python -m clipper_server`, outlives this
process, and is found again through its record. Each place is a module: `process`, `docker`, `kubernetes`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class ClusterRecord:
    """How to reach a cluster. Addresses are "host:port"."""

    cluster_name: str
    query: str
    management: str
    token: str = field(repr=False)  # a notebook shows what it is given, and is passed on


class ContainerManager(Protocol):
    """What a connection needs to know of the place where its cluster runs."""

    cluster_name: str

    def up(self, *, fresh: bool, settings: Mapping[str, int | str] | None = None) -> bool:
        """Bring the cluster up, or restart what is dead of it; True unless it was running and well.

        `fresh` first ends and removes everything that an earlier run left. `settings` may have a
        `cache_size`, `num_frontends`, `max_inputs`, `max_json` and `cors_origins`; what is left out stays as
        it was. Raises ClusterError.
        """

    def down(self, *, purge: bool, graceful: bool = True) -> int:
        """End every process of the cluster; return how many there were. `purge` forgets its state too.

        Without `graceful` they are killed at once.
        """

    def record(self) -> ClusterRecord | None:
        """How to reach the cluster; None where it was never started, or is stopped."""

    def reached(self, addresses: Collection[str]) -> dict[str, str]:
        """Where this process finds the query frontends' ports, by how management names them.

        It costs nothing where all of them were found before.
        """

    def left(self, addresses: Collection[str]) -> None:
        """Let go of what led to these, which are named as management does: nothing listens there any more."""
