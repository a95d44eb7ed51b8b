"""Brings a cluster of pods up and down, and finds it: by its namespace, from wherever a kubeconfig is."""

from __future__ import annotations

import base64
import itertools
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from clipper_container.errors import ClusterError

from .. import Trouble
from . import manifests, pods, token
from .api import Forbidden, KubernetesAPI, Missing, Taken
from .declared import declared
from .deployments import OWNER
from .manifests import COMPONENT, NAME, Choices, Manifest
from .paths import PATHS
from .reach import Reach, reach
from .token import SECRET

MANAGER = "clipperlab"  # of the fields that it writes
START_S = 110.0
STOP_S = 50.0
FAREWELL_S = 1
LOOK_S = 0.2
LOOKS_FOR_TROUBLE = 5  # so many looks to see whether it serves are one for what keeps it from that
OURS = ",".join(f"{key}={value}" for key, value in NAME.items())
INSTANCE = "app.kubernetes.io/instance"
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
DNS = "k8s-app=kube-dns"
_OF_MODELS = {
    "Deployment": "apps/v1",
    "PodDisruptionBudget": "policy/v1",
    "HorizontalPodAutoscaler": "autoscaling/v2",
}


@dataclass(frozen=True)
class Found:
    """A cluster that runs, and how its two services are reached, and the ports of protocols."""

    cluster_name: str
    token: str
    management: Reach
    query: Reach
    own_ports: dict[int, Reach]


class KubernetesCluster:
    """The cluster that `choices` name, in the kubeconfig's `context`; "" is its current one, or this pod's.

    Raises ClusterError where the API server does not answer, or does not do it.
    """

    def __init__(self, choices: Choices, context: str = "", *, create_namespace: bool = True) -> None:
        self._choices = choices
        self._namespace = choices.namespace
        self._create_namespace = create_namespace
        self._api = KubernetesAPI(context)

    def record(self, own_ports: Sequence[int] = ()) -> Found | None:
        """How to reach it, and these ports of protocols; None where it does not run."""
        deployment = self._deployment("management")
        if deployment is None or not deployment["spec"].get("replicas"):
            return None
        self._check_name(deployment)
        try:
            secret = self._api.ask("GET", self._path("Secret", SECRET))
        except Missing:
            return None  # management has never come up so far
        shared = base64.b64decode(secret["data"]["token"]).decode()
        management, query = (reach(self._api, self._namespace, name) for name in ("management", "query"))
        own = {port: reach(self._api, self._namespace, "query", port) for port in own_ports}
        return Found(self._choices.cluster_name, shared, management, query, own)

    def up(self, *, fresh: bool) -> bool:
        """See to it that it serves; whether it had to be started."""
        if fresh:
            self.down(purge=True)
        deployment = self._deployment("management")
        if deployment is not None:
            self._check_name(deployment)
        if deployment is not None and deployment["spec"].get("replicas"):
            if self._serves():
                return False
        else:
            self._make_namespace()
            self._make_token()
            for manifest in self.manifests(self._address()):
                if manifest["kind"] != "Namespace":
                    self._apply(manifest)
        self._wait()
        return True

    def manifests(self, management: str = "") -> list[Manifest]:
        """What is applied. Without a default storage class the state goes with the pod of management."""
        choices = replace(self._choices, management=management)
        if choices.storage:
            choices = replace(choices, storage=self._has_storage())
        return manifests.cluster(choices)

    def _address(self) -> str:
        """Where pods find management if no DNS knows its name; "" if one does."""
        try:
            services = self._api.ask("GET", "/api/v1/services", query={"labelSelector": DNS})["items"]
        except Forbidden:
            return ""  # nearly every cluster has one
        if services:
            return ""
        (service,) = (
            manifest
            for manifest in self.manifests()
            if (manifest["kind"], manifest["metadata"]["name"]) == ("Service", "management")
        )
        return str(self._apply(service)["spec"]["clusterIP"])

    def _make_token(self) -> None:
        """Management would make it too, but a pod that looks for it in vain looks again after 10 s only."""
        secret = token.manifest(secrets.token_urlsafe(32))
        with suppress(Taken, Forbidden):
            self._api.ask("POST", self._path("Secret", ""), secret)

    def as_it_is(self) -> list[Manifest]:
        """What was applied of a cluster that is there, its models included; [] where there is none.

        With as many replicas as there should be now, unless an autoscaler counts them. Secrets are not in it:
        management makes them.
        """
        if self._deployment("management") is None:
            return []
        found = []
        for manifest in manifests.base():
            kind, name = manifest["kind"], manifest["metadata"]["name"]
            path = f"{PATHS[kind]}/{self._namespace}" if kind == "Namespace" else self._path(kind, name)
            with suppress(Missing):
                found.append({**_head(manifest), **self._api.ask("GET", path)})
        parts = [declared(one, MANAGER) for one in found]
        autoscalers = self._api.ask("GET", PATHS["HorizontalPodAutoscaler"].format(self._namespace))["items"]
        scaled = {autoscaler["spec"]["scaleTargetRef"]["name"] for autoscaler in autoscalers}
        for part, one in zip(parts, found, strict=True):
            # Whoever scales it takes this field away from those who applied the rest.
            if part["kind"] == "Deployment" and part["metadata"]["name"] not in scaled:
                part["spec"] = {"replicas": one["spec"]["replicas"], **part["spec"]}
        for kind, version in _OF_MODELS.items():
            path = PATHS[kind].format(self._namespace)
            listed = self._api.ask("GET", path, query={"labelSelector": f"{OURS},{COMPONENT}=model"})
            head = {"apiVersion": version, "kind": kind}  # which a list leaves out of its items
            parts += [declared({**head, **one}, OWNER) for one in listed["items"]]
        return parts

    def down(self, *, purge: bool, now: bool = False) -> int:
        """End every pod, management first, which would want the others back; how many there were.

        Query frontends need not serve on until every proxy knows that they go, for nothing takes their place:
        what is under way has a second, and the two that a kubelet adds. The state stays, and so does the
        namespace, unless it is purged.
        """
        if self._namespace_object() is None:
            return 0
        deployment = self._deployment("management")
        if deployment is not None:
            self._check_name(deployment)
        count = len(self._pods())
        for name in ("management", "query"):
            with suppress(Missing):
                body = {"spec": {"replicas": 0}}
                self._api.ask("PATCH", self._path("Deployment", name), body, "application/merge-patch+json")
        give_up = time.monotonic() + STOP_S
        while True:
            # Again and again, for management makes models' Deployments until it has ended.
            self._api.ask(
                "DELETE",
                PATHS["Deployment"].format(self._namespace),
                query={"labelSelector": f"{OURS},{COMPONENT}=model"},
            )
            if not (left := self._pods()):
                break
            at_once = now or time.monotonic() > give_up
            for pod in left:
                if at_once or _serves_on(pod):
                    with suppress(Missing):
                        path = self._path("Pod", pod["metadata"]["name"])
                        self._api.ask("DELETE", path, {"gracePeriodSeconds": 0 if at_once else FAREWELL_S})
            if time.monotonic() > give_up + 5:
                raise ClusterError(f"Some pods of namespace {self._namespace} do not end. {self._troubles()}")
            time.sleep(LOOK_S)
        if purge:
            self._purge()
        return count

    def _purge(self) -> None:
        """All that was made, and the namespace where it was made for this."""
        namespace = self._namespace_object()
        if namespace is not None and (namespace["metadata"].get("labels") or {}).items() >= NAME.items():
            self._api.ask("DELETE", f"{PATHS['Namespace']}/{self._namespace}")
            give_up = time.monotonic() + STOP_S
            while self._namespace_object() is not None:
                if time.monotonic() > give_up:
                    raise ClusterError(
                        f"Namespace {self._namespace} does not go. `kubectl get all,pvc -n "
                        f"{self._namespace}` tells what holds it."
                    )
                time.sleep(LOOK_S)
            return
        named = [(m["kind"], m["metadata"]["name"]) for m in reversed(manifests.base())]
        for kind, name in [*named, ("Secret", SECRET)]:
            if kind != "Namespace":
                with suppress(Missing):
                    self._api.ask("DELETE", self._path(kind, name))

    def _make_namespace(self) -> None:
        if self._namespace_object() is not None:
            return
        if not self._create_namespace:
            raise ClusterError(
                f"There is no namespace {self._namespace}. create_namespace_if_not_exists=True makes it, as "
                f"does `kubectl create namespace {self._namespace}`."
            )
        for manifest in self.manifests():
            if manifest["kind"] == "Namespace":
                self._apply(manifest)

    def _check_name(self, deployment: Manifest) -> None:
        name = deployment["metadata"]["labels"].get(INSTANCE, deployment["metadata"]["name"])
        if INSTANCE in deployment["metadata"]["labels"] and name != self._choices.cluster_name:
            raise ClusterError(
                f"Namespace {self._namespace} has the cluster {name!r}, and has room for one. Leave out "
                "namespace=, and each cluster gets its own."
            )

    def _wait(self) -> None:
        give_up = time.monotonic() + START_S
        looks = itertools.count(1)
        while not self._serves():
            if next(looks) % LOOKS_FOR_TROUBLE == 0:
                hopeless = [trouble.text for trouble in self._found_troubles() if trouble.hopeless]
                if hopeless:
                    raise ClusterError(f"The cluster did not start. {hopeless[0]}")
            if time.monotonic() > give_up:
                raise ClusterError(
                    f"The cluster does not serve after {START_S:.0f} s. {self._troubles()} It goes on "
                    "starting: connect() later, or stop_all(purge=True)."
                )
            time.sleep(LOOK_S)

    def _serves(self) -> bool:
        found = [self._deployment(name) for name in ("management", "query")]
        return all(
            d is not None
            and d["status"].get("observedGeneration", 0) >= d["metadata"]["generation"]
            and d["status"].get("readyReplicas", 0) >= d["spec"]["replicas"]
            for d in found
        )

    def _troubles(self) -> str:
        found = [trouble.text for trouble in self._found_troubles()]
        return " ".join(dict.fromkeys(found)) or f"`kubectl get pods -n {self._namespace}` tells more."

    def _found_troubles(self) -> list[Trouble]:
        events = self._path("Event", "")
        warnings: list[Manifest] = []
        with suppress(Missing, Forbidden):
            warnings = self._api.ask("GET", events, query={"fieldSelector": pods.WARNINGS})["items"]
        there = self._pods()
        found = [trouble for pod in there for trouble in pods.troubles(pod, warnings)]
        for pod in there:
            if pods.ends(pod) > 1:
                code, said = pods.last_end(pod)
                text = f"Pod {pod['metadata']['name']} ends with exit code {code}: {said}"
                found.append(Trouble(text, {}, hopeless=True))
        for name in ("management", "query"):
            if (deployment := self._deployment(name)) is not None:
                found += pods.deployment_troubles(deployment, there)
        return found

    def _pods(self) -> list[Manifest]:
        path = self._path("Pod", "")
        with suppress(Missing):
            found: list[Manifest] = self._api.ask("GET", path, query={"labelSelector": OURS})["items"]
            return found
        return []

    def _has_storage(self) -> bool:
        try:
            classes = self._api.ask("GET", "/apis/storage.k8s.io/v1/storageclasses")["items"]
        except Forbidden:
            return True  # who may not look is told by the claim
        marks = [found["metadata"].get("annotations") or {} for found in classes]
        return any(mark.get(DEFAULT_CLASS) == "true" for mark in marks)

    def _namespace_object(self) -> Manifest | None:
        with suppress(Missing):
            return self._api.ask("GET", f"{PATHS['Namespace']}/{self._namespace}")
        return None

    def _deployment(self, name: str) -> Manifest | None:
        with suppress(Missing):
            return self._api.ask("GET", self._path("Deployment", name))
        return None

    def _apply(self, manifest: Manifest) -> Manifest:
        path = self._path(manifest["kind"], manifest["metadata"]["name"])
        query = {"fieldManager": MANAGER, "force": "true"}
        return self._api.ask("PATCH", path, manifest, "application/apply-patch+yaml", query)

    def _path(self, kind: str, name: str) -> str:
        return f"{PATHS[kind].format(self._namespace)}/{name}".removesuffix("/")


def _serves_on(pod: Manifest) -> bool:
    """Whether it is a query frontend that goes, in its own time."""
    grace_s = pod["metadata"].get("deletionGracePeriodSeconds", 0)
    return bool(pod["metadata"]["labels"].get(COMPONENT) == "query" and grace_s > FAREWELL_S)


def _head(manifest: Manifest) -> Manifest:
    """What a list leaves out of its items."""
    return {"apiVersion": manifest["apiVersion"], "kind": manifest["kind"]}
