"""What management of a cluster of processes stands on."""

from __future__ import annotations

from ...cluster import ClusterFolder
from .. import Addresses, Ground, Settings
from ..ports import HOST, listen
from .manager import ProcessContainerManager


def of_processes(
    folder: ClusterFolder, settings: Settings, token: str, query_port: int, management_port: int
) -> Ground:
    """The ports are wishes for the first start: the cluster keeps those that it had."""
    manager = ProcessContainerManager(folder.path)
    listener = listen(int(settings.get("management_port") or management_port))
    management = f"{HOST}:{listener.getsockname()[1]}"
    query = f"{HOST}:{_query_port(settings, query_port, in_use=manager.serves())}"
    settings.set("management_port", management.rpartition(":")[2])
    settings.set("query_port", query.rpartition(":")[2])
    return Ground(folder.path.name, token, listener, Addresses(management, query, folder.sockets), manager)


def _query_port(settings: Settings, wish: int, *, in_use: bool) -> int:
    """The port that the query frontends have, or else a free one: the one that they had, or the wish.

    `in_use` says whether any of them runs.
    """
    kept = settings.get("query_port")
    if kept is not None and in_use:
        return int(kept)
    with listen(int(kept or wish)) as listener:
        return int(listener.getsockname()[1])
