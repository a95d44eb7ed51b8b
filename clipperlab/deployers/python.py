"""Deploys a Python function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from clipper_container.errors import BadRequest

from ..connection import ClipperConnection
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
) -> None:
    """Deploy `func`, which takes a list of inputs and returns a list of the same length.

    The function travels with the variables that it uses. `example_input` is one input, with which each
    replica warms up before it is ready. Raises ArtifactError where the function cannot be pickled, and
    what `ClipperConnection.deploy_model` raises.
    """
    if not callable(func):
        raise BadRequest(f"func must be a function of a list of inputs, not {type(func).__name__}.")
    pickled = pickle(f"The function {getattr(func, '__name__', repr(func))!r}", func)
    pack_and_deploy(
        clipper_conn,
        Deployment(name, version, input_type, labels, num_replicas, batch_size),
        loader="python",
        parts={"function.pickle": pickled},
        example_input=example_input,
    )
