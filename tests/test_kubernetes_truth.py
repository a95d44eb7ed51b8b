"""Whatever Kubernetes does to pods is told within two seconds: in the status, as an event, and in the panel.

Each test does it to the stand-in, and takes the time from when an object of the API server shows it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from clipperlab import ClipperConnection, ClusterError, KubernetesContainerManager
from clipperlab.deployers.python import deploy_python_closure
from clipperlab.management import Management
from clipperlab.workbench import glance
from clipperlab.workbench.watch import Seen, Watch

from . import places
from .clusters import constant
from .waiting import wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(120),
    # The stand-in passes bytes on for pods that the tests kill: such streams are closed by nobody.
    pytest.mark.filterwarnings("ignore:unclosed <StreamWriter:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:loop is closed:ResourceWarning"),
]
NAMESPACE = "clipper-truth"
WITHIN_S = 2.0
Object = dict[str, Any]


@pytest.fixture(scope="module")
def kubernetes() -> Iterator[Any]:
    with places.find("kubernetes") as place:
        yield place.stand_in  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def cluster(kubernetes: Any) -> Iterator[ClipperConnection]:
    ports = {"management": "NodePort", "query": "NodePort"}
    connection = ClipperConnection(KubernetesContainerManager("truth", service_types=ports))
    connection.start_clipper(fresh=True)
    yield connection
    connection.stop_all(purge=True)


class Looking:
    """All that a panel is shown, as it comes: when was this first seen?"""

    def __init__(self, cluster: ClipperConnection) -> None:
        self._seen: list[tuple[float, Seen]] = []
        self._news = threading.Condition()
        self._leave = Watch(cluster.cm).listen(self._look)
        wait_for("the first look", lambda: self._seen)

    def _look(self, seen: Seen, _: Management | None) -> None:
        with self._news:
            self._seen.append((time.monotonic(), seen))

    def close(self) -> None:
        self._leave()

    def first(self, shows: Callable[[Seen], object], after: float) -> float:
        """Seconds from `after`, by the monotonic clock, to the first look that shows it."""

        def look() -> float | None:
            with self._news:
                return next((at for at, seen in self._seen if at >= after and shows(seen)), None)

        found = wait_for("the panel to show it", look, 20)
        assert found is not None
        return found - after


@pytest.fixture
def looking(cluster: ClipperConnection) -> Iterator[Looking]:
    found = Looking(cluster)
    yield found
    found.close()


@pytest.fixture
def told(looking: Looking) -> Callable[..., None]:
    """Hold it to the two seconds: an event, the version's status and the panel have all of the words."""

    def check(since: float, model: str, *words: str, events: bool = True) -> None:
        def event(seen: Seen) -> bool:
            return any(all(word in e["text"] for word in words) for e in seen.events if e["at"] >= epoch)

        def warning(seen: Seen) -> bool:
            version = seen.version(model, "1") if model else None
            if version is None:
                texts = [] if model or not seen.overview else seen.overview["cluster"]["warnings"]
            else:
                texts = [*version["warnings"], version["error"] or ""]
            return any(all(word in text for word in words) for text in texts)

        def shown(seen: Seen) -> bool:
            version = seen.version(model, "1") if model else None
            text = glance.head(seen) if version is None else glance.state(version)
            return all(word in text for word in words)

        epoch = time.time() - (time.monotonic() - since) - 1
        looks = {**({"event": event} if events else {}), "status": warning, "panel": shown}
        delays = {what: looking.first(shows, since) for what, shows in looks.items()}
        assert max(delays.values()) < WITHIN_S, delays

    return check


def deploy(cluster: ClipperConnection, name: str, **options: Any) -> None:
    deploy_python_closure(cluster, name, 1, "doubles", constant(1), **options)


def pods(kubernetes: Any, model: str) -> list[Object]:
    return [
        pod
        for pod in kubernetes.pods(NAMESPACE)
        if pod["metadata"]["labels"].get("clipperlab.org/model") == model
    ]


def names(kubernetes: Any, model: str) -> list[str]:
    return [
        pod["metadata"]["name"]
        for pod in pods(kubernetes, model)
        if "deletionTimestamp" not in pod["metadata"]
    ]


def when(what: str, look: Callable[[], object]) -> float:
    """The moment, by the monotonic clock, at which the API server's objects show it."""
    wait_for(what, look, 20)
    return time.monotonic()


def condition(of: Object, kind: str, status: str) -> bool:
    found = of["status"].get("conditions") or []
    return any((c["type"], c["status"]) == (kind, status) for c in found)


def waits(pod: Object, reason: str) -> bool:
    states = [each["state"] for each in pod["status"].get("containerStatuses") or []]
    return any(state.get("waiting", {}).get("reason") == reason for state in states)


@pytest.fixture
def model(cluster: ClipperConnection, request: pytest.FixtureRequest) -> Iterator[str]:
    """A name for a model, which is gone after the test."""
    name = request.node.name.removeprefix("test_").replace("_", "-")[:30].rstrip("-")
    yield name
    with suppress(Exception):
        cluster.stop_models([name])


def test_an_image_that_cannot_be_pulled(
    cluster: ClipperConnection, kubernetes: Any, model: str, told: Any
) -> None:
    kubernetes.unpullable("nowhere/")
    deploy(cluster, model, base_image="nowhere/clipper-python:1", wait=False)
    since = when("the pull to fail", lambda: any(waits(p, "ErrImagePull") for p in pods(kubernetes, model)))
    told(since, model, "image nowhere/clipper-python:1 cannot be pulled", "images build")


def test_no_node_with_a_gpu(cluster: ClipperConnection, kubernetes: Any, model: str, told: Any) -> None:
    deploy(cluster, model, resources={"gpus": 1}, wait=False)
    since = when(
        "nobody to take it",
        lambda: any(condition(p, "PodScheduled", "False") for p in pods(kubernetes, model)),
    )
    told(since, model, "2 nodes, 0 with a free GPU", "Add a node that has one")


def test_a_crash_loop(cluster: ClipperConnection, kubernetes: Any, model: str, told: Any) -> None:
    deploy(cluster, model)
    (name,) = names(kubernetes, model)
    for ends in (1, 2, 3):

        def runs(ends: int = ends) -> bool:
            (pod,) = pods(kubernetes, model)
            (container,) = pod["status"]["containerStatuses"]
            return container["restartCount"] == ends - 1 and "running" in container["state"]

        wait_for("it to run", runs, 30)
        kubernetes.kill_pod(NAMESPACE, name)
    since = when("its back-off", lambda: any(waits(p, "CrashLoopBackOff") for p in pods(kubernetes, model)))
    told(since, model, "ends again and again", "rollback()")
    told(since, model, "crash again and again", events=False)  # one is told where two ends come at once


def test_out_of_memory(cluster: ClipperConnection, kubernetes: Any, model: str, told: Any) -> None:
    deploy(cluster, model, resources={"memory": "512Mi"})
    (name,) = names(kubernetes, model)
    kubernetes.oom(NAMESPACE, name)

    def killed() -> bool:
        (container,) = pods(kubernetes, model)[0]["status"]["containerStatuses"]
        ends = (container["state"].get("terminated"), container["lastState"].get("terminated"))
        return any(end is not None and end["reason"] == "OOMKilled" for end in ends)

    told(when("it to be killed", killed), model, "more memory than the 512 MiB", "1024Mi")


@pytest.mark.parametrize(
    ("resource", "advice"),
    [("memory", "how much memory it needs"), ("ephemeral-storage", "disk of that node")],
)
def test_an_eviction(
    cluster: ClipperConnection, kubernetes: Any, told: Any, resource: str, advice: str
) -> None:
    model = f"evicted-{resource}"
    deploy(cluster, model)
    (name,) = names(kubernetes, model)
    kubernetes.evict_for_pressure(NAMESPACE, name, resource)
    since = time.monotonic()  # the call returns when the pod has failed
    told(since, model, f"low on resource: {resource}", advice)
    log, _ = cluster.log(f"{model}.1.{name}")
    assert advice in log  # its own has gone with it
    assert advice in cluster._management.logs()[f"{model}.1.{name}"]
    cluster.stop_models([model])


def test_a_drained_node(cluster: ClipperConnection, kubernetes: Any, model: str, told: Any) -> None:
    kubernetes.add_node("node-z", labels={"disk": "z"})
    try:
        deploy(cluster, model, resources={"node_selector": {"disk": "z"}})
        (name,) = names(kubernetes, model)
        draining = threading.Thread(target=kubernetes.drain, args=("node-z",))
        draining.start()
        try:
            since = when(
                "its end",
                lambda: (
                    name not in names(kubernetes, model)
                    or any(condition(p, "DisruptionTarget", "True") for p in pods(kubernetes, model))
                ),
            )
            told(since, model, name, "somebody drains its node", "second replica")
            told(since, model, "waits for a node", "kubectl uncordon")
        finally:
            draining.join()
    finally:
        cluster.stop_models([model])
        kubernetes.remove_node("node-z")


def test_a_lost_node(cluster: ClipperConnection, kubernetes: Any, model: str, told: Any) -> None:
    kubernetes.add_node("node-y", labels={"disk": "y"})
    try:
        deploy(cluster, model, resources={"node_selector": {"disk": "y"}})
        (name,) = names(kubernetes, model)

        def unready() -> bool:
            return any(condition(pod, "Ready", "False") for pod in pods(kubernetes, model))

        losing = threading.Thread(target=kubernetes.lose, args=("node-y", 3.0))
        losing.start()
        try:
            told(
                when("it to be noticed", unready),
                model,
                name,
                "node-y does not answer",
                "kubectl delete node",
            )
            since = when(
                "it to be given up", lambda: name not in names(kubernetes, model) and pods(kubernetes, model)
            )
            told(since, model, name, "because its node does not answer", "Another one takes its place")
        finally:
            losing.join()
    finally:
        cluster.stop_models([model])
        kubernetes.remove_node("node-y")


def client(kubernetes: Any) -> Any:
    from kubernetes import config

    return config.new_client_from_config(str(kubernetes.kubeconfig))  # type: ignore[no-untyped-call]


def test_a_quota(cluster: ClipperConnection, kubernetes: Any, model: str, told: Any) -> None:
    from kubernetes.client import AppsV1Api, CoreV1Api

    with client(kubernetes) as api:
        core: Any = CoreV1Api(api)
        apps: Any = AppsV1Api(api)
        quota = {
            "metadata": {"name": "small"},
            "spec": {"hard": {"pods": str(len(kubernetes.pods(NAMESPACE)) + 1)}},
        }
        core.create_namespaced_resource_quota(NAMESPACE, quota)
        try:
            deploy(cluster, model)
            cluster._management.set_num_replicas(model, 1, 2)  # and wait for nothing

            def refused() -> bool:
                selector = f"clipperlab.org/model={model}"
                (found,) = apps.list_namespaced_deployment(NAMESPACE, label_selector=selector).items
                return any(c.type == "ReplicaFailure" for c in found.status.conditions or [])

            since = when("the refusal", refused)
            told(since, model, "gets no more pods", "quota does not allow another pod", "Ask for less")
        finally:
            core.delete_namespaced_resource_quota("small", NAMESPACE)
    cluster.wait_until_ready(model, 1)


def test_a_pod_with_a_higher_priority(
    cluster: ClipperConnection, kubernetes: Any, model: str, told: Any
) -> None:
    from kubernetes.client import CoreV1Api, SchedulingV1Api

    kubernetes.add_node("node-x", labels={"disk": "x"})
    container = {
        **{"name": "main", "image": "any:1", "command": ["sleep", "1000"]},
        "resources": {"requests": {"cpu": "6"}},
    }
    spec = {"priorityClassName": "urgent", "nodeSelector": {"disk": "x"}, "containers": [container]}
    with client(kubernetes) as api:
        core: Any = CoreV1Api(api)
        scheduling: Any = SchedulingV1Api(api)
        scheduling.create_priority_class({"metadata": {"name": "urgent"}, "value": 1000})
        try:
            deploy(cluster, model, resources={"cpus": 4, "node_selector": {"disk": "x"}})
            (name,) = names(kubernetes, model)
            core.create_namespaced_pod("default", {"metadata": {"name": "urgent"}, "spec": spec})
            since = when("it to have to go", lambda: name not in names(kubernetes, model))
            told(since, model, name, "a pod with a higher priority needs its room", "Ask for less")
            told(since, model, "waits for a node", "Insufficient cpu")
            core.delete_namespaced_pod("urgent", "default", grace_period_seconds=0)
            cluster.wait_until_ready(model, 1)
        finally:
            scheduling.delete_priority_class("urgent")
            cluster.stop_models([model])
            kubernetes.remove_node("node-x")


def test_a_query_frontend_that_no_node_takes(cluster: ClipperConnection, kubernetes: Any, told: Any) -> None:
    """What is wrong with the cluster itself is told as that."""
    from kubernetes.client import AppsV1Api

    with client(kubernetes) as api:
        apps: Any = AppsV1Api(api)
        before = len(kubernetes.pods(NAMESPACE))
        far = {"spec": {"template": {"spec": {"nodeSelector": {"disk": "far"}}}}}
        apps.patch_namespaced_deployment("query", NAMESPACE, far)
        since = when(
            "nobody to take it",
            lambda: any(condition(p, "PodScheduled", "False") for p in kubernetes.pods(NAMESPACE)),
        )
        told(since, "", "A query frontend waits for a node", "node_selector")
        assert any("A query frontend waits" in text for text in cluster.status()["warnings"])
        near = {"spec": {"template": {"spec": {"nodeSelector": None}}}}
        apps.patch_namespaced_deployment("query", NAMESPACE, near)
        wait_for("the frontends as before", lambda: len(kubernetes.pods(NAMESPACE)) == before, 60)
        wait_for("nothing to warn of", lambda: cluster.status()["warnings"] == [], 20)


def test_a_deploy_that_waits_in_vain_says_what_for(cluster: ClipperConnection, model: str) -> None:
    with pytest.raises(ClusterError, match=r"0 of 1 replicas ready .* 2 nodes, 0 with a free GPU"):
        deploy(cluster, model, resources={"gpus": 1}, timeout_s=3)
