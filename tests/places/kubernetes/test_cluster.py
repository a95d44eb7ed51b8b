"""What a cluster on Kubernetes is said to be, from objects as an API server has them."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("kubernetes", reason="needs the Kubernetes client, which is not installed here")

from clipper_server.places.kubernetes import cluster
from clipper_server.places.kubernetes.api import Missing
from clipper_server.places.kubernetes.cluster import KubernetesCluster
from clipper_server.places.kubernetes.manifests import Choices

# Without replicas: `kubectl scale` took that field.
APPLIED: dict[str, Any] = {"f:spec": {"f:strategy": {"f:type": {}}}}


def deployment(name: str) -> dict[str, Any]:
    applied = {"manager": "clipperlab", "operation": "Apply", "fieldsV1": APPLIED}
    labels = {"app.kubernetes.io/instance": "shop"}
    return {
        "metadata": {"name": name, "namespace": "shop", "labels": labels, "managedFields": [applied]},
        "spec": {"replicas": 3, "strategy": {"type": "Recreate"}, "paused": False},
        "status": {},
    }


@pytest.mark.parametrize(("scaled_by", "replicas"), [([], 3), (["query"], None)])
def test_manifests_have_the_number_of_replicas_unless_an_autoscaler_counts_them(
    monkeypatch: pytest.MonkeyPatch, scaled_by: list[str], replicas: int | None
) -> None:
    class Server:
        def __init__(self, context: str) -> None:
            pass

        def ask(self, method: str, path: str, *_: Any, **options: Any) -> dict[str, Any]:
            if path.endswith(("deployments/management", "deployments/query")):
                return deployment(path.rpartition("/")[2])
            if "query" in options:  # the models' objects
                return {"items": []}
            if path.endswith("horizontalpodautoscalers"):
                return {"items": [{"spec": {"scaleTargetRef": {"name": name}}} for name in scaled_by]}
            raise Missing(path)

    monkeypatch.setattr(cluster, "KubernetesAPI", Server)
    found = {one["metadata"]["name"]: one for one in KubernetesCluster(Choices("shop", "shop")).as_it_is()}
    assert found["query"]["spec"] == {
        **({} if replicas is None else {"replicas": replicas}),
        "strategy": {"type": "Recreate"},
    }
    assert found["management"]["spec"]["replicas"] == 3


def pod(component: str, grace_s: int | None = None) -> dict[str, Any]:
    going = {} if grace_s is None else {"deletionTimestamp": "now", "deletionGracePeriodSeconds": grace_s}
    labels = {"app.kubernetes.io/component": component}
    return {"metadata": {"name": f"{component}-{grace_s}", "labels": labels, **going}}


@pytest.mark.parametrize(
    ("now", "hurried"),
    [
        (False, [("query-30", 1)]),
        (True, [("model-30", 0), ("query-None", 0), ("query-30", 0), ("query-1", 0)]),
    ],
)
def test_frontends_of_a_cluster_that_ends_do_not_serve_on(
    monkeypatch: pytest.MonkeyPatch, now: bool, hurried: list[tuple[str, int]]
) -> None:
    """Once they go: before that, others would take their place."""
    listed = [[pod("query")]] + 2 * [[pod("model", 30), pod("query"), pod("query", 30), pod("query", 1)]]
    asked: list[tuple[str, int]] = []

    class Server:
        def __init__(self, context: str) -> None:
            pass

        def ask(self, method: str, path: str, body: Any = None, *_: Any, **options: Any) -> dict[str, Any]:
            if path.endswith("/pods"):
                return {"items": listed.pop() if listed else []}
            if method == "DELETE" and "/pods/" in path:
                asked.append((path.rpartition("/")[2], body["gracePeriodSeconds"]))
            return deployment("management")

    monkeypatch.setattr(cluster, "KubernetesAPI", Server)
    monkeypatch.setattr(cluster, "LOOK_S", 0)
    assert KubernetesCluster(Choices("shop", "shop")).down(purge=False, now=now) == 4
    assert asked[: len(hurried)] == hurried
    assert now or len(asked) == len(hurried)
