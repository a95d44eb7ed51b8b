"""`python -m clipper_server up|down|record PLACE`, and `management PLACE`, which `up` starts."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

import uvloop

from clipper_container.errors import ClipperException

from . import kubernetes_commands, lifecycle
from .cluster import ClusterFolder


def main() -> int:
    arguments = _parser().parse_args()
    try:
        if arguments.command == "management":
            _manage(arguments)
        elif arguments.container_manager == "docker":
            _on_docker(arguments)
        elif arguments.container_manager == "kubernetes":
            kubernetes_commands.run(arguments, _say)
        elif arguments.command == "up":
            record, started = lifecycle.up(
                arguments.folder, _options(arguments, *PORTS), fresh=arguments.fresh
            )
            _say(
                folder=str(arguments.folder.absolute()),
                query=record.query,
                management=record.management,
                started=started,
            )
        else:
            _say(stopped=lifecycle.down(arguments.folder, purge=arguments.purge, now=arguments.now))
    except ClipperException as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _manage(arguments: argparse.Namespace) -> None:
    from .management import server  # late: it takes most of a second to load

    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    if arguments.container_manager == "docker":
        place = server.on_docker(arguments.cluster_name, arguments.published_host, arguments.registry)
    elif arguments.container_manager == "kubernetes":
        namespace = os.environ["CLIPPER_NAMESPACE"]
        arguments.folder.mkdir(parents=True, exist_ok=True)
        place = server.on_kubernetes(
            arguments.cluster_name,
            namespace,
            arguments.registry,
            arguments.address,
            keeps=not arguments.no_storage,
        )
    else:
        place = server.on_this_machine(arguments.query_port, arguments.management_port)
    folder = ClusterFolder(arguments.folder)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(server.serve(folder, place, arguments.cache_size, arguments.num_frontends))


def _on_docker(arguments: argparse.Namespace) -> None:
    from .docker_cluster import DockerCluster  # late: processes need no engine

    cluster = DockerCluster(arguments.cluster_name, getattr(arguments, "registry", ""))
    if arguments.command == "up":
        ports = arguments.query_port, arguments.management_port
        record, started = cluster.up(
            arguments.published_host, ports, _options(arguments), fresh=arguments.fresh
        )
        _say(query=record.query, management=record.management, started=started)
    elif arguments.command == "down":
        _say(stopped=cluster.down(purge=arguments.purge, now=arguments.now))
    else:
        found = cluster.record()
        fields = ("cluster_name", "query", "management", "token")
        _say(record=None if found is None else {name: getattr(found, name) for name in fields})


PORTS = ("query_port", "management_port")


def _options(arguments: argparse.Namespace, *more: str) -> list[str]:
    """What `up` passes on to `management`."""
    names = (*more, "cache_size", "num_frontends")
    given = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    return [part for name, value in given.items() for part in (f"--{name.replace('_', '-')}", str(value))]


def _at_least(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if int(text) < least:
            raise ValueError
        return int(text)

    return number


def _say(**what: object) -> None:
    print(json.dumps(what))  # noqa: T201 - the command's answer, one JSON line


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="clipper_server", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("up", "down", "record", "manifests", "management"):
        command = commands.add_parser(name)
        places = ["kubernetes"] if name == "manifests" else ["process", "docker", "kubernetes"]
        command.add_argument("container_manager", choices=places)
        command.add_argument("--folder", type=Path, help="of a cluster of processes")
        command.add_argument("--cluster-name", help="of a cluster of containers")
        kubernetes_commands.add_arguments(command)
        if name in ("up", "manifests", "management"):
            command.add_argument("--published-host", default="127.0.0.1", help="where containers publish")
            command.add_argument("--registry", default="", help="where the engine pulls images from")
            command.add_argument("--query-port", type=int, default=1337)
            command.add_argument("--management-port", type=int, default=1338)
            command.add_argument("--cache-size", type=_at_least(0), help="bytes, in each query frontend")
            command.add_argument("--num-frontends", type=_at_least(1), help="query frontend processes")
        if name == "management":
            command.add_argument("--address", default="", help="of its service, where there is no DNS")
            command.add_argument("--no-storage", action="store_true", help="the folder ends with the pod")
        if name == "up":
            command.add_argument("--fresh", action="store_true")
        if name == "down":
            command.add_argument("--purge", action="store_true")
            command.add_argument("--now", action="store_true", help="kill, and lose what is under way")
    return parser


if __name__ == "__main__":
    sys.exit(main())
