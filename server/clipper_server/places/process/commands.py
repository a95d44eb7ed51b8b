"""Clusters of processes on the command line."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from ...cluster import ClusterFolder
from .. import Answer, Ground, Settings
from ..arguments import PASSED_ON, PORTS, add_ports, add_state, passed_on
from . import lifecycle
from .ground import of_processes


def add_arguments(command: ArgumentParser, word: str) -> None:
    add_state(command)
    if word in ("up", "management"):
        add_ports(command)


def up(arguments: Namespace) -> Answer:
    options = passed_on(arguments, (*PORTS, *PASSED_ON))
    record, started, moved = lifecycle.up(arguments.folder, options, fresh=arguments.fresh)
    return {
        "folder": str(arguments.folder.absolute()),
        "query": record.query,
        "management": record.management,
        "started": started,
        "moved": moved,
    }


def down(arguments: Namespace) -> Answer:
    return {"stopped": lifecycle.down(arguments.folder, purge=arguments.purge, now=arguments.now)}


def record(arguments: Namespace) -> Answer:
    found = ClusterFolder(arguments.folder).record()
    return {"record": found and found.for_clients()}


def ground(arguments: Namespace, folder: ClusterFolder, settings: Settings, token: str) -> Ground:
    return of_processes(folder, settings, token, arguments.query_port, arguments.management_port)
