"""`clipperlab versions`, `rollback`, `set-version` and `scale`."""

from __future__ import annotations

from typing import Annotated

import typer

from clipper_container.errors import BadRequest

from .app import DEFAULT, AsJson, ClusterName, Message, app, connect, console, print_json
from .summary import versions_of


@app.command()
def versions(model: str, cluster_name: ClusterName = DEFAULT, as_json: AsJson = False) -> None:
    """Show a model's versions, and who made which one current, when and why."""
    conn = connect(cluster_name)
    handle = conn.model(model)
    if as_json:
        print_json({"versions": handle.versions, "history": list(handle.history)})
    else:
        console().print(versions_of(handle))


@app.command()
def rollback(model: str, message: Message = "", cluster_name: ClusterName = DEFAULT) -> None:
    """Go back to the version before the current one, at once."""
    version = connect(cluster_name).rollback(model, message=message)
    console().print(f"[bold]{model}:{version}[/] is current.")


@app.command()
def set_version(model: str, version: str, message: Message = "", cluster_name: ClusterName = DEFAULT) -> None:
    """Make a deployed version the current one."""
    connect(cluster_name).set_model_version(model, version, message=message)
    console().print(f"[bold]{model}:{version}[/] is current.")


@app.command()
def scale(
    model: str,
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
            "Give either a number of replicas, or both --min and --max, and --cpu-percent with them."
        )
