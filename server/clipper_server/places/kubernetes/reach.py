"""Where a cluster of pods is reached from here: by name, a load balancer, a node or an Ingress."""

from __future__ import annotations

import http.client
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .api import Forbidden, KubernetesAPI

PORTS = {"management": 1338, "query": 1337}
HEALTH = {"management": "/api/v1/health", "query": "/health"}
CONNECT_S = 2.0

Way = tuple[str, int] | str
"""An address to try, or a sentence that says why there is none of the kind."""


@dataclass(frozen=True)
class Reach:
    """How a service is reached: host:port, or None where only a port-forward may lead there.

    `tried` has a sentence for each way that does not lead there.
    """

    address: str | None
    tried: list[str]


def reach(api: KubernetesAPI, namespace: str, name: str, port: int | None = None) -> Reach:
    """The first address of the service "management" or "query" that answers; or of a `port` of a protocol."""
    service = api.ask("GET", f"/api/v1/namespaces/{namespace}/services/{name}")
    wanted = port or PORTS[name]
    found = next((each for each in service["spec"]["ports"] if each["port"] == wanted), None)
    if found is None:
        return Reach(None, [f"It has no port {wanted}."])
    tried = []
    for way, is_http in _ways(api, namespace, name, service, found):
        if isinstance(way, str):
            tried.append(way)
            continue
        host, port = way
        why = _why_not(host, port, HEALTH[name] if is_http else "")
        if not why:
            return Reach(f"{host}:{port}", tried)
        tried.append(f"{host}:{port} does not answer ({why}).")
    return Reach(None, tried)


def _ways(
    api: KubernetesAPI, namespace: str, name: str, service: Any, port: Any
) -> Iterator[tuple[Way, bool]]:
    """Each with whether it must answer as the service does: others may listen at an Ingress's address."""
    if "KUBERNETES_SERVICE_HOST" in os.environ:
        yield (f"{name}.{namespace}", port["port"]), False
    for way in _balancers(service, port["port"]):
        yield way, False
    for way in _nodes(api, service, port.get("nodePort")):
        yield way, False
    if port["port"] == PORTS[name]:  # an Ingress is for HTTP
        for way in _ingresses(api, namespace, name):
            yield way, True


def _balancers(service: Any, port: int) -> Iterator[Way]:
    if service["spec"].get("type") != "LoadBalancer":
        return
    places = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    for where in places:
        yield where.get("ip") or where.get("hostname"), port
    if not places:
        yield "Its load balancer has no address so far."


def _nodes(api: KubernetesAPI, service: Any, port: int | None) -> Iterator[Way]:
    if not port:
        type_ = service["spec"].get("type")
        yield f"It has no node port: its type is {type_}, and service_types= changes that."
        return
    try:
        nodes = api.ask("GET", "/api/v1/nodes")["items"]
    except Forbidden:
        yield f"It has the node port {port}, but you may not list nodes: so nobody knows their addresses."
        return
    for node in nodes:
        addresses = {found["type"]: found["address"] for found in node["status"].get("addresses", [])}
        if host := addresses.get("ExternalIP") or addresses.get("InternalIP"):
            yield host, port


def _ingresses(api: KubernetesAPI, namespace: str, name: str) -> Iterator[Way]:
    """Addresses are for plain HTTP, host:port, and at the root of a host."""
    try:
        found = api.ask("GET", f"/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses")["items"]
    except Forbidden:
        yield "You may not list Ingresses: so nobody knows whether one leads to it."
        return
    leads = False
    for ingress in found:
        spec = ingress["spec"]
        encrypted = {host for tls in spec.get("tls") or [] for host in tls.get("hosts") or []}
        for rule in spec.get("rules") or []:
            for path in (rule.get("http") or {}).get("paths") or []:
                if ((path.get("backend") or {}).get("service") or {}).get("name") != name:
                    continue
                leads = True
                host, where = rule.get("host", ""), path.get("path", "/")
                if host in encrypted:
                    url = f"https://{host}{where}"
                    yield f"An Ingress leads to it at {url}: that is for programs of your own."
                elif not host or where != "/":
                    yield f"The Ingress {ingress['metadata']['name']} does not give it a host of its own."
                else:
                    yield host, 80
    if not leads:
        yield "No Ingress leads to it."


def _why_not(host: str, port: int, path: str) -> str:
    """Why nothing answers there; "" where something does. With a `path`, it must do so with 200."""
    try:
        with socket.create_connection((host, port), CONNECT_S) as connected:
            if not path:
                return ""
            asked = http.client.HTTPConnection(host, port, timeout=CONNECT_S)
            asked.sock = connected
            asked.request("GET", path)
            status = asked.getresponse().status
            return "" if status == 200 else f"HTTP {status} at {path}"
    except (OSError, http.client.HTTPException) as error:
        return (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()
