"""What management of a cluster of processes stands on."""

from __future__ import annotations

from ...cluster import ClusterFolder
from .. import ADDRESS, Addresses, Ground, Settings
from ..ports import HOST, FreePorts, listen
from .manager import ProcessContainerManager


def of_processes(
    folder: ClusterFolder, settings: Settings, token: str, query_port: int, management_port: int
) -> Ground:
    """The ports are wishes for the first start: the cluster keeps those that it had."""
    manager = ProcessContainerManager(folder.path)
    listener = listen(int(settings.get("management_port") or management_port))
    management = f"{HOST}:{listener.getsockname()[1]}"
    port = settings.get("query_port")
    if port is None or not manager.serves():
        # Bound until a query frontend has it: two clusters that start at the same time may wish for the same.
        known = settings.get(ADDRESS) or ""  # to clients, from the last start that went well
        wish = known.rpartition(":")[2] or port or query_port
        manager.query_listener = listen(int(wish))
        port = str(manager.query_listener.getsockname()[1])
    settings.set("management_port", management.rpartition(":")[2])
    settings.set("query_port", port)
    addresses = Addresses(management, f"{HOST}:{port}", folder.sockets)
    return Ground(folder.path.name, token, listener, addresses, manager, FreePorts(manager.serves))
