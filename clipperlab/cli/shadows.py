"""`clipperlab shadow`."""

from __future__ import annotations

from typing import Annotated

import typer

from clipper_container.errors import BadRequest

from .app import DEFAULT, AsJson, ClusterName, Message, Model, command, connect, console, print_json


@command("shadow digits 2 --fraction 0.2")
def shadow(
    model: Model,
    version: Annotated[str | None, typer.Argument(help="Without one: how the last one does.")] = None,
    fraction: Annotated[float, typer.Option(help="Of the inputs, up to 1.")] = 0.2,
    tolerance: Annotated[
        float, typer.Option(help="By which numbers may differ, and both still agree.")
    ] = 0.0,
    diff: Annotated[bool, typer.Option("--diff", help="The last pairs that differ, one a line.")] = False,
    promote: Annotated[bool, typer.Option("--promote", help="Make it the current version.")] = False,
    stop: Annotated[bool, typer.Option("--stop", help="Ask it no more.")] = False,
    message: Message = "",
    cluster_name: ClusterName = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Ask a version for what the current one answers, and compare; nobody gets its answers."""
    conn = connect(cluster_name)
    if sum((version is not None, diff, promote, stop)) > 1:
        raise BadRequest("Give a version to begin with, or one of --diff, --promote and --stop.")
    if version is not None:
        conn.start_shadow(model, version, fraction=fraction, tolerance=tolerance, message=message)
    found = conn.shadow(model)
    if diff:
        for pair in found.pairs(100, differing=True):
            print_json(pair)
        return
    if promote:
        found.promote(message)
    elif stop:
        found.stop(message)
    if as_json:
        print_json(found.now)
    else:
        console().print(repr(found))
