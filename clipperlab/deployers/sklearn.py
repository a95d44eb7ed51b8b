"""Deploys a fitted scikit-learn estimator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Unpack

from clipper_container.errors import BadRequest

from ..connection import ClipperConnection
from ..options import DeployOptions
from .packaging import Deployment, pack_and_deploy, pickle


def deploy_sklearn_model(
    clipper_conn: ClipperConnection,
    name: str,
    version: object,
    input_type: str,
    sklearn_model: Any,
    func: Callable[[Any, Any], Any] | None = None,
    labels: Sequence[str] | None = None,
    num_replicas: int = 1,
    batch_size: int = -1,
    *,
    example_input: object | None = None,
    size: str | None = None,
    **options: Unpack[DeployOptions],
) -> None:
    """Deploy a fitted estimator (or pipeline), answered by its `predict` or by `func(model, inputs)`.

    `func` returns a list as long as `inputs`. `example_input` is one input, with which each replica warms
    up before it is ready. `size` and the other options are as in `deploy_python_closure`. Raises
    ArtifactError where the model or the function cannot be pickled, and what
    `ClipperConnection.deploy_model` raises.
    """
    if func is None and not callable(getattr(sklearn_model, "predict", None)):
        raise BadRequest(
            f"sklearn_model, of type {type(sklearn_model).__name__}, has no predict(): pass a fitted "
            "estimator, or func(model, inputs) that says how it answers."
        )
    if func is not None and not callable(func):
        raise BadRequest(f"func must be a function of (model, inputs), not {type(func).__name__}.")
    parts = {"model.pickle": pickle(f"The model {type(sklearn_model).__name__!r}", sklearn_model)}
    if func is not None:
        parts["function.pickle"] = pickle(f"The function {getattr(func, '__name__', repr(func))!r}", func)
    pack_and_deploy(
        clipper_conn,
        Deployment(name, version, input_type, labels, num_replicas, batch_size, options),
        loader="sklearn",
        parts=parts,
        example_input=example_input,
        size=size,
    )
