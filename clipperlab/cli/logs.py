"""`clipperlab logs` and `events`, also as they come."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Annotated

import typer

from clipper_container.errors import ClusterError

from ..connection import ClipperConnection
from ..management import Event
from .app import DEFAULT, AsJson, ClusterName, Follow, command, connect, told

FOLLOW_S = 20.0  # a long poll of `events -f`
LOOK_S = 0.5  # between two looks of `logs -f`


@command("logs digits -f")
def logs(
    name: Annotated[
        str | None, typer.Argument(help="query-0, or of a model: digits, digits:1, digits:1:0; or else all.")
    ] = None,
    follow: Follow = False,
    lines: Annotated[int, typer.Option("--lines", "-n", help="Only the last so many of each.")] = 20,
    cluster_name: ClusterName = DEFAULT,
) -> None:
    """Print the logs of the cluster's processes."""
    conn = connect(cluster_name)
    seen: dict[str, int] = {}
    there = of(name, sorted(conn._management.logs()))
    alone = there[0] if name and len(there) == 1 else ""

    def look() -> None:
        for each in of(name, sorted(conn._management.logs())):
            text, after = conn.log(each, seen.get(each, 0))
            while True:
                more, position = conn.log(each, after)
                if position == after:
                    break
                text, after = text + more, position
            told = text.splitlines()
            for line in told if each in seen else told[-lines:]:
                typer.echo(line if each == alone else f"{each}: {line}")
            seen[each] = after

    look()
    if follow:
        _follow(conn, look, pause_s=LOOK_S)


@command("events -f")
def events(
    follow: Follow = False,
    lines: Annotated[int, typer.Option("--lines", "-n", help="Only the last so many.")] = 20,
    cluster_name: ClusterName = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Print what happened in the cluster."""
    conn = connect(cluster_name)
    last = 0
    known: list[Event] = []
    while found := conn.events(last):
        last = found[-1]["id"]
        known = [*known, *found][-lines:]
    _tell(known, as_json)

    def look() -> None:
        nonlocal last
        for event in conn.events(last, wait_s=FOLLOW_S):
            last = event["id"]
            _tell([event], as_json)

    if follow:
        _follow(conn, look, pause_s=0.0)


def of(name: str | None, logs: list[str]) -> list[str]:
    """The logs that somebody means: all, one by its name, or those of a model's replicas by any of theirs."""
    if name is None or name in logs:
        return logs if name is None else [name]
    dotted = name.replace(":", ".")
    return [log for log in logs if log == dotted or log.startswith(f"{dotted}.")] or [name]


def _tell(found: Iterable[Event], as_json: bool) -> None:
    for event in found:
        at = datetime.fromtimestamp(event["at"])
        typer.echo(json.dumps(event) if as_json else f"{at:%Y-%m-%d %H:%M:%S}  {told(event['text'])}")


def _follow(conn: ClipperConnection, look: Callable[[], None], *, pause_s: float) -> None:
    """Look again and again, until Ctrl+C; also over a restart of management."""
    try:
        while True:
            try:
                look()
            except ClusterError as error:
                sys.stderr.write(f"{error}\nWaiting for it ...\n")
                time.sleep(1)
                conn._attach()
            time.sleep(pause_s)
    except KeyboardInterrupt:
        pass
