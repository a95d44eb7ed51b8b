"""The ports that protocols have in a cluster of pods: those of the query Service, beside that for queries."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from clipper_container.errors import BadRequest

from .manager import WIRE_PORT
from .manifests import COMPONENT, NAME, Manifest
from .reach import PORTS

POLICY = "protocols"
_OURS = (*PORTS.values(), WIRE_PORT)


class ServicePorts:
    """Each is at its documented number, unless another one is wished for: every pod has all ports to itself.

    `apply` has the API server take manifests.
    """

    def __init__(self, namespace: str, apply: Callable[[Sequence[Manifest]], Awaitable[None]]) -> None:
        self._namespace = namespace
        self._apply = apply

    def give(self, documented: int, wish: int | None) -> int:
        port = documented if wish is None else wish
        if port in _OURS or not 0 < port < 1 << 16:
            ours = ", ".join(map(str, _OURS))
            raise BadRequest(
                f"{port} cannot be a protocol's port: name one up to 65535 that is none of {ours}."
            )
        return port

    def again(self, port: int) -> int:
        return port

    async def open(self, spoken: Mapping[int, str]) -> None:
        await self._apply(manifests(spoken))

    def published(self, port: int) -> str:
        return f"query.{self._namespace}:{port}"


def manifests(spoken: Mapping[int, str]) -> list[Manifest]:
    """The Service's further ports, and the policy that lets everybody come to them."""
    ports = [
        {
            "name": f"{what}-{port}",  # by such a name a service mesh knows what is spoken
            "port": port,
            "targetPort": port,
            "protocol": "TCP",
        }
        for port, what in sorted(spoken.items())
    ]
    policy: Manifest = {
        "podSelector": {"matchLabels": {**NAME, COMPONENT: "query"}},
        "policyTypes": ["Ingress"],
    }
    if spoken:
        policy["ingress"] = [{"ports": [{"port": port, "protocol": "TCP"} for port in sorted(spoken)]}]
    return [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "query"}, "spec": {"ports": ports}},
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": POLICY},
            "spec": policy,
        },
    ]
