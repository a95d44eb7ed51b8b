"""`clipperlab deploy`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from clipper_container.counting import NEXT
from clipper_container.errors import BadRequest
from clipper_container.inputs import canonical

from ..deployers.pipeline import deploy_pipeline
from ..deployers.python import deploy_python_closure
from ..deployers.source_file import function_in
from ..files import reading
from ..operations import Deployed
from .app import DEFAULT, ClusterName, InputType, Message, command, connect, console, parse, said
from .rollouts import STEPS, shares


@command("deploy model.py --name digits --input-type doubles --app digits")
def deploy(
    file: Annotated[Path, typer.Argument(help="A Python file with a function, or an artifact.")],
    name: Annotated[str, typer.Option(help="The model's name.")],
    input_type: InputType,
    version: Annotated[str, typer.Option(help="Of the model; by default the next number.")] = NEXT,
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
    uses: Annotated[
        list[str] | None,
        typer.Option(help="A model that the function calls: async def answer(query, models). Repeatable."),
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(help="How many batches a replica works on at once.")
    ] = None,
    requirements: Annotated[Path | None, typer.Option(help="A file with such packages.")] = None,
    cpus: Annotated[float | None, typer.Option(help="Of each replica.")] = None,
    memory: Annotated[str | None, typer.Option(help="Of each replica, such as 512Mi.")] = None,
    gpus: Annotated[int, typer.Option(help="Of each replica.")] = 0,
    env: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE in its replicas' environment. Repeatable.")
    ] = None,
    stage: Annotated[bool, typer.Option("--stage", help="Do not make it current.")] = False,
    canary: Annotated[
        bool, typer.Option("--canary", help=f"Roll it out step by step, by {STEPS} of the queries.")
    ] = False,
    all_applications: Annotated[
        bool, typer.Option("--all", help="--canary is for all applications that ask for the model.")
    ] = False,
    message: Message = "",
    cluster_name: ClusterName = DEFAULT,
) -> None:
    """Deploy a version of a model, and wait until it is ready: with an example, until it has answered it."""
    # First all that can be wrong before anything changes.
    default_output = parse(default)
    example = None if example_input is None else parse(example_input)
    limits = {"cpus": cpus, "memory": memory, "gpus": gpus}
    options: dict[str, Any] = {
        "num_replicas": replicas,
        "batching": batching,
        "message": message,
        "resources": {k: v for k, v in limits.items() if v},
        "env": _variables(env or []),
    }
    if stage and canary:
        raise BadRequest("Give --stage or --canary: a staged version gets no queries, and a canary some.")
    if all_applications and not canary:
        raise BadRequest("--all is an option of --canary.")
    if concurrency is not None:
        options["concurrency"] = concurrency
    if uses:
        options["uses"] = uses
        if file.suffix == ".py":
            del options["batching"]  # a pipeline has one query at a time, and many of them at once
    if stage:
        options["make_current"] = False
    if canary:
        options["rollout"] = shares(STEPS)
    if all_applications:
        options["applications"] = "all"
    with reading(file):
        if not file.is_file():
            raise BadRequest(f"There is no file {file}.")
    func = function_in(file, function) if file.suffix == ".py" else None
    conn = connect(cluster_name)
    began = time.monotonic()

    def deploy_it() -> Deployed:
        if func is None:
            return conn.deploy_model(name, version, input_type, artifact=file, **options)
        if uses:
            handle = deploy_pipeline(
                *(conn, name, version, func),
                input_type=input_type,
                pkgs_to_install=requirement or [],
                requirements=requirements or [],
                **options,
            )
        else:
            handle = deploy_python_closure(
                *(conn, name, version, input_type, func),
                pkgs_to_install=requirement,
                requirements=requirements,
                example_input=example,
                **options,
            )
        assert handle.deployed is not None
        return handle.deployed

    found = None if app_name is None else conn.get_app_info(app_name)
    if app_name is None:
        deployed = deploy_it()
    elif found is None:
        conn.register_application(app_name, input_type, default_output, slo_ms=slo_ms)
        try:
            deployed = deploy_it()
            conn.link_model_to_app(app_name, name)
        except BaseException:
            conn.unregister_application(app_name)
            raise
    else:
        if found["input_type"] != canonical(input_type):
            raise BadRequest(
                f"The application {app_name} takes {found['input_type']}, and the model "
                f"{canonical(input_type)}. Choose another application, or none."
            )
        deployed = deploy_it()
        if name not in conn.get_linked_models(app_name):
            conn.link_model_to_app(app_name, name)
    console().print(f"{deployed} It took {time.monotonic() - began:.1f} s.")
    if func is not None and example is None and not uses:
        console().print("Nothing was asked of it: with --example-input it answers before it is ready.")
    if deployed.state == "not current":
        console().print(f"`{said('set-version', name, deployed.version)}` makes it current.")
    if deployed.state == "rolled out":
        console().print(f"`{said('rollout', name)}` tells how it does.")
    if app_name is not None:
        console().print(f"It answers at {conn.application(app_name).url}")


def _variables(given: list[str]) -> dict[str, str]:
    """Raises BadRequest."""
    wrong = [text for text in given if "=" not in text]
    if wrong:
        raise BadRequest(f"--env is NAME=VALUE, not {wrong[0]!r}.")
    return {name: value for name, _, value in (text.partition("=") for text in given)}
