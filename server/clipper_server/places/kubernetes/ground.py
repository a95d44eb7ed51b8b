"""What management of a cluster of pods stands on, which is one of them."""

from __future__ import annotations

from ...cluster import ClusterFolder
from .. import FRONTENDS, Addresses, Ground, Settings
from ..ports import FixedPorts, listen
from .manager import WIRE_PORT, KubernetesContainerManager
from .numbers import Numbers
from .reach import PORTS
from .token import shared_token


def of_pods(
    folder: ClusterFolder,
    settings: Settings,
    token: str,
    cluster_name: str,
    namespace: str,
    registry: str,
    address: str,
    *,
    keeps: bool,
) -> Ground:
    """`registry` has the images of models; the state `keeps`, or does not.

    `address` is that of management's service, where no DNS knows names: replicas find all others through it.
    """
    management, query = PORTS["management"], PORTS["query"]
    addresses = Addresses(
        f"{address or 'management'}:{management}",
        f"query:{query}",
        folder.sockets,
        published=(f"management.{namespace}:{management}", f"query.{namespace}:{query}"),
        wire=f"http://{address}:{management}/api/v1{FRONTENDS}" if address else f"frontends:{WIRE_PORT}",
    )
    manager = KubernetesContainerManager(namespace, registry, Numbers(settings), keeps=keeps)
    shared = shared_token(namespace, token)
    return Ground(cluster_name, shared, listen(management, "0.0.0.0"), addresses, manager, FixedPorts({}))
