"""Clusters of pods on Kubernetes, seen from the workbench."""

from __future__ import annotations

import socket
import threading
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from clipper_container.errors import BadRequest, ClusterError

from .. import forked
from ..names import check_name
from . import ClusterRecord
from .runtime import DOWN_TIMEOUT_S, BroughtUp

if TYPE_CHECKING:
    from .forward import Forward

PORTS = {"management": 1338, "query": 1337}
SERVICES = tuple(PORTS)
CONNECT_S = 2.0
DRAIN_S = 5.0  # as query frontends give what is under way at a port that is closed
TYPES = ("ClusterIP", "NodePort", "LoadBalancer")
REFUSED = {
    "redis_ip": "There is no Redis: management keeps the state on a volume.",
    "redis_port": "There is no Redis: management keeps the state on a volume.",
    "useInternalIP": "A node's external address is tried first, and its internal one where it has none.",
}


class KubernetesContainerManager(BroughtUp):
    """A cluster of pods, in a namespace of its own: `clipper-<cluster_name>`, or the one that is named.

    A namespace that is named must be there, unless `create_namespace_if_not_exists`. `context` is one of the
    kubeconfig's; by default its current one, or in a pod without kubeconfig that pod's cluster. Images come
    from the `registry`, with `image_pull_secrets` where it wants a password; without one the nodes must have
    them. `service_types` maps "management" and "query" to ClusterIP, NodePort or LoadBalancer.

    With `kubernetes_proxy_addr`, where a `kubectl proxy` listens, both services are reached through it and
    the API server. Otherwise the first of these that answers is taken: the services' names in a pod, a load
    balancer, node ports, an Ingress without TLS, and at last a port-forward, which ends with this process.
    Clipper's other arguments are refused with the reason. Raises BadRequest.

    >>> place = clipperlab.KubernetesContainerManager("other", service_types={"query": "LoadBalancer"})
    >>> place.namespace
    'clipper-other'
    """

    down_timeout_s = 150.0  # pods have their grace, and then the namespace goes

    def __init__(
        self,
        cluster_name: str = "default-cluster",
        kubernetes_proxy_addr: str | None = None,
        *,
        namespace: str | None = None,
        context: str = "",
        registry: str = "",
        service_types: dict[str, str] | None = None,
        create_namespace_if_not_exists: bool = False,
        image_pull_secrets: Sequence[str] = (),
        **of_clipper: Any,
    ) -> None:
        for name in of_clipper:
            if name not in REFUSED:
                raise TypeError(f"KubernetesContainerManager() got an unexpected keyword argument {name!r}")
            raise BadRequest(f"KubernetesContainerManager() takes no {name}. {REFUSED[name]} Leave it out.")
        for service, type_ in (service_types or {}).items():
            if service not in SERVICES or type_ not in TYPES:
                raise BadRequest(
                    f"service_types: {service!r}: {type_!r} cannot be. Services are {', '.join(SERVICES)}, "
                    f"and types {', '.join(TYPES)}."
                )
        self.namespace = check_name("namespace", namespace or f"clipper-{cluster_name}")
        self.context = context
        self._proxy = _checked(kubernetes_proxy_addr or "")
        place = ["kubernetes", "--cluster-name", cluster_name]
        if namespace:
            place += ["--namespace", namespace]
        if context:
            place += ["--context", context]
        place += [f"--service-type={service}={type_}" for service, type_ in (service_types or {}).items()]
        place += [f"--image-pull-secret={name}" for name in image_pull_secrets]
        if create_namespace_if_not_exists:
            place.append("--create-namespace")
        more = f"`kubectl get pods -n {self.namespace}` tells more."
        super().__init__(cluster_name, place, {"registry": registry} if registry else {}, more)
        self._forwards: dict[str, Forward] = {}
        self._of_parents: list[dict[str, Forward]] = []
        self._outside: dict[int, str] = {}  # by port, the ways that the cluster has
        self._forwarding = threading.Lock()  # of both: a watch has a thread of its own
        forked.in_child(self._leave_to_parent)

    def _leave_to_parent(self) -> None:
        """In a forked process, which has none of the threads: make a port-forward of its own where it needs
        one.
        """
        self._of_parents.append(self._forwards)  # which end where they are let go
        self._forwards = {}
        self._forwarding = threading.Lock()

    def record(self) -> ClusterRecord | None:
        with self._forwarding:
            self._outside.clear()  # it may have been started anew
        found = self._run("record", [], DOWN_TIMEOUT_S)["record"]
        if found is None:
            return None
        if self._proxy:
            management, query = (self._proxied(name) for name in SERVICES)
        else:
            management, query = (
                found[name]["address"] or self._forwarded(name, found[name]["tried"]) for name in SERVICES
            )
        return ClusterRecord(found["cluster_name"], query, management, found["token"])

    def _proxied(self, service: str) -> str:
        host, _, port = self._proxy.rpartition(":")
        try:
            socket.create_connection((host, int(port)), CONNECT_S).close()
        except OSError as error:
            raise ClusterError(
                f"Nothing answers at {self._proxy}, the kubernetes_proxy_addr ({error.strerror or error}). "
                f"`kubectl proxy --port {port}` starts what should."
            ) from None
        return f"{self._proxy}/api/v1/namespaces/{self.namespace}/services/{service}:{PORTS[service]}/proxy"

    @property
    def forwards(self) -> bool:
        """Whether an address of its record ends with this object."""
        return bool(self._forwards)

    @property
    def port_forward(self) -> str:
        """The command that leads to its queries, as its own port-forwards do, until somebody ends it."""
        with self._forwarding:
            ports = {where.rpartition(":")[2] for where in self._forwards if where.startswith("query:")}
        return f"kubectl port-forward -n {self.namespace} service/query {' '.join(sorted(ports, key=int))}"

    def lasting(self, address: str) -> str:
        """The address; or where it is a port-forward's, which ends with this object, as pods name it."""
        with self._forwarding:
            found = [where for where, forward in self._forwards.items() if forward.address == address]
        return next((where.replace(":", f".{self.namespace}:") for where in found), address)

    def reached(self, addresses: Collection[str]) -> dict[str, str]:
        """As for queries; where no way leads there, as pods find it, and it is looked for again."""
        ports = {address: int(address.rpartition(":")[2]) for address in addresses}
        found = {address: way for address, port in ports.items() if (way := self._known(port)) is not None}
        if missing := ports.keys() - found.keys():
            self._look(sorted({ports[address] for address in missing}))
            found |= {address: self._known(ports[address]) or address for address in missing}
        return found

    def _known(self, port: int) -> str | None:
        with self._forwarding:
            forward = self._forwards.get(f"query:{port}")
            return self._outside.get(port) if forward is None else forward.address

    def _look(self, ports: Sequence[int]) -> None:
        """For ways to the query frontends."""
        record = self._run("record", [f"--own-port={port}" for port in ports], DOWN_TIMEOUT_S)["record"]
        for port in ports if record is not None else ():
            reach = record["own_ports"][str(port)]
            if reach["address"]:
                with self._forwarding:
                    self._outside[port] = reach["address"]
            else:
                with suppress(ClusterError):
                    self._forwarded("query", reach["tried"], port)

    def left(self, addresses: Collection[str]) -> None:
        for port in {int(address.rpartition(":")[2]) for address in addresses}:
            with self._forwarding:
                self._outside.pop(port, None)
                forward = self._forwards.pop(f"query:{port}", None)
            if forward is not None:
                forward.close(DRAIN_S)

    def _forwarded(self, service: str, tried: Sequence[str], port: int | None = None) -> str:
        with self._forwarding:
            return self._forward(service, tried, port)

    def _forward(self, service: str, tried: Sequence[str], port: int | None) -> str:
        from .forward import Forward  # late: it needs the Kubernetes client

        where = f"{service}:{port or PORTS[service]}"
        if where not in self._forwards:
            try:
                self._forwards[where] = Forward(self.namespace, service, port or PORTS[service], self.context)
            except ClusterError as error:
                ways = [
                    *tried,
                    str(error),
                    "kubernetes_proxy_addr= names a `kubectl proxy`, and was not given.",
                ]
                raise ClusterError(
                    f"No way leads from here to {service} of the cluster in namespace {self.namespace}. "
                    + " ".join(ways)
                ) from None
        return self._forwards[where].address

    def manifests(self, settings: Mapping[str, int | str] | None = None) -> tuple[str, bool]:
        """The cluster as YAML, and whether it runs: with its models then, and as it would be otherwise."""
        given = {**self._wishes, **(settings or {})}
        options = [
            part for name, value in given.items() for part in (f"--{name.replace('_', '-')}", str(value))
        ]
        found = self._run("manifests", options, DOWN_TIMEOUT_S)
        return found["yaml"], found["running"]

    def down(self, *, purge: bool, graceful: bool = True) -> int:
        stopped = super().down(purge=purge, graceful=graceful)
        with self._forwarding:
            for forward in self._forwards.values():
                forward.close()
            self._forwards.clear()
            self._outside.clear()
        return stopped


def _checked(proxy: str) -> str:
    host, _, port = proxy.rpartition(":")
    if proxy and (not host or "/" in host or not port.isdecimal()):
        raise BadRequest(
            f"kubernetes_proxy_addr: {proxy!r} is no host:port. `kubectl proxy` says its own, 127.0.0.1:8001 "
            "by default."
        )
    return proxy
