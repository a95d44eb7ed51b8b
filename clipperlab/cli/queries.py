"""`clipperlab predict` and `why`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from .app import DEFAULT, Application, AsJson, ClusterName, command, connect, parse, print_json, said, told


@command("predict digits '[0, 0, 5, 13]'")
def predict(
    application: Application,
    value: Annotated[str, typer.Argument(help="The input, or several, as JSON; - reads it from stdin.")],
    version: Annotated[str | None, typer.Option(help="By default the current one.")] = None,
    timeout_ms: Annotated[float | None, typer.Option(help="Less than the objective.")] = None,
    context: Annotated[
        str | None, typer.Option(help="What a policy learns by: a text, or numbers as 0.5,-1.")
    ] = None,
    unit: Annotated[str | None, typer.Option(help="Whom it is for: a sticky policy sticks to it.")] = None,
    cluster_name: ClusterName = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Ask an application, and print the output; of several inputs a list of them.

    Exit code 3 where one is the default output.
    """
    given = parse(sys.stdin.read() if value == "-" else value)
    asked = connect(cluster_name).application(application)
    timeout_micros = None if timeout_ms is None else int(1000 * timeout_ms)
    answer = asked.predict(given, version=version, timeout_micros=timeout_micros, unit=unit, context=context)
    answers = answer if isinstance(answer, list) else [answer]
    outputs = [each["output"] for each in answers]
    print_json(answer if as_json else outputs if isinstance(answer, list) else outputs[0])
    if defaults := [each for each in answers if each["default"]]:
        reason = defaults[0]["default_reason"]
        sys.stderr.write(f"{reason}: {told(defaults[0]['default_explanation'])}\n")
        sys.stderr.write(f"What to do about it: `{said('explain', reason)}`\n")
        raise typer.Exit(3)


@command("why")
def why(
    query_id: Annotated[int | None, typer.Argument(help="By default that of the last query.")] = None,
    cluster_name: ClusterName = DEFAULT,
) -> None:
    """Tell the path of a query, with times: of the last one, or of another by its id."""
    typer.echo(told(str(connect(cluster_name).why(query_id))))
