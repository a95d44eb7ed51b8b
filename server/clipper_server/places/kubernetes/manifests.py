"""A cluster's manifests: those in clipper_container/kubernetes/, and what differs from one to the next."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import yaml

from clipper_container import image

Manifest = dict[str, Any]
NAME = {"app.kubernetes.io/name": "clipper"}
COMPONENT = "app.kubernetes.io/component"
_CLUSTER_WIDE = ("Namespace",)


@dataclass(frozen=True)
class Choices:
    """What may differ from one cluster to the next. What is None stays as the manifests have it.

    `service_types` maps management or query to ClusterIP, NodePort or LoadBalancer. Without `storage` the
    state is lost with the pod of management. `image_pull_secrets` are names of secrets in the namespace.
    `management` is the address of management's service, where no DNS knows its name.
    """

    cluster_name: str
    namespace: str
    registry: str = ""
    num_frontends: int | None = None
    cache_size: int | None = None
    service_types: dict[str, str] = field(default_factory=dict)
    storage: bool = True
    image_pull_secrets: tuple[str, ...] = ()
    management: str = ""
    max_inputs: int | None = None
    max_json: int | None = None
    cors_origins: str | None = None
    protocols: str | None = None


def base() -> list[Manifest]:
    """As they are in the package, in the order in which they are applied."""
    folder = resources.files("clipper_container") / "kubernetes" / "base"
    names = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
    return [part for name in names for part in yaml.safe_load_all((folder / name).read_text())]


def cluster(choices: Choices) -> list[Manifest]:
    """Those of one cluster, in its namespace."""
    return [_chosen(manifest, choices) for manifest in base() if _wanted(manifest, choices)]


def _wanted(manifest: Manifest, choices: Choices) -> bool:
    return choices.storage or manifest["kind"] != "PersistentVolumeClaim"


def _chosen(manifest: Manifest, choices: Choices) -> Manifest:
    kind, metadata = manifest["kind"], manifest["metadata"]
    if kind in _CLUSTER_WIDE:
        metadata["name"] = choices.namespace
    else:
        metadata["namespace"] = choices.namespace
    metadata["labels"]["app.kubernetes.io/instance"] = choices.cluster_name
    if kind == "RoleBinding":
        for subject in manifest["subjects"]:
            subject["namespace"] = choices.namespace
    elif kind == "ServiceAccount" and choices.image_pull_secrets:
        manifest["imagePullSecrets"] = [{"name": name} for name in choices.image_pull_secrets]
    elif kind == "Service" and metadata["name"] in choices.service_types:
        manifest["spec"]["type"] = choices.service_types[metadata["name"]]
    elif kind == "Deployment":
        _choose_deployment(manifest, choices)
    return manifest


def _choose_deployment(manifest: Manifest, choices: Choices) -> None:
    pod = manifest["spec"]["template"]["spec"]
    container = pod["containers"][0]
    container["image"] = image.tag("server", registry=choices.registry)
    if manifest["metadata"]["name"] == "query":
        if choices.num_frontends is not None:
            manifest["spec"]["replicas"] = choices.num_frontends
        if choices.management:
            for variable in container["env"]:
                if variable["name"] == "CLIPPER_MANAGEMENT":
                    variable["value"] = f"{choices.management}:1338"
        return
    arguments = container["args"]
    arguments[arguments.index("--cluster-name") + 1] = choices.cluster_name
    if choices.registry:
        arguments += ["--registry", choices.registry]
    if choices.management:
        arguments += ["--address", choices.management]
    for name in ("cache_size", "max_inputs", "max_json", "cors_origins", "protocols"):
        if (value := getattr(choices, name)) is not None:
            arguments += [f"--{name.replace('_', '-')}", str(value)]
    if not choices.storage:
        arguments.append("--no-storage")
        for volume in pod["volumes"]:
            if volume["name"] == "state":
                del volume["persistentVolumeClaim"]
                volume["emptyDir"] = {"sizeLimit": "2Gi"}
