"""Whatever Kubernetes does to pods is told as it happens: in the status, as an event, and in the panel.

Each test does it to the stand-in, and takes the time from when an object of the API server shows it. That is
within two seconds; a machine that does much else besides gets more, but not until somebody looks again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from clipperlab import ClipperConnection, ClusterError
from clipperlab.deployers.python import deploy_python_closure
from clipperlab.management import Management
from clipperlab.workbench import glance
from clipperlab.workbench.watch import Seen, Watch
from tests.support.clusters import constant
from tests.support.places import ON_THE_STAND_IN, by_node_ports
from tests.support.waiting import wait_for

pytestmark = ON_THE_STAND_IN
NAMESPACE = "clipper-truth"
WITHIN_S = 10.0
Object = dict[str, Any]


@pytest.fixture(scope="module")
def cluster(kubernetes: Any) -> Iterator[ClipperConnection]:
    with by_node_ports("truth") as connection:
        yield connection


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

        found = wait_for("the panel to show it", look)
        assert found is not None
        return found - after


@pytest.fixture
def looking(cluster: ClipperConnection) -> Iterator[Looking]:
    found = Looking(cluster)
    yield found
    found.close()


@pytest.fixture
def told(looking: Looking) -> Callable[..., None]:
    """Hold it to that time: an event, the version's status and the panel have all of the words.

    What does not last, as a pod that may be gone at once, is sure to be an event; the others show it to who
    looks meanwhile.
    """

    def check(since: float, model: str, *words: str, events: bool = True, lasts: bool = True) -> None:
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
            text = glance.head(seen) if version is None else glance.versions(seen, [version])
            return all(word in text for word in words)

        epoch = time.time() - (time.monotonic() - since) - 1
        looks: dict[str, Callable[[Seen], bool]] = {"event": event} if events else {}
        if lasts:
            looks |= {"status": warning, "panel": shown}
        delays = {what: looking.first(shows, since) for what, shows in looks.items()}
        assert max(delays.values()) < WITHIN_S, delays

    return check


def deploy(cluster: ClipperConnection, name: str, **options: Any) -> None:
    deploy_python_closure(cluster, name, 1, "doubles", constant(1), **options)


def name_of(kubernetes: Any, model: str) -> str:
    """Of its only pod."""
    (name,) = [p["metadata"]["name"] for p in kubernetes.pods(NAMESPACE) if is_of(p, model)]
    return str(name)


def count(kubernetes: Any) -> int:
    """Of the pods, when those that are ending have gone."""

    def all_go_on() -> bool:
        return not any("deletionTimestamp" in pod["metadata"] for pod in kubernetes.pods(NAMESPACE))

    wait_for("the pods of the test before to be gone", all_go_on)
    return len(kubernetes.pods(NAMESPACE))


def is_of(thing: Object, model: str) -> bool:
    return bool(thing["metadata"]["labels"].get("clipperlab.org/model") == model)


def when(kubernetes: Any, model: str, shows: Callable[[Object], object], plural: str = "pods") -> float:
    """The moment, by the monotonic clock, at which an object of the API server first showed it."""

    def first() -> float | None:
        return kubernetes.first(plural, NAMESPACE, lambda thing: is_of(thing, model) and shows(thing))  # type: ignore[no-any-return]

    found = wait_for("the API server to show it", first)
    assert found is not None
    return found


def has(kind: str, status: str, reason: str = "") -> Callable[[Object], bool]:
    """Whether an object has this condition."""

    def shows(thing: Object) -> bool:
        found = thing["status"].get("conditions") or []
        return any((c["type"], c["status"], c.get("reason", "")) == (kind, status, reason) for c in found)

    return shows


def container(pod: Object) -> Object:
    statuses: list[Object] = pod["status"].get("containerStatuses") or [{"state": {}, "restartCount": 0}]
    return statuses[0]


def waits(reason: str, restarts: int = 0) -> Callable[[Object], bool]:
    def shows(pod: Object) -> bool:
        found = container(pod)
        waiting = found["state"].get("waiting", {})
        return bool(waiting.get("reason") == reason and found["restartCount"] == restarts)

    return shows


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
    since = when(kubernetes, model, waits("ErrImagePull"))
    told(since, model, "image nowhere/clipper-python:1 cannot be pulled", "images build")


def test_no_node_with_a_gpu(cluster: ClipperConnection, kubernetes: Any, model: str, told: Any) -> None:
    deploy(cluster, model, resources={"gpus": 1}, wait=False)
    since = when(kubernetes, model, has("PodScheduled", "False", "Unschedulable"))
    told(since, model, "2 nodes, 0 with a free GPU", "Add a node that has one")


def test_a_crash_loop(cluster: ClipperConnection, kubernetes: Any, model: str, told: Any) -> None:
    deploy(cluster, model)
    name = name_of(kubernetes, model)
    for restarts in (0, 1, 2):

        def runs(pod: Object, restarts: int = restarts) -> bool:
            return container(pod)["restartCount"] == restarts and "running" in container(pod)["state"]

        when(kubernetes, model, runs)
        kubernetes.kill_pod(NAMESPACE, name)
    since = when(kubernetes, model, waits("CrashLoopBackOff", restarts=2))
    told(since, model, "ends again and again", "rollback()")
    told(since, model, "crash again and again", events=False)  # one is told where two ends come at once


def test_out_of_memory(cluster: ClipperConnection, kubernetes: Any, model: str, told: Any) -> None:
    deploy(cluster, model, resources={"memory": "512Mi"})
    kubernetes.oom(NAMESPACE, name_of(kubernetes, model))

    def killed(pod: Object) -> bool:
        return bool(container(pod)["state"].get("terminated", {}).get("reason") == "OOMKilled")

    told(when(kubernetes, model, killed), model, "more memory than the 512 MiB", "1024Mi")


@pytest.mark.parametrize(
    ("resource", "advice"),
    [("memory", "how much memory it needs"), ("ephemeral-storage", "disk of that node")],
)
def test_an_eviction(
    cluster: ClipperConnection, kubernetes: Any, told: Any, resource: str, advice: str
) -> None:
    model = f"evicted-{resource}"
    deploy(cluster, model)
    name = name_of(kubernetes, model)
    kubernetes.evict_for_pressure(NAMESPACE, name, resource)
    since = when(kubernetes, model, lambda pod: pod["status"].get("reason") == "Evicted")
    told(since, model, f"low on resource: {resource}", advice)
    log, _ = cluster.log(f"{model}.1.{name}")
    assert advice in log  # its own has gone with it
    assert advice in cluster._management.logs()[f"{model}.1.{name}"]
    cluster.stop_models([model])


def test_a_drained_node(cluster: ClipperConnection, kubernetes: Any, model: str, told: Any) -> None:
    kubernetes.add_node("node-z", labels={"disk": "z"})
    try:
        deploy(cluster, model, resources={"node_selector": {"disk": "z"}})
        name = name_of(kubernetes, model)
        kubernetes.drain("node-z")
        since = when(kubernetes, model, has("DisruptionTarget", "True", "EvictionByEvictionAPI"))
        told(since, model, name, "somebody drains its node", "second replica", lasts=False)
        since = when(kubernetes, model, has("PodScheduled", "False", "Unschedulable"))
        told(since, model, "waits for a node", "kubectl uncordon")
    finally:
        cluster.stop_models([model])
        kubernetes.remove_node("node-z")


def test_a_lost_node(cluster: ClipperConnection, kubernetes: Any, model: str, told: Any) -> None:
    kubernetes.add_node("node-y", labels={"disk": "y"})
    try:
        deploy(cluster, model, resources={"node_selector": {"disk": "y"}})
        name = name_of(kubernetes, model)
        kubernetes.lose("node-y", evict_after_s=3)
        since = when(
            kubernetes, model, has("Ready", "False")
        )  # without a reason: it is not the kubelet's word
        told(since, model, name, "node-y does not answer", "kubectl delete node")
        since = when(kubernetes, model, has("DisruptionTarget", "True", "DeletionByTaintManager"))
        told(since, model, name, "because its node does not answer", "Another one takes its place")
    finally:
        cluster.stop_models([model])
        kubernetes.remove_node("node-y")


def client(kubernetes: Any) -> Any:
    from kubernetes import config

    return config.new_client_from_config(str(kubernetes.kubeconfig))  # type: ignore[no-untyped-call]


def test_a_quota(cluster: ClipperConnection, kubernetes: Any, model: str, told: Any) -> None:
    from kubernetes.client import CoreV1Api

    with client(kubernetes) as api:
        core: Any = CoreV1Api(api)
        room = str(count(kubernetes) + 1)
        core.create_namespaced_resource_quota(
            NAMESPACE, {"metadata": {"name": "small"}, "spec": {"hard": {"pods": room}}}
        )
        try:
            deploy(cluster, model)
            cluster._management.set_num_replicas(model, 1, 2)  # and wait for nothing
            since = when(kubernetes, model, has("ReplicaFailure", "True", "FailedCreate"), "deployments")
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
            name = name_of(kubernetes, model)
            core.create_namespaced_pod("default", {"metadata": {"name": "urgent"}, "spec": spec})
            since = when(kubernetes, model, has("DisruptionTarget", "True", "PreemptionByScheduler"))
            told(since, model, name, "higher priority needs its room", "Ask for less", lasts=False)
            since = when(kubernetes, model, has("PodScheduled", "False", "Unschedulable"))
            told(since, model, "waits for a node", "Insufficient cpu")
            core.delete_namespaced_pod("urgent", "default", grace_period_seconds=0)
            cluster.wait_until_ready(model, 1)
        finally:
            scheduling.delete_priority_class("urgent")
            cluster.stop_models([model])
            kubernetes.remove_node("node-x")


def test_an_api_server_that_asks_for_patience_does_not_keep_it_from_being_told(
    cluster: ClipperConnection, kubernetes: Any, model: str, told: Any
) -> None:
    deploy(cluster, model)
    name = name_of(kubernetes, model)
    kubernetes.throttle(1, retry_after_s=8)
    cluster._management.set_num_replicas(model, 1, 2)  # and wait for nothing: it is told to come again
    looked = time.monotonic()
    wait_for("a warning of it", lambda: any("8 s" in w or "again later" in w for w in texts(cluster)))
    kubernetes.evict_for_pressure(NAMESPACE, name)
    since = when(kubernetes, model, lambda pod: pod["status"].get("reason") == "Evicted")
    told(since, model, "low on resource: memory", "how much memory it needs")
    cluster.wait_until_ready(model, 1)
    assert time.monotonic() - looked > 7


def texts(cluster: ClipperConnection) -> list[str]:
    return [event["text"] for event in cluster.events()]


def test_a_query_frontend_that_no_node_takes(cluster: ClipperConnection, kubernetes: Any, told: Any) -> None:
    """What is wrong with the cluster itself is told as that."""
    from kubernetes.client import AppsV1Api

    with client(kubernetes) as api:
        apps: Any = AppsV1Api(api)
        before = count(kubernetes)

        def unschedulable(pod: Object) -> bool:
            is_query = pod["metadata"]["labels"]["app.kubernetes.io/component"] == "query"
            return is_query and has("PodScheduled", "False", "Unschedulable")(pod)

        far = {"spec": {"template": {"spec": {"nodeSelector": {"disk": "far"}}}}}
        apps.patch_namespaced_deployment("query", NAMESPACE, far)
        since = wait_for("nobody to take it", lambda: kubernetes.first("pods", NAMESPACE, unschedulable))
        told(since, "", "A query frontend waits for a node", "node_selector")
        assert any("A query frontend waits" in text for text in cluster.status()["warnings"])
        near = {"spec": {"template": {"spec": {"nodeSelector": None}}}}
        apps.patch_namespaced_deployment("query", NAMESPACE, near)
        wait_for("the frontends as before", lambda: len(kubernetes.pods(NAMESPACE)) == before)
        wait_for("nothing to warn of", lambda: cluster.status()["warnings"] == [])


def test_a_deploy_that_waits_in_vain_says_what_for(cluster: ClipperConnection, model: str) -> None:
    with pytest.raises(ClusterError, match=r"0 of 1 replicas ready .* 2 nodes, 0 with a free GPU"):
        deploy(cluster, model, resources={"gpus": 1}, timeout_s=3)
