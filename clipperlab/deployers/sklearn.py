"""Deploys a fitted scikit-learn estimator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Unpack

from clipper_container.errors import BadRequest

from ..connection import ClipperConnection
from ..options import DeployOptions
from .packaging import Deployment, deploy_endpoint, pack_and_deploy, pickle, pickle_function
from .shapes import check_fitted


def deploy_sklearn_model(
    clipper_conn: ClipperConnection,
    name: str,
    version: object,
    input_type: str,
    sklearn_model: Any,
    func: Callable[[Any, Any], Any] | None = None,
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
    """Deploy a fitted estimator (or pipeline), answered by its `predict` or by `func(model, inputs)`.

    `func` returns a list as long as `inputs`. The other arguments are as in
    `deployers.python.deploy_python_closure`. Raises ArtifactError where the model or the function cannot be
    pickled, and what `ClipperConnection.deploy_model` raises.
    """
    if func is None and not callable(getattr(sklearn_model, "predict", None)):
        raise BadRequest(
            f"sklearn_model, of type {type(sklearn_model).__name__}, has no predict(): pass a fitted "
            "estimator, or func(model, inputs) that says how it answers."
        )
    if func is not None and not callable(func):
        raise BadRequest(f"func must be a function of (model, inputs), not {type(func).__name__}.")
    if func is None:
        check_fitted(sklearn_model)
    deployment = Deployment(
        *(name, version, input_type, base_image, labels, registry, num_replicas, batch_size),
        *(pkgs_to_install, requirements, example_input, size, options),
    )
    parts = {"model.pickle": pickle(f"The model {type(sklearn_model).__name__!r}", sklearn_model)}
    if func is not None:
        parts["function.pickle"] = pickle_function(func, takes=2)
    pack_and_deploy(clipper_conn, deployment, loader="sklearn", parts=parts)


def create_endpoint(
    clipper_conn: ClipperConnection,
    name: str,
    input_type: str,
    sklearn_model: Any,
    func: Callable[[Any, Any], Any] | None = None,
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
    """Register an application, deploy the estimator and link them, all under one name.

    Where the deploy fails the application is removed again. Raises what the three calls raise.
    """

    def deploy() -> None:
        deploy_sklearn_model(
            *(clipper_conn, name, version, input_type, sklearn_model, func),
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
