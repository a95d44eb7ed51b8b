"""What management of a cluster of processes stands on."""

from __future__ import annotations

from ...cluster import ClusterFolder
from .. import Addresses, Ground, Settings
from ..ports import HOST, FreePorts, listen
from .manager import ProcessContainerManager


def of_processes(
    folder: ClusterFolder, settings: Settings, token: str, query_port: int, management_port: int
) -> Ground:
    """The ports are wishes for the first start: the cluster keeps those that it had."""
    manager = ProcessContainerManager(folder.path)
    listener = listen(int(settings.get("management_port") or management_port))
    management = f"{HOST}:{listener.getsockname()[1]}"
    before = port = settings.get("query_port")
    if port is None or not manager.serves():
        # Bound until a query frontend has it: two clusters that start at the same time may wish for the same.
        manager.query_listener = listen(int(port or query_port))
        port = str(manager.query_listener.getsockname()[1])
    moved = ""
    if before not in (None, port):
        moved = (
            f"Queries are answered at {HOST}:{port} now. Another program has taken {HOST}:{before}, where "
            "they were: clients that still ask there ask that program."
        )
    settings.set("management_port", management.rpartition(":")[2])
    settings.set("query_port", port)
    addresses = Addresses(management, f"{HOST}:{port}", folder.sockets)
    ports = FreePorts(manager.serves)
    return Ground(folder.path.name, token, listener, addresses, manager, ports, moved)
