"""What a model version is on Kubernetes: a Deployment, a budget, and a secret.

The secret has its credential, and the variables that its owner gave it.
"""

from __future__ import annotations

import hashlib
import json

from clipper_container import image

from .. import Runtime, Spec
from . import packages
from .manifests import COMPONENT, NAME, Manifest

MODEL, VERSION = "clipperlab.org/model", "clipperlab.org/version"
OWNER = "clipper-management"  # of the fields that management writes
HANDS_OVER = "clipper-hands-over"  # of the number of replicas, until an autoscaler has taken it
DIGEST = "clipperlab.org/digest"
COUNTED_BY = "clipperlab.org/replicas-counted-by"
QUERYABLE = "clipperlab.org/queryable"
"""A condition of a replica's pod: every query frontend has it, and its model is warm. Management sets it."""
GRACE_S = 30
CONTAINER = "model"
_WHILE_LOST = [  # of a node: its pods are replaced after so long, and not after Kubernetes' five minutes
    {
        "key": f"node.kubernetes.io/{why}",
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": 30,
    }
    for why in ("not-ready", "unreachable")
]
_PRETTY = 40  # characters of a name that are there for people
_OWN = ("CLIPPER_REPLICA", "CLIPPER_TOKEN")


def name_of(model: str, version: str) -> str:
    """Unlike any other version's: `a-b` in version `c` is not `a` in version `b-c`."""
    digest = hashlib.sha256(f"{model}:{version}".encode()).hexdigest()[:6]
    return f"{model}-{version}"[:_PRETTY].rstrip("-") + f"-{digest}"


def image_of(runtime: Runtime, registry: str) -> str:
    """The image that its owner named, or Clipper Lab's for its loader."""
    python = ".".join(runtime.python_version.split(".")[:2]) or image.PYTHON
    kind = image.kind(runtime.loader, gpus=runtime.gpus)
    return runtime.image or image.tag(kind, python=python, registry=registry)


def secret_name(spec: Spec) -> str:
    """Of the secret with its credential. Nothing else has that name, so that none is ever changed."""
    digest = hashlib.sha256(spec.environment["CLIPPER_TOKEN"].encode()).hexdigest()[:12]
    return f"{_metadata(spec)['name']}-{digest}"


def secret(spec: Spec) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {**_metadata(spec), "name": secret_name(spec)},
        "stringData": {
            "token": spec.environment["CLIPPER_TOKEN"],
            **{_key(name): value for name, value in _given(spec).items()},
        },
    }


def budget(spec: Spec) -> Manifest:
    """A drained node takes its replicas one after the other, each when another one is ready."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": _metadata(spec),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": _labels(spec)}},
    }


def deployment(spec: Spec, num_replicas: int | None, registry: str) -> Manifest:
    """Its annotation has a digest of all but the number of replicas, which None leaves to somebody else."""
    labels = _labels(spec)
    template: Manifest = {"metadata": {"labels": labels}, "spec": _pod(spec, registry)}
    if wanted := spec.runtime.requirements:
        template["metadata"]["labels"] = {**labels, **packages.LABEL}
        packages.install(template["spec"], wanted)
    metadata = _metadata(spec)
    digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:16]
    metadata["annotations"] = {DIGEST: digest}
    template["metadata"]["annotations"] = {DIGEST: digest}  # its pods tell which template made them
    if num_replicas is None:
        metadata["annotations"][COUNTED_BY] = "autoscaler"
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {
            **({} if num_replicas is None else {"replicas": num_replicas}),
            "strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "selector": {"matchLabels": labels},
            "template": template,
        },
    }


def labels_of(model: str, version: str) -> dict[str, str]:
    return {**NAME, COMPONENT: "model", MODEL: model, VERSION: version}


def _labels(spec: Spec) -> dict[str, str]:
    return labels_of(spec.labels["model"], spec.labels["version"])


def _metadata(spec: Spec) -> Manifest:
    return {"name": name_of(spec.labels["model"], spec.labels["version"]), "labels": _labels(spec)}


def _pod(spec: Spec, registry: str) -> Manifest:
    resources = spec.resources
    volumes: list[Manifest] = [{"name": "scratch", "emptyDir": {"sizeLimit": "1Gi"}}]
    mounts = [{"name": "scratch", "mountPath": "/tmp"}]
    if resources.shared_memory is not None:
        limit = str(resources.shared_memory)
        volumes.append({"name": "shared-memory", "emptyDir": {"medium": "Memory", "sizeLimit": limit}})
        mounts.append({"name": "shared-memory", "mountPath": "/dev/shm"})
    limits: dict[str, str] = {name: str(count) for name, count in resources.devices.items()}
    if resources.cpus is not None:
        limits["cpu"] = f"{resources.cpus:g}"
    if resources.memory is not None:
        limits["memory"] = str(resources.memory)
    pod: Manifest = {
        "serviceAccountName": "serving",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        # Process 1 is Kubernetes' own then: it takes in what a model's processes leave, and SIGKILL ends a
        # model that sends it to itself.
        "shareProcessNamespace": True,
        "terminationGracePeriodSeconds": GRACE_S,
        "readinessGates": [{"conditionType": QUERYABLE}],
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": _labels(spec)},
                "matchLabelKeys": ["pod-template-hash"],  # those that are about to be replaced do not count
            }
        ],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 1000,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": CONTAINER,
                "image": image_of(spec.runtime, registry),
                "env": _environment(spec),
                # As much as is asked for, and no more: a replica's speed should not depend on its neighbours.
                "resources": {"requests": limits, "limits": limits} if limits else {},
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
                "terminationMessagePolicy": "FallbackToLogsOnError",
                "volumeMounts": mounts,
            }
        ],
        "volumes": volumes,
    }
    if resources.node_selector:
        pod["nodeSelector"] = dict(resources.node_selector)
    pod["tolerations"] = [*(dict(toleration) for toleration in resources.tolerations), *_WHILE_LOST]
    return pod


def _given(spec: Spec) -> dict[str, str]:
    """The variables that are its owner's."""
    return {name: value for name, value in spec.environment.items() if not name.startswith("CLIPPER_")}


def _key(variable: str) -> str:
    return f"env.{variable}"


def _environment(spec: Spec) -> list[Manifest]:
    given = _given(spec)
    plain = {**spec.environment, "CLIPPER_LAST_WORDS": "/dev/termination-log"}
    plain = {name: value for name, value in plain.items() if name not in (*_OWN, *given)}
    if "OMP_NUM_THREADS" not in given:
        plain["OMP_NUM_THREADS"] = str(max(1, int(spec.resources.cpus or 1)))
    secrets = {"CLIPPER_TOKEN": "token", **{name: _key(name) for name in given}}
    return [
        {"name": "CLIPPER_REPLICA", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        *(
            {"name": name, "valueFrom": {"secretKeyRef": {"name": secret_name(spec), "key": key}}}
            for name, key in secrets.items()
        ),
        *({"name": name, "value": value} for name, value in plain.items()),
    ]
