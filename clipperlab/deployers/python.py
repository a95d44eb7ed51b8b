"""Deploys a Python function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Unpack

from clipper_container.errors import BadRequest

from ..connection import ClipperConnection
from ..options import DeployOptions
from .packaging import Deployment, pack_and_deploy, pickle


def deploy_python_closure(
    clipper_conn: ClipperConnection,
    name: str,
    version: object,
    input_type: str,
    func: Callable[[Any], Any],
    labels: Sequence[str] | None = None,
    num_replicas: int = 1,
    batch_size: int = -1,
    *,
    example_input: object | None = None,
    size: str | None = None,
    **options: Unpack[DeployOptions],
) -> None:
    """Deploy `func`, which takes a list of inputs and returns a list of the same length.

    The function travels with the variables that it uses. Inputs of the type ndarray come as one array, where
    their shapes agree. In the place of an output it may return an exception, which fails that input alone.
    `example_input` is one input, with which each replica warms up before it is ready. `size` says what an
    input costs, as an expression of the input `x`, such as "len(x)"; without it each counts as one.
    `DeployOptions` tells of the other options. Raises ArtifactError where the function cannot be pickled, and
    what `ClipperConnection.deploy_model` raises.
    """
    if not callable(func):
        raise BadRequest(f"func must be a function of a list of inputs, not {type(func).__name__}.")
    pickled = pickle(f"The function {getattr(func, '__name__', repr(func))!r}", func)
    pack_and_deploy(
        clipper_conn,
        Deployment(name, version, input_type, labels, num_replicas, batch_size, options),
        loader="python",
        parts={"function.pickle": pickled},
        example_input=example_input,
        size=size,
    )
