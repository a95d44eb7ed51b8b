"""`clipperlab collect`, `feedback`, `learned`, `decisions` and `evaluate`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from clipper_container.errors import BadRequest

from .. import policies as P
from .app import DEFAULT, Application, AsJson, ClusterName, command, connect, console, parse, print_json
from .policies import weights_of


@command("collect digits --window-s 600")
def collect(
    application: Application,
    window_s: Annotated[float, typer.Option(help="For how long after an answer it is taken.")] = 3600.0,
    default_reward: Annotated[
        float | None, typer.Option(help="Of an answer of which nobody says anything until then.")
    ] = None,
    score: Annotated[
        Literal["equal", "within", "distance"], typer.Option(help="How a label becomes a reward.")
    ] = "equal",
    tolerance: Annotated[float, typer.Option(help="Of --score within and distance.")] = 0.0,
    sample: Annotated[float, typer.Option(help="The part of the decisions that is kept.")] = 1.0,
    inputs: Annotated[bool, typer.Option("--inputs", help="Keep their inputs, too.")] = False,
    stop: Annotated[bool, typer.Option("--stop", help="Take none any more.")] = False,
    cluster_name: ClusterName = DEFAULT,
) -> None:
    """Let an application take feedback: each of its answers has a token from then on."""
    conn = connect(cluster_name)
    if stop:
        conn.stop_feedback(application)
        console().print(f"[bold]{application}[/] takes no feedback any more.")
        return
    conn.collect_feedback(
        application,
        window_s=window_s,
        default_reward=default_reward,
        score=score,
        tolerance=tolerance,
        sample=sample,
        inputs=inputs,
    )
    console().print(f"[bold]{application}[/] takes feedback for {window_s:g} s after an answer.")


@command("feedback digits 1234567 --label 7")
def feedback(
    application: Application,
    answer: Annotated[str, typer.Argument(help="The answer's feedback_token, or its query_id.")],
    reward: Annotated[float | None, typer.Option(help="How good it was, from 0 to 1.")] = None,
    label: Annotated[str | None, typer.Option(help="What was right, as JSON.")] = None,
    input: Annotated[
        str | None, typer.Option(help="What was asked, as JSON: for a label of a large output.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Until it is written.")] = False,
    cluster_name: ClusterName = DEFAULT,
) -> None:
    """Say how good an answer was: by a reward, or by the label that was right."""
    given: Any = int(answer) if answer.isdecimal() else {"feedback_token": answer}
    right = None if label is None else parse(label)
    asked = None if input is None else parse(input)
    connect(cluster_name).feedback(application, given, reward=reward, label=right, input=asked, wait=wait)
    console().print("Written." if wait else "Taken.")


@command("learned digits")
def learned(application: Application, cluster_name: ClusterName = DEFAULT, as_json: AsJson = False) -> None:
    """Tell what was learned of feedback: each arm's rewards, and its share, by context."""
    found = connect(cluster_name).learned(application)
    if as_json:
        print_json(found.now)
    else:
        typer.echo(str(found))


@command("decisions digits --limit 20")
def decisions(
    application: Application,
    limit: Annotated[int, typer.Option(help="So many of the last ones.")] = 100,
    cluster_name: ClusterName = DEFAULT,
) -> None:
    """Print the last decisions, one a line as JSON: arms, propensity and rewards, and inputs where kept."""
    for each in connect(cluster_name)._management.decisions(application, limit, inputs=True):
        print_json(each)


@command("evaluate digits --split bayes=0.5,svm=0.5")
def evaluate(
    application: Application,
    split: Annotated[str | None, typer.Option(help="Shares, which sum up to 1: bayes=0.9,svm:2=0.1.")] = None,
    first: Annotated[bool, typer.Option("--first", help="The first linked model alone.")] = False,
    estimator: Annotated[Literal["ips", "snips", "dr"], typer.Option(help="How.")] = "snips",
    cluster_name: ClusterName = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Estimate the mean reward under a policy that never ran, by the decisions of the one that did."""
    if (split is not None) == first:
        raise BadRequest("Give one of --split and --first.")
    policy = P.First() if split is None else P.Split(weights_of(split, "--split"))
    found = connect(cluster_name).evaluate(application, policy, estimator=estimator)
    if as_json:
        print_json(found._asdict())
    else:
        typer.echo(str(found))
