"""Deploys a Python function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Unpack

from clipper_container.errors import BadRequest

from ..connection import ClipperConnection
from ..options import DeployOptions
from .packaging import Deployment, deploy_endpoint, pack_and_deploy, pickle_function


def deploy_python_closure(
    clipper_conn: ClipperConnection,
    name: str,
    version: object,
    input_type: str,
    func: Callable[[Any], Any],
    base_image: str = "default",
    labels: Sequence[str] | None = None,
    registry: str | None = None,
    num_replicas: int = 1,
    batch_size: int = -1,
    pkgs_to_install: Sequence[str] | None = None,
    *,
    requirements: Sequence[str] | str | Path | None = None,
    example_input: object | None = None,
    size: str | None = None,
    **options: Unpack[DeployOptions],
) -> None:
    """Deploy `func`, which takes a list of inputs and returns a list of the same length.

    The function travels with the variables and the modules beside the notebook that it uses. Inputs of the
    type ndarray come as one array, where their shapes agree. In the place of an output it may return an
    exception, which fails that input alone.

    `pkgs_to_install` and `requirements` (a list, or the path of a file) are installed for its replicas.
    `example_input` is one input, with which each replica warms up before it is ready. `size` says what an
    input costs, as an expression of the input `x`, such as "len(x)"; without it each counts as one.
    `DeployOptions` tells of the other options. Raises ArtifactError where the function cannot be pickled, and
    what `ClipperConnection.deploy_model` raises.
    """
    if not callable(func):
        raise BadRequest(f"func must be a function of a list of inputs, not {type(func).__name__}.")
    deployment = Deployment(
        *(name, version, input_type, base_image, labels, registry, num_replicas, batch_size),
        *(pkgs_to_install, requirements, example_input, size, options),
    )
    parts = {"function.pickle": pickle_function(func, takes=1)}
    pack_and_deploy(clipper_conn, deployment, loader="python", parts=parts)


def create_endpoint(
    clipper_conn: ClipperConnection,
    name: str,
    input_type: str,
    func: Callable[[Any], Any],
    default_output: object = "None",
    version: object = 1,
    slo_micros: int = 3_000_000,
    labels: Sequence[str] | None = None,
    registry: str | None = None,
    base_image: str = "default",
    num_replicas: int = 1,
    batch_size: int = -1,
    pkgs_to_install: Sequence[str] | None = None,
    *,
    requirements: Sequence[str] | str | Path | None = None,
    example_input: object | None = None,
    size: str | None = None,
    **options: Unpack[DeployOptions],
) -> None:
    """Register an application, deploy `func` and link them, all under one name.

    Where the deploy fails the application is removed again. Raises what the three calls raise.
    """

    def deploy() -> None:
        deploy_python_closure(
            *(clipper_conn, name, version, input_type, func),
            base_image=base_image,
            labels=labels,
            registry=registry,
            num_replicas=num_replicas,
            batch_size=batch_size,
            pkgs_to_install=pkgs_to_install,
            requirements=requirements,
            example_input=example_input,
            size=size,
            **options,
        )

    deploy_endpoint(clipper_conn, name, input_type, default_output, slo_micros, deploy)
