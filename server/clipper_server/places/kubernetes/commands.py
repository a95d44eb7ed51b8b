"""Clusters of pods on the command line, which has their `manifests`, too."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING

from ...cluster import ClusterFolder
from .. import Answer, Ground, Settings
from ..arguments import add_registry, add_state

if TYPE_CHECKING:
    from .cluster import KubernetesCluster
    from .manifests import Choices


def add_arguments(command: ArgumentParser, word: str) -> None:
    """Those that the cluster is found by may be given to each command."""
    command.add_argument("--cluster-name", required=True)
    if word in ("up", "manifests", "management"):
        add_registry(command)
    if word == "management":
        add_state(command)
        command.add_argument("--address", default="", help="of its service, where there is no DNS")
        command.add_argument("--no-storage", action="store_true", help="the folder ends with the pod")
        return
    command.add_argument("--namespace", help="by default clipper-<cluster name>")
    command.add_argument("--context", default="", help="of the kubeconfig; by default its current one")
    command.add_argument("--create-namespace", action="store_true", help="where it is not there")
    command.add_argument("--service-type", action="append", default=[], metavar="management|query=TYPE")
    command.add_argument("--image-pull-secret", action="append", default=[], metavar="NAME")
    if word == "record":
        command.add_argument("--own-port", type=int, action="append", default=[], help="of a protocol")


def up(arguments: Namespace) -> Answer:
    return {"started": _cluster(arguments).up(fresh=arguments.fresh)}


def down(arguments: Namespace) -> Answer:
    return {"stopped": _cluster(arguments).down(purge=arguments.purge, now=arguments.now)}


def record(arguments: Namespace) -> Answer:
    found = _cluster(arguments).record(arguments.own_port)
    return {"record": None if found is None else asdict(found)}


def manifests(arguments: Namespace) -> Answer:
    """The cluster as it is; where there is none, or nobody to ask, as it would be."""
    import yaml

    from .api import Unreachable
    from .manifests import Manifest, cluster

    found: list[Manifest] = []
    with suppress(Unreachable):
        found = _cluster(arguments).as_it_is()
    text = yaml.safe_dump_all(found or cluster(choices_of(arguments)), sort_keys=False)
    return {"running": bool(found), "yaml": text}


def _cluster(arguments: Namespace) -> KubernetesCluster:
    from .cluster import KubernetesCluster  # late: other places need no Kubernetes

    create_namespace = arguments.create_namespace or not arguments.namespace
    return KubernetesCluster(choices_of(arguments), arguments.context, create_namespace=create_namespace)


def choices_of(arguments: Namespace) -> Choices:
    from .manifests import Choices

    return Choices(
        arguments.cluster_name,
        arguments.namespace or f"clipper-{arguments.cluster_name}",
        getattr(arguments, "registry", ""),
        getattr(arguments, "num_frontends", None),
        getattr(arguments, "cache_size", None),
        dict(pair.split("=", 1) for pair in arguments.service_type),
        image_pull_secrets=tuple(arguments.image_pull_secret),
        max_inputs=getattr(arguments, "max_inputs", None),
        max_json=getattr(arguments, "max_json", None),
        cors_origins=getattr(arguments, "cors_origins", None),
        protocols=getattr(arguments, "protocols", None) or None,
    )


def ground(arguments: Namespace, folder: ClusterFolder, settings: Settings, token: str) -> Ground:
    from .ground import of_pods  # late, too

    return of_pods(
        folder,
        settings,
        token,
        arguments.cluster_name,
        os.environ["CLIPPER_NAMESPACE"],
        arguments.registry,
        arguments.address,
        keeps=not arguments.no_storage,
    )
