"""`clipperlab versions`, `rollback`, `set-version`, `label`, `save-artifact`, `scale` and `remove`."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from clipper_container.errors import BadRequest

from .app import DEFAULT, AsJson, ClusterName, Message, Model, command, connect, console, print_json, told
from .summary import versions_of


@command("versions digits")
def versions(model: Model, cluster_name: ClusterName = DEFAULT, as_json: AsJson = False) -> None:
    """Show a model's versions, and who made which one current, when and why."""
    conn = connect(cluster_name)
    handle = conn.model(model)
    if as_json:
        print_json({"versions": handle.versions, "history": list(handle.history)})
    else:
        console().print(versions_of(handle))


@command("rollback digits -m 'it confuses 3 and 8'")
def rollback(model: Model, message: Message = "", cluster_name: ClusterName = DEFAULT) -> None:
    """Go back to the version before the current one, at once."""
    conn = connect(cluster_name)
    before = conn.get_current_model_version(model)
    version = conn.rollback(model, message=message)
    stays = ", as it was: the rollout to another version is stopped" if version == before else ""
    console().print(f"[bold]{model}:{version}[/] is current{stays}.")


@command("set-version digits 2")
def set_version(
    model: Model, version: str, message: Message = "", cluster_name: ClusterName = DEFAULT
) -> None:
    """Make a deployed version the current one."""
    connect(cluster_name).set_model_version(model, version, message=message)
    console().print(f"[bold]{model}:{version}[/] is current.")


@command("label digits 2 stable")
def label(
    model: Model,
    version: Annotated[str, typer.Argument(help="A deployed one, or - to take the label away.")],
    label: Annotated[str, typer.Argument(help="By which clients ask for it.")],
    cluster_name: ClusterName = DEFAULT,
) -> None:
    """Let clients ask for a version by a label, where their protocol has labels."""
    taken = version == "-"
    connect(cluster_name).set_version_label(model, None if taken else version, label)
    text = f"[bold]{model}[/] has no label {label}." if taken else f"[bold]{model}:{version}[/] is {label}."
    console().print(text)


@command("save-artifact digits digits.zip")
def save_artifact(
    model: Model,
    file: Annotated[Path, typer.Argument(help="Where to; a .zip file.")],
    version: Annotated[str | None, typer.Option(help="By default the current one.")] = None,
    cluster_name: ClusterName = DEFAULT,
) -> None:
    """Write the packaged model that a version was deployed from to a file."""
    conn = connect(cluster_name)
    version = version or conn.get_current_model_version(model)
    conn.save_artifact(model, version, file)
    console().print(f"[bold]{model}:{version}[/] is in {file}.")


@command("scale digits 3")
def scale(
    model: Model,
    replicas: Annotated[int | None, typer.Argument(help="How many.")] = None,
    least: Annotated[int | None, typer.Option("--min", help="Scale by the load, not below this.")] = None,
    most: Annotated[int | None, typer.Option("--max", help="Scale by the load, not above this.")] = None,
    cpu_percent: Annotated[
        int | None, typer.Option(help="On Kubernetes: by this part of the CPU that a replica asks for.")
    ] = None,
    version: Annotated[str | None, typer.Option(help="By default the current one.")] = None,
    cluster_name: ClusterName = DEFAULT,
) -> None:
    """Give a model so many replicas, or bounds between which they follow the load."""
    conn = connect(cluster_name)
    if replicas is not None and least is None and most is None and cpu_percent is None:
        found = conn.get_model_info(model, version or conn.get_current_model_version(model))
        if found is not None and found["autoscaling"] is not None:
            conn.set_autoscaling(model, None, version=version)
        conn.set_num_replicas(model, replicas, version)
        console().print(f"[bold]{model}[/] has {replicas} replica{'' if replicas == 1 else 's'}.")
    elif replicas is None and least is not None and most is not None:
        conn.set_autoscaling(model, least, most, version, cpu_percent=cpu_percent)
        console().print(f"[bold]{model}[/] has from {least} to {most} replicas, as its load wants.")
    else:
        raise BadRequest(
            "Give either a number of replicas, or both --min and --max; --cpu-percent is an option of those."
        )


@command("remove digits --version 2")
def remove(
    model: Model,
    version: Annotated[list[str] | None, typer.Option(help="Only this one. Repeatable.")] = None,
    inactive: Annotated[bool, typer.Option("--inactive", help="All but the current version.")] = False,
    cluster_name: ClusterName = DEFAULT,
) -> None:
    """Stop a model and forget it: all of its versions, or those that are named."""
    conn = connect(cluster_name)
    if version and inactive:
        raise BadRequest("Give either --version or --inactive.")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", UserWarning)
        if version:
            conn.stop_versioned_models({model: version})
        elif inactive:
            conn.stop_inactive_model_versions([model])
        else:
            conn.stop_models([model])
    for warning in said:
        console().print(f"[bold]Mind:[/] {escape(told(str(warning.message)))}")
    left = [v["model_version"] for v in conn.get_all_models(verbose=True) if v["model_name"] == model]
    console().print(f"[bold]{model}[/] has {_versions(left)}.")


def _versions(names: list[str]) -> str:
    if not names:
        return "no version any more"
    return f"version{'' if len(names) == 1 else 's'} {', '.join(names)} left"
