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
