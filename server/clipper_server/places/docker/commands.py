"""Clusters of containers on the command line."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from ...cluster import ClusterFolder
from .. import Answer, Ground, Settings
from ..arguments import PASSED_ON, add_ports, add_registry, add_state, passed_on

if TYPE_CHECKING:
    from .cluster import DockerCluster


def add_arguments(command: ArgumentParser, word: str) -> None:
    command.add_argument("--cluster-name", required=True)
    if word in ("up", "management"):
        command.add_argument("--published-host", default="127.0.0.1", help="where containers publish")
        add_registry(command)
    if word == "up":
        add_ports(command)
    if word == "management":
        add_state(command)


def up(arguments: Namespace) -> Answer:
    ports = arguments.query_port, arguments.management_port
    options = passed_on(arguments, PASSED_ON)
    cluster = _cluster(arguments, arguments.registry)
    record, started = cluster.up(arguments.published_host, ports, options, fresh=arguments.fresh)
    return {"query": record.query, "management": record.management, "started": started}


def down(arguments: Namespace) -> Answer:
    return {"stopped": _cluster(arguments).down(purge=arguments.purge, now=arguments.now)}


def record(arguments: Namespace) -> Answer:
    found = _cluster(arguments).record()
    return {"record": found and found.for_clients()}


def _cluster(arguments: Namespace, registry: str = "") -> DockerCluster:
    from .cluster import DockerCluster  # late: other places need no engine

    return DockerCluster(arguments.cluster_name, registry)


def ground(arguments: Namespace, folder: ClusterFolder, settings: Settings, token: str) -> Ground:
    from .ground import of_containers  # late, too

    return of_containers(folder, token, arguments.cluster_name, arguments.published_host, arguments.registry)
