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
    manager = DockerContainerManager(cluster_name, folder.path / "logs", registry)
    before, published = folder.record(), manager.published(host)
    if before is not None and (before.management, before.query) != published:
        folder.record_path.unlink()  # or it would be taken for this one's, which may answer at its port
    addresses = Addresses(
        f"{MANAGEMENT}:{MANAGEMENT_PORT}",
        f"0.0.0.0:{QUERY_PORT}",
        SOCKETS,
        published=published,
        private=("0.0.0.0", HOLDER),
        snapshots=SNAPSHOTS,
    )
    listener = listen(MANAGEMENT_PORT, "0.0.0.0")
    return Ground(cluster_name, token, listener, addresses, manager, FixedPorts(manager.own_ports(host)))
