"""`clipperlab deploy`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from clipper_container.errors import BadRequest

from ..deployers.local_modules import HOMES
from ..deployers.python import deploy_python_closure
from .app import DEFAULT, ClusterName, Message, app, connect, console, parse


@app.command()
def deploy(
    file: Annotated[Path, typer.Argument(help="A Python file with a function, or an artifact.")],
    name: Annotated[str, typer.Option(help="The model's name.")],
    version: Annotated[str, typer.Option(help="Of the model.")],
    input_type: Annotated[str, typer.Option(help="Such as doubles, strings or json.")],
    function: Annotated[str, typer.Option(help="The function's name in the file.")] = "predict",
    app_name: Annotated[
        str | None, typer.Option("--app", help="Also make an application of this name, and link it.")
    ] = None,
    slo_ms: Annotated[float, typer.Option(help="The application's latency objective.")] = 100.0,
    default: Annotated[str, typer.Option(help="The application's default output, as JSON.")] = "null",
    replicas: Annotated[int, typer.Option(help="How many.")] = 1,
    batching: Annotated[str, typer.Option(help="learned, aimd, fixed(32) or off.")] = "learned",
    example_input: Annotated[str | None, typer.Option(help="One input as JSON, to warm up with.")] = None,
    requirement: Annotated[list[str] | None, typer.Option(help="A package to install. Repeatable.")] = None,
    requirements: Annotated[Path | None, typer.Option(help="A file with such packages.")] = None,
    cpus: Annotated[float | None, typer.Option(help="Of each replica.")] = None,
    memory: Annotated[str | None, typer.Option(help="Of each replica, such as 512Mi.")] = None,
    gpus: Annotated[int, typer.Option(help="Of each replica.")] = 0,
    stage: Annotated[bool, typer.Option("--stage", help="Do not make it current.")] = False,
    message: Message = "",
    cluster_name: ClusterName = DEFAULT,
) -> None:
    """Deploy a version of a model, and wait until it answers."""
    conn = connect(cluster_name)
    limits = {"cpus": cpus, "memory": memory, "gpus": gpus}
    options: dict[str, Any] = {
        "num_replicas": replicas,
        "batching": batching,
        "make_current": not stage,
        "message": message,
        "resources": {k: v for k, v in limits.items() if v},
    }
    if not file.is_file():
        raise BadRequest(f"There is no file {file}.")
    began = time.monotonic()
    if file.suffix == ".py":
        deploy_python_closure(
            *(conn, name, version, input_type, _function(file, function)),
            pkgs_to_install=requirement,
            requirements=requirements,
            example_input=None if example_input is None else parse(example_input),
            **options,
        )
    else:
        conn.deploy_model(name, version, input_type, artifact=file, **options)
    if app_name is not None:
        if conn.get_app_info(app_name) is None:
            conn.register_application(app_name, input_type, parse(default), int(1000 * slo_ms))
        if name not in conn.get_linked_models(app_name):
            conn.link_model_to_app(app_name, name)
        console().print(f"It answers at {conn.application(app_name).url}")
    state = "staged" if stage else "current"
    console().print(f"[bold]{name}:{version}[/] is {state}, after {time.monotonic() - began:.1f} s.")


def _function(file: Path, name: str) -> Callable[[Any], Any]:
    """The function in a file, which is run as a script is: what it defines travels by value."""
    sys.path.insert(0, str(file.parent.absolute()))
    HOMES.append(file.parent)
    namespace: dict[str, Any] = {"__name__": "__main__", "__file__": str(file)}
    exec(compile(file.read_text(), str(file), "exec"), namespace)
    found = namespace.get(name)
    if not callable(found):
        defined = ", ".join(k for k, v in namespace.items() if callable(v) and k[0] != "_") or "none"
        raise BadRequest(f"{file} has no function {name!r}, but: {defined}. Choose one with --function.")
    function: Callable[[Any], Any] = found
    return function
