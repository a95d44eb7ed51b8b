"""What was applied of an object, found again in what the API server answers."""

from __future__ import annotations

from typing import Any

from clipper_server.places.kubernetes.declared import declared

FIELDS = {
    "f:metadata": {"f:labels": {"f:app": {}}},
    "f:spec": {
        "f:replicas": {},
        "f:selector": {},
        "f:template": {
            "f:spec": {
                "f:containers": {
                    'k:{"name":"query"}': {
                        ".": {},
                        "f:name": {},
                        "f:image": {},
                        "f:ports": {
                            'k:{"containerPort":1337,"protocol":"TCP"}': {".": {}, "f:containerPort": {}}
                        },
                    }
                }
            }
        },
    },
}


def found(**metadata: Any) -> dict[str, Any]:
    port = {"containerPort": 1337, "protocol": "TCP"}
    container = {"name": "query", "image": "i", "imagePullPolicy": "IfNotPresent", "ports": [port]}
    injected = {"name": "sidecar", "image": "s"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "query",
            "namespace": "n",
            "uid": "u",
            "labels": {"app": "clipper", "added": "by somebody"},
            **metadata,
        },
        "spec": {
            "replicas": 2,
            "progressDeadlineSeconds": 600,
            "selector": {"matchLabels": {"app": "clipper"}},
            "template": {"spec": {"containers": [injected, container], "dnsPolicy": "ClusterFirst"}},
        },
        "status": {"replicas": 2},
    }


def test_what_others_added_is_left_out() -> None:
    entries = [
        {"manager": "kube-controller-manager", "operation": "Update", "fieldsV1": {"f:status": {}}},
        {"manager": "clipperlab", "operation": "Apply", "fieldsV1": FIELDS},
    ]
    container = {"name": "query", "image": "i", "ports": [{"containerPort": 1337}]}
    assert declared(found(managedFields=entries), "clipperlab") == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "query", "namespace": "n", "labels": {"app": "clipper"}},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "clipper"}},
            "template": {"spec": {"containers": [container]}},
        },
    }


def test_values_in_sets_are_found() -> None:
    entries = [
        {
            "manager": "m",
            "operation": "Apply",
            "fieldsV1": {"f:metadata": {"f:finalizers": {'v:"a"': {}}}},
        }
    ]
    of = found(managedFields=entries, finalizers=["a", "b"])
    assert declared(of, "m")["metadata"] == {"name": "query", "namespace": "n", "finalizers": ["a"]}


def test_where_nobody_is_known_to_have_applied_it_all_is_shown_but_what_the_server_knows() -> None:
    shown = declared(found(resourceVersion="7"), "clipperlab")
    assert shown["metadata"].keys() == {"name", "namespace", "labels"}
    assert "status" not in shown
    assert shown["spec"] == found()["spec"]
