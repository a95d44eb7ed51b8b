"""Deploys a PyTorch module."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from clipper_container.errors import ArtifactError, BadRequest

from ..handles import ApplicationHandle, ModelHandle
from .arguments import Deployment, DeploymentHead, Endpoint, EndpointHead, Model
from .calls import called_with
from .columns import need_function_for_frames
from .packaging import deploy_endpoint, pack_and_deploy, pickle, pickled_function


@dataclass(frozen=True)
class Module(Model):
    """A module.

    func
        `func(model, inputs)`, which returns a list as long as `inputs`. Where it is None the module gets the
        inputs stacked into one tensor, and the rows of what it returns are the outputs; named inputs come as
        keyword arguments, each stacked. A dictionary of tensors has named outputs.
    pytorch_model
        A torch.nn.Module. A copy of it travels, and the original stays as it is.
    """

    loader = "pytorch"
    func: Callable[[Any, Any], Any] | None
    pytorch_model: Any

    def check(self, input_type: str) -> None:
        need_function_for_frames("A PyTorch module", self.func, "model, inputs", input_type)

    def parts(self) -> dict[str, bytes]:
        function = pickled_function(self.func, ("model", "inputs"))
        kind = type(self.pytorch_model).__name__
        if not callable(getattr(self.pytorch_model, "state_dict", None)):
            raise BadRequest(f"pytorch_model must be a torch.nn.Module, not {kind}.")
        what = f"The module {kind!r}"
        try:
            model = copy.deepcopy(self.pytorch_model).cpu().eval()  # its container may have no GPU
        except Exception as error:
            pickle(what, self.pytorch_model)  # what is in the copy's way is in this way too, and is named
            raise ArtifactError(f"{what} cannot be copied: {error}") from error
        return {"model.pickle": pickle(what, model), **function}


@dataclass(frozen=True)
class _Deployment(Deployment, Module, DeploymentHead): ...


@dataclass(frozen=True)
class _Endpoint(Endpoint, Module, EndpointHead): ...


@called_with(_Deployment)
def deploy_pytorch_model(call: _Deployment) -> ModelHandle:
    """Deploy a module, answered by itself or by `func(model, inputs)`.

    It runs in eval mode and without gradients, on CUDA where its container has a GPU and on the CPU
    elsewhere. Raises ArtifactError where they cannot be pickled, and what `ClipperConnection.deploy_model`
    raises.

    >>> import torch
    >>> module = torch.nn.Linear(64, 10)
    >>> handle = deployers.pytorch.deploy_pytorch_model(conn, "linear", 1, "floats", None, module)
    """
    return pack_and_deploy(call)


@called_with(_Endpoint)
def create_endpoint(call: _Endpoint) -> ApplicationHandle:
    """Register an application, deploy a module and link them: all under one name, or nothing.

    Raises what `deploy_pytorch_model` raises, or AlreadyExists for another application of that name.

    >>> import torch
    >>> module = torch.nn.Linear(64, 10)
    >>> app = deployers.pytorch.create_endpoint(conn, "linear", "floats", None, module, default_output=[])
    """
    return deploy_endpoint(call)
