"""`clipperlab load`."""

from __future__ import annotations

from typing import Annotated

import typer

from ..load.schedule import Arrivals
from .app import DEFAULT, Application, AsJson, ClusterName, command, connect, console, parse, print_json


@command("load digits --rate 100 --seconds 10")
def load(
    application: Application,
    rate: Annotated[float, typer.Option(help="Queries a second, whether they are answered or not.")] = 100.0,
    seconds: Annotated[float, typer.Option(help="For how long.")] = 10.0,
    arrivals: Annotated[Arrivals, typer.Option(help="How they come.")] = "poisson",
    value: Annotated[
        list[str] | None,
        typer.Option("--input", help="An input as JSON, by default the model's example. Repeatable."),
    ] = None,
    cache: Annotated[bool, typer.Option("--cache", help="Let the prediction cache answer.")] = False,
    cluster_name: ClusterName = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Send an application queries for a while, and tell what came back, and when."""
    inputs = [parse(text) for text in value] if value else None
    run = connect(cluster_name).load(
        application, rate=rate, seconds=seconds, arrivals=arrivals, inputs=inputs, cache=cache
    )
    try:
        with console().status(f"{rate:g} queries a second for {seconds:g} s ..."):
            result = run.result()
    except KeyboardInterrupt:
        run.stop()
        result = run.result()  # of what was sent
    if as_json:
        print_json(result)
    else:
        typer.echo(repr(result))
