"""The other controllers: Services, volume claims, namespaces, disruption budgets, garbage."""

from __future__ import annotations

from collections.abc import Iterable

from . import selectors
from .authorization import Authorization
from .deployments import is_ready
from .network import Network, port_of
from .objects import Objects
from .refusals import Refusal
from .resources import (
    ALL,
    BUDGETS,
    CLAIMS,
    CONFIG_MAPS,
    DEPLOYMENTS,
    ENDPOINTS,
    NAMESPACES,
    PODS,
    REPLICA_SETS,
    SERVICE_ACCOUNTS,
    SERVICES,
    SLICES,
    STORAGE_CLASSES,
    VOLUMES,
    Object,
    Resource,
)

DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


class Services:
    """Gives Services addresses, and keeps their Endpoints, EndpointSlices and names."""

    def __init__(self, objects: Objects, network: Network) -> None:
        self._objects = objects
        self._network = network
        self._last: dict[tuple[Resource, str, str], Object] = {}  # what was put of each kind, by name

    def amend(self, resource: object, service: Object, before: Object | None) -> None:
        """On create and update: the address and node ports stay, and come where they are missing."""
        if resource != SERVICES:
            return
        spec, old = service["spec"], (before or {"spec": {}})["spec"]
        if spec["type"] == "ExternalName":
            return
        if not spec.get("clusterIP"):
            spec["clusterIP"] = old.get("clusterIP") or self._network.service_address()
        elif old.get("clusterIP") and old["clusterIP"] != spec["clusterIP"]:
            why = f'spec.clusterIPs[0]: Invalid value: ["{spec["clusterIP"]}"]: may not change once set'
            name = service["metadata"]["name"]
            raise Refusal(422, "Invalid", f'Service "{name}" is invalid: {why}')
        spec["clusterIPs"] = [spec["clusterIP"]]
        kept = {port["port"]: port.get("nodePort") for port in old.get("ports") or []}
        for port in spec.get("ports") or []:
            if spec["type"] in ("NodePort", "LoadBalancer"):
                if not port.get("nodePort"):
                    port["nodePort"] = kept.get(port["port"]) or self._network.node_port()
            else:
                port.pop("nodePort", None)
        if "status" not in service:
            service["status"] = {"loadBalancer": {}}

    async def look(self) -> None:
        names: dict[str, list[str]] = {}
        places: dict[tuple[str, int], list[tuple[str, int]]] = {}
        for service in self._objects.store.view(SERVICES):
            meta, spec = service["metadata"], service["spec"]
            if spec["type"] == "ExternalName" or not spec.get("selector"):
                continue
            selector = {"matchLabels": spec["selector"]}
            pods = [
                pod
                for pod in self._objects.store.view(PODS, meta["namespace"])
                if selectors.selects(selector, pod["metadata"].get("labels"))
                and pod["status"].get("podIP")
                and pod["status"].get("phase") not in ("Succeeded", "Failed")
            ]
            self._write(service, pods)
            early = bool(spec.get("publishNotReadyAddresses"))
            heard = [pod for pod in pods if early or is_served(pod)]
            key = f"{meta['name']}.{meta['namespace']}"
            if spec["clusterIP"] == "None":
                names[key] = [pod["status"]["podIP"] for pod in heard]
                continue
            names[key] = [spec["clusterIP"]]
            for port in spec.get("ports") or []:
                there = [
                    (pod["status"]["podIP"], number)
                    for pod in heard
                    if (number := port_of(pod, port["targetPort"])) is not None
                ]
                places[spec["clusterIP"], port["port"]] = there
                if port.get("nodePort"):
                    places["127.0.0.1", port["nodePort"]] = there
        names["kubernetes.default"] = [self._network.api_address]
        self._network.write_names(names)
        await self._network.forward(places)

    def _write(self, service: Object, pods: list[Object]) -> None:
        meta, spec = service["metadata"], service["spec"]
        early = bool(spec.get("publishNotReadyAddresses"))
        ready = [pod for pod in pods if early or is_served(pod)]
        unready = [pod for pod in pods if pod not in ready and not pod["metadata"].get("deletionTimestamp")]
        ports = [_endpoint_port(pods, port) for port in spec.get("ports") or []]
        subset: Object = {
            **({"addresses": [_address(pod) for pod in ready]} if ready else {}),
            **({"notReadyAddresses": [_address(pod) for pod in unready]} if unready else {}),
        }
        subsets = [{**subset, "ports": ports}] if subset else []
        about = {"name": meta["name"], "namespace": meta["namespace"], "labels": meta.get("labels") or {}}
        self._put(ENDPOINTS, service, {"metadata": about, "subsets": subsets})
        endpoints = [
            {
                "addresses": [pod["status"]["podIP"]],
                "conditions": {
                    "ready": early or is_served(pod),
                    "serving": early or is_ready(pod),
                    "terminating": bool(pod["metadata"].get("deletionTimestamp")),
                },
                "nodeName": pod["spec"].get("nodeName"),
                "targetRef": _reference(pod),
            }
            for pod in pods
        ]
        labels = {**(meta.get("labels") or {}), "kubernetes.io/service-name": meta["name"]}
        labels["endpointslice.kubernetes.io/managed-by"] = "endpointslice-controller.k8s.io"
        about = {"name": f"{meta['name']}-1", "namespace": meta["namespace"], "labels": labels}
        body = {"metadata": about, "addressType": "IPv4", "endpoints": endpoints, "ports": ports}
        self._put(SLICES, service, body)

    def _put(self, resource: object, service: Object, body: Object) -> None:
        assert resource in (ENDPOINTS, SLICES)
        kind = ENDPOINTS if resource == ENDPOINTS else SLICES
        meta = service["metadata"]
        reference = {"apiVersion": "v1", "kind": "Service", "name": meta["name"], "uid": meta["uid"]}
        body["metadata"]["ownerReferences"] = [{**reference, "controller": True}]
        name, namespace = body["metadata"]["name"], meta["namespace"]
        before = self._objects.store.look(kind, namespace, name)
        if before is not None and self._last.get((kind, namespace, name)) == body:
            return
        self._last[kind, namespace, name] = body
        try:
            if before is None:
                self._objects.create(kind, namespace, body)
            else:
                self._objects.update(kind, namespace, name, body)
        except Refusal:
            pass  # its namespace is on its way out


def is_served(pod: Object) -> bool:
    """Whether a Service sends it something."""
    return is_ready(pod) and not pod["metadata"].get("deletionTimestamp")


def _address(pod: Object) -> Object:
    return {
        "ip": pod["status"]["podIP"],
        "nodeName": pod["spec"].get("nodeName"),
        "targetRef": _reference(pod),
    }


def _reference(pod: Object) -> Object:
    meta = pod["metadata"]
    return {"kind": "Pod", "namespace": meta["namespace"], "name": meta["name"], "uid": meta["uid"]}


def _endpoint_port(pods: list[Object], port: Object) -> Object:
    numbers = [number for pod in pods if (number := port_of(pod, port["targetPort"])) is not None]
    found = {"port": numbers[0] if numbers else port["port"], "protocol": port["protocol"]}
    return {**found, "name": port.get("name", "")}


class Claims:
    """Binds each claim to a volume, a folder, where there is a storage class for it."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def look(self) -> None:
        store = self._objects.store
        classes = store.all(STORAGE_CLASSES)
        default = next(
            (c for c in classes if (c["metadata"].get("annotations") or {}).get(DEFAULT_CLASS)), None
        )
        for claim in store.all(CLAIMS):
            if claim["spec"].get("volumeName") or claim["metadata"].get("deletionTimestamp"):
                continue
            name = claim["spec"].get("storageClassName", default["metadata"]["name"] if default else None)
            if name not in {c["metadata"]["name"] for c in classes}:
                said = "no persistent volumes available for this claim and no storage class is set"
                if name:
                    said = f'storageclass.storage.k8s.io "{name}" not found'
                if (claim.get("status") or {}).get("phase") != "Pending":
                    reason = "ProvisioningFailed" if name else "FailedBinding"
                    self._objects.event(CLAIMS, claim, "Normal", reason, said, "persistentvolume-controller")
                    self._objects.set_status(CLAIMS, claim, {"phase": "Pending"})
                continue
            self._bind(claim, name)

    def _bind(self, claim: Object, storage_class: str) -> None:
        meta, spec = claim["metadata"], claim["spec"]
        volume = f"pvc-{meta['uid']}"
        capacity = spec["resources"]["requests"]
        self._objects.create(
            VOLUMES,
            "",
            {
                "metadata": {"name": volume},
                "spec": {
                    "capacity": capacity,
                    "accessModes": spec["accessModes"],
                    "persistentVolumeReclaimPolicy": "Delete",
                    "storageClassName": storage_class,
                    "claimRef": {"namespace": meta["namespace"], "name": meta["name"], "uid": meta["uid"]},
                },
            },
        )
        spec.update(volumeName=volume, storageClassName=storage_class)
        claim["status"] = {"phase": "Bound", "capacity": capacity, "accessModes": spec["accessModes"]}
        self._objects.store.put(CLAIMS, claim)


class Budgets:
    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def look(self) -> None:
        for budget in self._objects.store.view(BUDGETS):
            self._objects.set_status(BUDGETS, budget, budget_status(self._objects, budget))


def budget_status(objects: Objects, budget: Object) -> Object:
    spec, meta = budget["spec"], budget["metadata"]
    pods = [
        pod
        for pod in objects.store.view(PODS, meta["namespace"])
        if selectors.selects(spec.get("selector"), pod["metadata"].get("labels"))
        and pod["status"].get("phase") not in ("Succeeded", "Failed")
    ]
    healthy = sum(is_served(pod) for pod in pods)
    expected = _expected(objects, pods)
    if "minAvailable" in spec:
        needed = _amount(spec["minAvailable"], expected)
    else:
        needed = max(0, expected - _amount(spec.get("maxUnavailable", 1), expected))
    allowed = max(0, healthy - needed) if expected else 0
    return {
        "currentHealthy": healthy,
        "desiredHealthy": needed,
        "disruptionsAllowed": allowed,
        "expectedPods": expected,
        "observedGeneration": meta["generation"],
    }


def _expected(objects: Objects, pods: Iterable[Object]) -> int:
    """The sum of what the pods' owners want."""
    sets = {reference["uid"] for pod in pods for reference in pod["metadata"].get("ownerReferences") or []}
    found = [s for s in objects.store.view(REPLICA_SETS) if s["metadata"]["uid"] in sets]
    owners = {reference["uid"] for s in found for reference in s["metadata"].get("ownerReferences") or []}
    deployments = [d for d in objects.store.view(DEPLOYMENTS) if d["metadata"]["uid"] in owners]
    return int(sum(d["spec"]["replicas"] for d in deployments)) or len(list(pods))


def _amount(wish: object, whole: int) -> int:
    if isinstance(wish, str) and wish.endswith("%"):
        return -(-whole * int(wish[:-1]) // 100)
    return int(str(wish))


class Namespaces:
    """What each namespace is born with, and its end."""

    def __init__(self, objects: Objects, authorization: Authorization, ca: str) -> None:
        self._objects = objects
        self._authorization = authorization
        self._ca = ca

    def look(self) -> None:
        store = self._objects.store
        for namespace in store.view(NAMESPACES):
            name = namespace["metadata"]["name"]
            if not namespace["metadata"].get("deletionTimestamp"):
                if store.look(SERVICE_ACCOUNTS, name, "default") is None:
                    self._objects.create(SERVICE_ACCOUNTS, name, {"metadata": {"name": "default"}})
                if store.look(CONFIG_MAPS, name, "kube-root-ca.crt") is None:
                    body = {"metadata": {"name": "kube-root-ca.crt"}, "data": {"ca.crt": self._ca}}
                    self._objects.create(CONFIG_MAPS, name, body)
                continue
            left = False
            for resource in ALL:
                if resource.namespaced:
                    for thing in store.view(resource, name):
                        left = True
                        if not thing["metadata"].get("deletionTimestamp"):
                            self._objects.delete(resource, name, thing["metadata"]["name"])
            if not left:
                store.remove(NAMESPACES, "", name)


class Garbage:
    """Removes what has lost all of its owners, and the volumes of claims that are gone."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def look(self) -> None:
        store = self._objects.store
        there = {thing["metadata"]["uid"] for resource in ALL for thing in store.view(resource)}
        for resource in ALL:
            for thing in store.view(resource):
                meta = thing["metadata"]
                owners = meta.get("ownerReferences") or []
                gone = owners and not any(reference["uid"] in there for reference in owners)
                if gone and not meta.get("deletionTimestamp"):
                    self._objects.delete(resource, meta.get("namespace", ""), meta["name"])
        for volume in store.view(VOLUMES):
            if volume["spec"].get("claimRef", {}).get("uid") not in there:
                store.remove(VOLUMES, "", volume["metadata"]["name"])
