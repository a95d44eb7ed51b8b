"""`up`, `down`, `record` and `manifests` of clusters on Kubernetes, on the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict

from .manifests import Choices, Manifest, cluster


def add_arguments(command: argparse.ArgumentParser) -> None:
    """All of them may be given to each command, for the cluster is found by them."""
    group = command.add_argument_group("clusters on Kubernetes")
    group.add_argument("--namespace", help="by default clipper-<cluster name>")
    group.add_argument("--context", default="", help="of the kubeconfig; by default its current one")
    group.add_argument("--create-namespace", action="store_true", help="where it is not there")
    group.add_argument("--service-type", action="append", default=[], metavar="management|query=TYPE")
    group.add_argument("--image-pull-secret", action="append", default=[], metavar="NAME")


def run(arguments: argparse.Namespace, say: Callable[..., None]) -> None:
    from .cluster import KubernetesCluster  # late: others need no Kubernetes

    if arguments.command == "manifests":
        say(**_manifests(arguments))
        return
    brought_up = KubernetesCluster(
        choices_of(arguments),
        arguments.context,
        create_namespace=arguments.create_namespace or not arguments.namespace,
    )
    if arguments.command == "up":
        say(started=brought_up.up(fresh=arguments.fresh))
    elif arguments.command == "down":
        say(stopped=brought_up.down(purge=arguments.purge, now=arguments.now))
    else:
        found = brought_up.record()
        say(record=None if found is None else asdict(found))


def choices_of(arguments: argparse.Namespace) -> Choices:
    return Choices(
        arguments.cluster_name,
        arguments.namespace or f"clipper-{arguments.cluster_name}",
        getattr(arguments, "registry", ""),
        getattr(arguments, "num_frontends", None),
        getattr(arguments, "cache_size", None),
        dict(pair.split("=", 1) for pair in arguments.service_type),
        image_pull_secrets=tuple(arguments.image_pull_secret),
    )


def _manifests(arguments: argparse.Namespace) -> dict[str, object]:
    """The cluster as it is; where there is none, or nobody to ask, as it would be."""
    import yaml

    from .api import Unreachable
    from .cluster import KubernetesCluster

    choices = choices_of(arguments)
    found: list[Manifest] = []
    with suppress(Unreachable):
        found = KubernetesCluster(choices, arguments.context).as_it_is()
    text = yaml.safe_dump_all(found or cluster(choices), sort_keys=False)
    return {"running": bool(found), "yaml": text}
