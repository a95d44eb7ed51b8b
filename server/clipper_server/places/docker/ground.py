"""What management of a cluster of containers stands on, which is one of them."""

from __future__ import annotations

from ...cluster import ClusterFolder
from .. import Addresses, Ground
from ..ports import FixedPorts, listen
from .manager import DockerContainerManager
from .parts import HOLDER, MANAGEMENT, MANAGEMENT_PORT, QUERY_PORT, SNAPSHOTS, SOCKETS


def of_containers(folder: ClusterFolder, token: str, cluster_name: str, host: str, registry: str) -> Ground:
    """`host` is where the ports are published; `registry` has images."""
    folder.make()
    folder.record_path.unlink(missing_ok=True)  # of the one before, in whose name this one would answer
    manager = DockerContainerManager(cluster_name, folder.path / "logs", registry)
    addresses = Addresses(
        f"{MANAGEMENT}:{MANAGEMENT_PORT}",
        f"0.0.0.0:{QUERY_PORT}",
        SOCKETS,
        published=manager.published(host),
        private=("0.0.0.0", HOLDER),
        snapshots=SNAPSHOTS,
    )
    listener = listen(MANAGEMENT_PORT, "0.0.0.0")
    return Ground(cluster_name, token, listener, addresses, manager, FixedPorts(manager.own_ports(host)))
