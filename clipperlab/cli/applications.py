"""`clipperlab apps`, `register`, `unregister`, `link` and `unlink`."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from .app import (
    DEFAULT,
    Application,
    AsJson,
    ClusterName,
    InputType,
    Model,
    command,
    connect,
    console,
    parse,
    print_json,
)
from .summary import applications


@command("apps")
def apps(cluster_name: ClusterName = DEFAULT, as_json: AsJson = False) -> None:
    """List the applications, with their objectives and the models that answer them."""
    found = connect(cluster_name).get_all_apps(verbose=True)
    if as_json:
        print_json(found)
    else:
        console().print(applications(found))


@command("register digits --input-type doubles --slo-ms 100 --default -1")
def register(
    name: str,
    input_type: InputType,
    slo_ms: Annotated[float, typer.Option(help="The latency objective.")] = 100.0,
    default: Annotated[str, typer.Option(help="The default output, as JSON.")] = "null",
    on_overload: Annotated[
        Literal["default", "reject"], typer.Option(help="What who cannot be answered in time gets.")
    ] = "default",
    cluster_name: ClusterName = DEFAULT,
) -> None:
    """Make an application, which answers the default output until a model is linked."""
    default_output = parse(default)
    conn = connect(cluster_name)
    conn.register_application(name, input_type, default_output, slo_ms=slo_ms, on_overload=on_overload)
    console().print(f"[bold]{name}[/] answers at {conn.application(name).url}")


@command("unregister digits")
def unregister(application: Application, cluster_name: ClusterName = DEFAULT) -> None:
    """Remove an application. The models that answered it stay."""
    connect(cluster_name).unregister_application(application)
    console().print(f"[bold]{application}[/] is removed.")


@command("link digits digits")
def link(application: Application, model: Model, cluster_name: ClusterName = DEFAULT) -> None:
    """Have an application answered by the current version of a model."""
    connect(cluster_name).link_model_to_app(application, model)
    console().print(f"[bold]{model}[/] answers [bold]{application}[/].")


@command("unlink digits digits")
def unlink(application: Application, model: Model, cluster_name: ClusterName = DEFAULT) -> None:
    """Have an application answered by a model no more."""
    connect(cluster_name).unlink_model_from_app(application, model)
    console().print(f"[bold]{model}[/] answers [bold]{application}[/] no more.")
