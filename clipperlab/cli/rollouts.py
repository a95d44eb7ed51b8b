"""`clipperlab rollout`."""

from __future__ import annotations

from typing import Annotated

import typer

from clipper_container.errors import BadRequest

from ..operations.rollouts import DEFAULT_GUARDRAILS
from ..policies import NoLess
from .app import DEFAULT, AsJson, ClusterName, Message, Model, command, connect, console, print_json

STEPS = "0.05,0.2,0.5,1"


@command("rollout digits 2 --steps 0.05,0.5,1 --hold-s 30")
def rollout(
    model: Model,
    version: Annotated[str | None, typer.Argument(help="Where to. Without one: how the last one is.")] = None,
    steps: Annotated[
        str, typer.Option(help="Shares of the queries; the step to 1 makes it current.")
    ] = STEPS,
    hold_s: Annotated[float, typer.Option(help="For how long each step is held at least.")] = 60.0,
    reward_by: Annotated[
        float | None, typer.Option(help="Its mean reward may be lower by this at most, by feedback.")
    ] = None,
    observe: Annotated[bool, typer.Option("--observe", help="Guardrails only tell.")] = False,
    sticky: Annotated[
        bool, typer.Option("--sticky", help="The same side for all requests of a unit.")
    ] = False,
    all_applications: Annotated[
        bool, typer.Option("--all", help="For all applications that ask for the model's current version.")
    ] = False,
    pause: Annotated[bool, typer.Option("--pause", help="Take no step until --resume.")] = False,
    resume: Annotated[bool, typer.Option("--resume")] = False,
    promote: Annotated[bool, typer.Option("--promote", help="Make the new version current now.")] = False,
    abort: Annotated[bool, typer.Option("--abort", help="Let the version before answer all again.")] = False,
    message: Message = "",
    cluster_name: ClusterName = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Move a model to another version step by step, as long as it does no worse; or steer that."""
    conn = connect(cluster_name)
    if sum((version is not None, pause, resume, promote, abort)) > 1:
        raise BadRequest("Give a version to begin with, or one of --pause, --resume, --promote and --abort.")
    if version is not None:
        rewards = () if reward_by is None else (NoLess("reward", by=reward_by),)
        conn.start_rollout(
            model,
            version,
            steps=shares(steps),
            hold_s=hold_s,
            guardrails=(*DEFAULT_GUARDRAILS, *rewards),
            observe=observe,
            sticky="unit" if sticky else None,
            applications="all" if all_applications else None,
            message=message,
        )
    found = conn.rollout(model)
    if pause:
        found.pause()
    elif resume:
        found.resume()
    elif promote:
        found.promote(message)
    elif abort:
        found.abort(message)
    if as_json:
        print_json(found.now)
    else:
        console().print(repr(found))


def shares(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise BadRequest(f"--steps are shares, as {STEPS}, and not {text}.") from None
