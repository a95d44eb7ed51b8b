"""`python -m clipper_server up|down|record PLACE`, and `management PLACE`, which `up` starts.

The only module that knows both places and management.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import sqlite3
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from functools import partial

import uvloop

from clipper_container.errors import ClipperException

from .cluster import ClusterFolder
from .places import Answer, Place
from .places.arguments import KEPT
from .places.docker import commands as docker
from .places.kubernetes import commands as kubernetes
from .places.process import commands as process
from .protocols import wishes_of
from .supervisor import sentence

PLACES: dict[str, Place] = {"process": process, "docker": docker, "kubernetes": kubernetes}


def main() -> int:
    os.umask(0o077)  # what the cluster writes is its owner's alone
    try:
        arguments = _parser().parse_args()
        answer = arguments.do(arguments)
    except (ClipperException, OSError, sqlite3.Error) as error:
        print(sentence(error), file=sys.stderr)  # noqa: T201
        print(json.dumps({"error": type(error).__name__}))  # noqa: T201 - one JSON line, too
        return 1
    if answer is not None:
        print(json.dumps(answer))  # noqa: T201 - one JSON line
    return 0


def _manage(place: Place, arguments: Namespace) -> None:
    gc.disable()  # else all that is imported is looked through again and again, for a quarter of that time
    from .management import server  # late: the other commands need no web framework

    gc.freeze()
    gc.enable()

    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # else each look of a panel is a line
    arguments.folder.mkdir(parents=True, exist_ok=True)  # a pod's new volume is empty
    folder = ClusterFolder(arguments.folder)
    ground = partial(place.ground, arguments)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            wishes = {name: getattr(arguments, name) for name in KEPT}
            runner.run(server.serve(folder, ground, wishes, arguments.protocols))
    except (ClipperException, OSError, sqlite3.Error) as error:
        server.tell_starter(sentence(error))  # whose log may be on a disk that is full
        raise


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="clipper_server", description=__doc__)
    words = parser.add_subparsers(metavar="WORD", required=True)
    for word in ("up", "down", "record", "manifests", "management"):
        places = words.add_parser(word).add_subparsers(metavar="PLACE", required=True)
        for name, place in PLACES.items():
            if (do := _what_does(word, place)) is not None:
                command = places.add_parser(name)
                command.set_defaults(do=do)
                place.add_arguments(command, word)
                _add_arguments(command, word)
    return parser


def _what_does(word: str, place: Place) -> Callable[[Namespace], Answer | None] | None:
    """None where the place has no such word."""
    if word == "management":
        return partial(_manage, place)
    return getattr(place, word, None)


def _add_arguments(command: ArgumentParser, word: str) -> None:
    """Those that every place has."""
    if word in ("up", "manifests", "management"):
        command.add_argument("--cache-size", type=_at_least(0), help="bytes, in each query frontend")
        command.add_argument("--num-frontends", type=_at_least(1), help="query frontend processes")
        command.add_argument("--max-inputs", type=_at_least(1), help="of one request")
        command.add_argument("--max-json", type=_at_least(1), help="bytes of JSON, of one request")
        command.add_argument("--cors-origins", help="of web pages that may ask, with commas; * are all")
        names = "with commas, and with their ports as in tensorflow-serving:8501:8500"
        command.add_argument("--protocols", type=_protocols, default="", help=names)
    if word == "up":
        command.add_argument("--fresh", action="store_true")
    if word == "down":
        command.add_argument("--purge", action="store_true")
        command.add_argument("--now", action="store_true", help="kill, and lose what is under way")


def _protocols(text: str) -> str:
    """Raises BadRequest or NotFound, before anything is started."""
    wishes_of(text)
    return text


def _at_least(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if int(text) < least:
            raise ValueError
        return int(text)

    return number


if __name__ == "__main__":
    sys.exit(main())
