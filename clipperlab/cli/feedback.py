"""`clipperlab feedback` and `learned`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from .app import DEFAULT, Application, AsJson, ClusterName, command, connect, console, parse, print_json


@command("feedback digits 1234567 --label 7")
def feedback(
    application: Application,
    answer: Annotated[str, typer.Argument(help="The answer's feedback_token, or its query_id.")],
    reward: Annotated[float | None, typer.Option(help="How good it was, from 0 to 1.")] = None,
    label: Annotated[str | None, typer.Option(help="What was right, as JSON.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Until it is written.")] = False,
    cluster_name: ClusterName = DEFAULT,
) -> None:
    """Say how good an answer was: by a reward, or by the label that was right."""
    given: Any = int(answer) if answer.isdecimal() else {"feedback_token": answer}
    right = None if label is None else parse(label)
    connect(cluster_name).feedback(application, given, reward=reward, label=right, wait=wait)
    console().print("Written." if wait else "Taken.")


@command("learned digits")
def learned(application: Application, cluster_name: ClusterName = DEFAULT, as_json: AsJson = False) -> None:
    """Tell what was learned of feedback: each arm's rewards, and its share, by context."""
    found = connect(cluster_name).learned(application)
    if as_json:
        print_json(found.now)
    else:
        typer.echo(str(found))
