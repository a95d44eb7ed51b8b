"""Where a cluster of pods is reached from here: by name, or through a load balancer, a node or a forward."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from dataclasses import dataclass

from .kubernetes_api import Forbidden, KubernetesAPI

PORTS = {"management": 1338, "query": 1337}
CONNECT_S = 2.0


@dataclass(frozen=True)
class Reach:
    """Addresses, host:port; None where only a port-forward leads there."""

    management: str | None
    query: str | None


def reach(api: KubernetesAPI, namespace: str) -> Reach:
    """The first address of each service that answers."""
    return Reach(_address(api, namespace, "management"), _address(api, namespace, "query"))


def _address(api: KubernetesAPI, namespace: str, name: str) -> str | None:
    candidates = []
    if "KUBERNETES_SERVICE_HOST" in os.environ:
        candidates.append((f"{name}.{namespace}", PORTS[name]))
    service = api.ask("GET", f"/api/v1/namespaces/{namespace}/services/{name}")
    port = service["spec"]["ports"][0]
    balancer = (service.get("status") or {}).get("loadBalancer") or {}
    for where in balancer.get("ingress") or []:
        candidates.append((where.get("ip") or where.get("hostname"), port["port"]))
    if node_port := port.get("nodePort"):
        with suppress(Forbidden):  # who may not list nodes has the other ways
            for node in api.ask("GET", "/api/v1/nodes")["items"]:
                addresses = {found["type"]: found["address"] for found in node["status"].get("addresses", [])}
                if host := addresses.get("ExternalIP") or addresses.get("InternalIP"):
                    candidates.append((host, node_port))
    return next((f"{host}:{port}" for host, port in candidates if _answers(host, port)), None)


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), CONNECT_S).close()
    except OSError:
        return False
    return True
