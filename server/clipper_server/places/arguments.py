"""Arguments of the command line that more than one place has."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

PORTS = ("query_port", "management_port")
KEPT = ("cache_size", "num_frontends", "max_inputs", "max_json", "cors_origins")
PASSED_ON = (*KEPT, "protocols")


def add_ports(command: ArgumentParser) -> None:
    command.add_argument("--query-port", type=int, default=1337)
    command.add_argument("--management-port", type=int, default=1338)


def add_registry(command: ArgumentParser) -> None:
    command.add_argument("--registry", default="", help="where images are pulled from")


def add_state(command: ArgumentParser) -> None:
    command.add_argument("--folder", type=Path, required=True, help="of the cluster's state")


def passed_on(arguments: Namespace, names: tuple[str, ...]) -> list[str]:
    """Those with these names that were given, as `up` passes them on to `management`."""
    given = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    return [part for name, value in given.items() for part in (f"--{name.replace('_', '-')}", str(value))]
