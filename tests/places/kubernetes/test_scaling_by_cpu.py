"""A version that Kubernetes scales by its CPU load, on the stand-in: the test says what load there is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from clipperlab import BadRequest, ClipperConnection, ClusterError, KubernetesContainerManager
from clipperlab.deployers.python import deploy_python_closure
from tests.support.clusters import constant, output
from tests.support.places import ON_THE_STAND_IN, by_node_ports
from tests.support.waiting import wait_for

pytestmark = ON_THE_STAND_IN
NAMESPACE = "clipper-scaled"


@pytest.fixture(scope="module")
def cluster(kubernetes: Any) -> Iterator[ClipperConnection]:
    with by_node_ports("scaled", cache_size=0) as connection:
        connection.register_application("app", "doubles", -1, 20_000_000)
        deploy_python_closure(connection, "m", 1, "doubles", constant("one"), resources={"cpus": 0.5})
        connection.link_model_to_app("app", "m")
        yield connection


def deployment(api: Any) -> Any:
    from kubernetes.client import AppsV1Api

    apps: Any = AppsV1Api(api)
    selector = "clipperlab.org/model=m"
    (found,) = apps.list_namespaced_deployment(NAMESPACE, label_selector=selector).items
    return found


def autoscalers(api: Any) -> list[Any]:
    from kubernetes.client import AutoscalingV2Api

    scaling: Any = AutoscalingV2Api(api)
    return list(scaling.list_namespaced_horizontal_pod_autoscaler(NAMESPACE).items)


def wants(cluster: ClipperConnection, count: int) -> None:
    def look() -> bool:
        try:
            info = cluster.get_model_info("m", 1)
        except ClusterError:
            return False  # management is on its way back
        return info is not None and (info["num_replicas"], info["ready_replicas"]) == (count, count)

    wait_for(f"{count} replicas", look)


def told(cluster: ClipperConnection, *words: str) -> None:
    def look() -> bool:
        return any(all(word in event["text"] for word in words) for event in cluster.events())

    wait_for(f"an event with {words}", look)


def test_it_scales_says_why_and_leaves_the_number_when_it_ends(
    cluster: ClipperConnection, kubernetes: Any, api: Any
) -> None:
    cluster.set_num_replicas("m", 2)
    cluster.set_autoscaling("m", 1, 4, cpu_percent=50)
    told(cluster, "between 1 and 4 replicas, to keep its CPU load at 50 %")
    (autoscaler,) = wait_for("the autoscaler", lambda: autoscalers(api))
    assert (autoscaler.spec.min_replicas, autoscaler.spec.max_replicas) == (1, 4)
    assert autoscaler.metadata.owner_references[0].name == deployment(api).metadata.name
    name = autoscaler.metadata.name

    # Nobody measures anything here so far: the replicas stay as many as they were, and it is told.
    told(cluster, "m:1 keeps its number of replicas", "Install metrics-server")
    assert deployment(api).spec.replicas == 2
    info = cluster.get_model_info("m", 1)
    assert info is not None
    assert (info["autoscaling"], info["cpu_percent"]) == ([1, 4], 50)
    assert any("metrics-server" in warning for warning in info["warnings"])

    kubernetes.uses(NAMESPACE, name, 0.7)
    wants(cluster, 3)  # of half a core each, of which a half is to be used
    told(cluster, "m:1 gets 3 replicas: it uses 70 % of the CPU")
    with pytest.raises(BadRequest, match="is scaled automatically"):
        cluster.set_num_replicas("m", 1)
    kubernetes.uses(NAMESPACE, name, 9.0)
    wants(cluster, 4)
    told(cluster, "m:1 has its 4 replicas, and its CPU load wants more")
    assert output(cluster) == "one"

    # Other bounds are another autoscaler's; its number is nobody else's.
    cluster.set_autoscaling("m", 1, 5, cpu_percent=50)
    wants(cluster, 5)
    kubernetes.uses(NAMESPACE, name, 0.5)
    wants(cluster, 2)

    # A management that starts again finds it so, and so does `manifests`.
    (pod,) = [
        p["metadata"]["name"]
        for p in kubernetes.pods(NAMESPACE)
        if p["metadata"]["labels"]["app.kubernetes.io/component"] == "management"
    ]
    kubernetes.kill_pod(NAMESPACE, pod)
    wants(cluster, 2)
    text, _ = KubernetesContainerManager("scaled").manifests()
    printed = {(m["kind"], m["metadata"]["name"]): m for m in yaml.safe_load_all(text)}
    assert printed["HorizontalPodAutoscaler", name]["spec"]["maxReplicas"] == 5

    # By the load that is measured here: management counts again.
    cluster.set_autoscaling("m", 1, 3)
    wait_for("no autoscaler", lambda: not autoscalers(api))
    info = cluster.get_model_info("m", 1)
    assert info is not None
    assert (info["autoscaling"], info["cpu_percent"]) == ([1, 3], None)
    cluster.set_autoscaling("m", None)
    cluster.set_num_replicas("m", 1)
    wants(cluster, 1)
    assert deployment(api).spec.replicas == 1


def test_what_asks_for_no_cpu_cannot_be_scaled_by_it(cluster: ClipperConnection) -> None:
    deploy_python_closure(cluster, "plain", 1, "doubles", constant(1))
    with pytest.raises(BadRequest, match="asks for no CPU"):
        cluster.set_autoscaling("plain", 1, 4, cpu_percent=50)
    cluster.stop_models(["plain"])


def test_its_autoscaler_goes_with_the_version(cluster: ClipperConnection, kubernetes: Any, api: Any) -> None:
    cluster.set_autoscaling("m", 1, 2, cpu_percent=50)
    wait_for("the autoscaler", lambda: autoscalers(api))
    cluster.stop_models(["m"])
    wait_for("no autoscaler", lambda: not autoscalers(api))
    refused = [e["text"] for e in cluster.events() if "forbidden" in e["text"]]
    assert refused == []
