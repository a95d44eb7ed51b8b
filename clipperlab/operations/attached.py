"""What every operation needs: the cluster that the connection is attached to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipper_container.errors import ClusterError, UnconnectedException

from ..places import ClusterRecord, ContainerManager

if TYPE_CHECKING:
    from ..management import Management


class Attached:
    """Knows where the cluster is, and how its management is asked."""

    def __init__(self, container_manager: ContainerManager) -> None:
        self.cm: ContainerManager = container_manager
        self._attached: tuple[ClusterRecord, Management] | None = None

    def _attach(self) -> None:
        # Late, so that the package can be imported without the client extra.
        from ..management import Management

        self._attached = None
        record = self.cm.record()
        if record is None:
            raise ClusterError(
                f"Cluster {self.cm.cluster_name!r} is not running. start_clipper(), or "
                f"`clipperlab start --cluster-name {self.cm.cluster_name}`, starts it."
            )
        self._attached = record, Management(record)

    @property
    def _record(self) -> ClusterRecord:
        return self._both()[0]

    @property
    def _management(self) -> Management:
        return self._both()[1]

    def _both(self) -> tuple[ClusterRecord, Management]:
        if self._attached is None:
            raise UnconnectedException(
                "This connection is not attached to a cluster. Call connect() for one that runs, or "
                "start_clipper() for a new one."
            )
        return self._attached
