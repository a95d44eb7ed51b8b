"""Deploys a PyTorch module."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Unpack

from clipper_container.errors import ArtifactError, BadRequest

from ..connection import ClipperConnection
from ..options import DeployOptions
from .packaging import Deployment, deploy_endpoint, pack_and_deploy, pickle, pickle_function


def deploy_pytorch_model(
    clipper_conn: ClipperConnection,
    name: str,
    version: object,
    input_type: str,
    func: Callable[[Any, Any], Any] | None,
    pytorch_model: Any,
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
    """Deploy a module, answered by `func(model, inputs)`, a list as long as `inputs`.

    Where `func` is None the module gets the inputs stacked into one tensor, and the rows of what it returns
    are the outputs. It runs in eval mode and without gradients, on CUDA where its container has a GPU and on
    the CPU elsewhere; a copy of it travels, and the original stays as it is. The other arguments are as in
    `deployers.python.deploy_python_closure`. Raises ArtifactError where the module or the function cannot be
    pickled, and what `ClipperConnection.deploy_model` raises.
    """
    if func is not None and not callable(func):
        raise BadRequest(f"func must be a function of (model, inputs), not {type(func).__name__}.")
    if not callable(getattr(pytorch_model, "state_dict", None)):
        raise BadRequest(f"pytorch_model must be a torch.nn.Module, not {type(pytorch_model).__name__}.")
    deployment = Deployment(
        *(name, version, input_type, base_image, labels, registry, num_replicas, batch_size),
        *(pkgs_to_install, requirements, example_input, size, options),
    )
    what = f"The module {type(pytorch_model).__name__!r}"
    try:
        model = copy.deepcopy(pytorch_model).cpu().eval()  # its container may have no GPU
    except Exception as error:
        pickle(what, pytorch_model)  # what is in the way of a copy is in the way of this too, and is named
        raise ArtifactError(f"{what} cannot be copied: {error}") from error
    parts = {"model.pickle": pickle(what, model)}
    if func is not None:
        parts["function.pickle"] = pickle_function(func, takes=2)
    pack_and_deploy(clipper_conn, deployment, loader="pytorch", parts=parts)


def create_endpoint(
    clipper_conn: ClipperConnection,
    name: str,
    input_type: str,
    func: Callable[[Any, Any], Any] | None,
    pytorch_model: Any,
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
    """Register an application, deploy the module and link them, all under one name.

    Where the deploy fails the application is removed again. Raises what the three calls raise.
    """

    def deploy() -> None:
        deploy_pytorch_model(
            *(clipper_conn, name, version, input_type, func, pytorch_model),
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
