"""Deploys a Python function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..handles import ApplicationHandle, ModelHandle
from .arguments import Deployment, DeploymentHead, Endpoint, EndpointHead, Model
from .calls import called_with
from .packaging import deploy_endpoint, pack_and_deploy, pickled_function


@dataclass(frozen=True)
class Function(Model):
    """A function.

    func
        Takes a list of inputs and returns a list of the same length. Inputs of the type ndarray come as one
        array, where their shapes agree. Those of the type named come as one dictionary of arrays, in each a
        row for each input; where their shapes differ, it is called once for all that are alike. In the place
        of an output it may return an exception, which fails that input alone. A dictionary of arrays, in each
        a row for each input, has named outputs.
    """

    loader = "python"
    func: Callable[[Any], Any]

    def parts(self) -> dict[str, bytes]:
        return pickled_function(self.func, ("inputs",))


@dataclass(frozen=True)
class _Deployment(Deployment, Function, DeploymentHead): ...


@dataclass(frozen=True)
class _Endpoint(Endpoint, Function, EndpointHead): ...


@called_with(_Deployment)
def deploy_python_closure(call: _Deployment) -> ModelHandle:
    """Deploy `func`, which takes a list of inputs and returns a list of the same length.

    The function travels with the variables and the modules beside the notebook that it uses. Raises
    ArtifactError where it cannot be pickled, and what `ClipperConnection.deploy_model` raises.

    >>> def sums(inputs):
    ...     return [float(x.sum()) for x in inputs]
    >>> handle = deployers.python.deploy_python_closure(conn, "sums", 1, "doubles", sums)
    """
    return pack_and_deploy(call)


@called_with(_Endpoint)
def create_endpoint(call: _Endpoint) -> ApplicationHandle:
    """Register an application, deploy a function and link them: all under one name, or nothing.

    Raises what `deploy_python_closure` raises, or AlreadyExists for another application of that name.

    >>> def sums(inputs):
    ...     return [float(x.sum()) for x in inputs]
    >>> app = deployers.python.create_endpoint(conn, "sums", "doubles", sums, 0, slo_ms=20_000)
    >>> app.predict([1.0, 2.5])["output"]
    3.5
    """
    return deploy_endpoint(call)
