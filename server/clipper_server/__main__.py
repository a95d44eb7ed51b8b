"""`python -m clipper_server up|down process`, and `management`, which `up` starts."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path

import uvloop

from clipper_container.errors import ClipperException

from . import lifecycle
from .cluster import ClusterFolder
from .management import server


def main() -> int:
    arguments = _parser().parse_args()
    try:
        if arguments.command == "up":
            record, started = lifecycle.up(arguments.folder, _options(arguments), fresh=arguments.fresh)
            _say(
                folder=str(arguments.folder.absolute()),
                query=record.query,
                management=record.management,
                started=started,
            )
        elif arguments.command == "down":
            _say(stopped=lifecycle.down(arguments.folder, purge=arguments.purge, now=arguments.now))
        else:
            logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
            folder = ClusterFolder(arguments.folder)
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(
                    server.serve(
                        folder,
                        arguments.query_port,
                        arguments.management_port,
                        arguments.cache_size,
                        arguments.num_frontends,
                    )
                )
    except ClipperException as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _options(arguments: argparse.Namespace) -> list[str]:
    """What `up` passes on to `management`."""
    names = ("query_port", "management_port", "cache_size", "num_frontends")
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
    for name in ("up", "down", "management"):
        command = commands.add_parser(name)
        if name != "management":
            command.add_argument("container_manager", choices=["process"])
        command.add_argument("--folder", type=Path, required=True)
        if name != "down":
            command.add_argument("--query-port", type=int, default=1337)
            command.add_argument("--management-port", type=int, default=1338)
            command.add_argument("--cache-size", type=_at_least(0), help="bytes, in each query frontend")
            command.add_argument("--num-frontends", type=_at_least(1), help="query frontend processes")
        if name == "up":
            command.add_argument("--fresh", action="store_true")
        if name == "down":
            command.add_argument("--purge", action="store_true")
            command.add_argument("--now", action="store_true", help="kill, and lose what is under way")
    return parser


if __name__ == "__main__":
    sys.exit(main())
