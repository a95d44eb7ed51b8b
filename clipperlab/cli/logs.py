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
from .app import DEFAULT, AsJson, ClusterName, Follow, app, connect

FOLLOW_S = 20.0  # a long poll of `events -f`
LOOK_S = 0.5  # between two looks of `logs -f`


@app.command()
def logs(
    name: Annotated[str | None, typer.Argument(help="Such as query-0 or digits.1.0; all without it.")] = None,
    follow: Follow = False,
    lines: Annotated[int, typer.Option("--lines", "-n", help="Only the last so many of each.")] = 20,
    cluster_name: ClusterName = DEFAULT,
) -> None:
    """Print the logs of the cluster's processes."""
    conn = connect(cluster_name)
    seen: dict[str, int] = {}

    def look() -> None:
        for each in [name] if name else sorted(conn._management.logs()):
            text, after = conn.log(each, seen.get(each, 0))
            while True:
                more, position = conn.log(each, after)
                if position == after:
                    break
                text, after = text + more, position
            told = text.splitlines()
            for line in told if each in seen else told[-lines:]:
                typer.echo(line if name else f"{each}: {line}")
            seen[each] = after

    look()
    if follow:
        _follow(conn, look, pause_s=LOOK_S)


@app.command()
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


def _tell(found: Iterable[Event], as_json: bool) -> None:
    for event in found:
        at = datetime.fromtimestamp(event["at"])
        typer.echo(json.dumps(event) if as_json else f"{at:%Y-%m-%d %H:%M:%S}  {event['text']}")


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
