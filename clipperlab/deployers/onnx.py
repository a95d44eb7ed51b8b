"""Deploys ONNX models, and PyTorch modules as such; onnxruntime answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from clipper_container.errors import BadRequest

from ..handles import ApplicationHandle, ModelHandle
from .arguments import Deployment, DeploymentHead, Endpoint, EndpointHead, Model
from .calls import called_with
from .columns import need_function_for_frames
from .onnx_models import exported, model_bytes
from .packaging import deploy_endpoint, pack_and_deploy, pickled_function


@dataclass(frozen=True)
class OnnxModel(Model):
    """An ONNX model.

    onnx_model
        The model's bytes, the path of its file, or an onnx.ModelProto.
    func
        `func(session, inputs)`, which returns a list as long as `inputs`; `session` is an
        onnxruntime.InferenceSession. By default the model's only input gets the inputs stacked, and the rows
        of its first output are the outputs; of named inputs each gets its array, and all outputs have names.
    """

    loader = "onnx"
    onnx_model: Any
    func: Callable[[Any, Any], Any] | None = None

    def check(self, input_type: str) -> None:
        need_function_for_frames("An ONNX model", self.func, "session, inputs", input_type)

    def parts(self) -> dict[str, bytes]:
        function = pickled_function(self.func, ("session", "inputs"))
        return {"model.onnx": model_bytes(self.onnx_model), **function}


@dataclass(frozen=True)
class Exported(Model):
    """A PyTorch module that is exported to ONNX.

    inputs
        An example batch, a tensor or a tuple of them, with which the module is traced; their first dimension
        may be of any size later.
    func
        As for an ONNX model, or None.
    pytorch_model
        A torch.nn.Module.
    """

    loader = "onnx"
    inputs: Any
    func: Callable[[Any, Any], Any] | None
    pytorch_model: Any

    def check(self, input_type: str) -> None:
        OnnxModel(b"", self.func).check(input_type)

    def parts(self) -> dict[str, bytes]:
        return OnnxModel(exported(self.pytorch_model, self.inputs), self.func).parts()


@dataclass(frozen=True)
class ExportedFor(Exported):
    """Clipper's choice of a backend besides.

    onnx_backend
        What answers; only onnxruntime is there.
    """

    onnx_backend: str = "onnxruntime"

    def parts(self) -> dict[str, bytes]:
        if self.onnx_backend != "onnxruntime":
            raise BadRequest(
                f"onnx_backend {self.onnx_backend!r} is not there: onnxruntime is, which is the default."
            )
        return super().parts()


@dataclass(frozen=True)
class _Deployment(Deployment, OnnxModel, DeploymentHead): ...


@dataclass(frozen=True)
class _Endpoint(Endpoint, OnnxModel, EndpointHead): ...


@called_with(_Deployment)
def deploy_onnx_model(call: _Deployment) -> ModelHandle:
    """Deploy an ONNX model: its bytes, the path of its file, or an onnx.ModelProto.

    It is answered by onnxruntime, or by `func(session, inputs)`. Raises BadRequest, ArtifactError where the
    function cannot be pickled, and what `ClipperConnection.deploy_model` raises.

    >>> handle = deployers.onnx.deploy_onnx_model(conn, "twice", 1, "floats", "model.onnx")
    """
    return pack_and_deploy(call)


@called_with(_Endpoint)
def create_endpoint(call: _Endpoint) -> ApplicationHandle:
    """Register an application, deploy an ONNX model and link them: all under one name, or nothing.

    Raises what `deploy_onnx_model` raises, or AlreadyExists for another application of that name.

    >>> app = deployers.onnx.create_endpoint(conn, "twice", "floats", "model.onnx", default_output=[])
    """
    return deploy_endpoint(call)


@dataclass(frozen=True)
class _ExportedDeployment(Deployment, ExportedFor, DeploymentHead): ...


@dataclass(frozen=True)
class _ExportedEndpoint(Endpoint, Exported, EndpointHead): ...


@called_with(_ExportedDeployment)
def deploy_pytorch_model(call: _ExportedDeployment) -> ModelHandle:
    """Export a PyTorch module to ONNX, and deploy that as `deploy_onnx_model` does.

    Raises BadRequest, also where a package for the export is missing, and what `deploy_onnx_model` raises.

    >>> import torch
    >>> module, batch = torch.nn.Linear(64, 10), torch.zeros(1, 64)
    >>> handle = deployers.onnx.deploy_pytorch_model(conn, "linear", 1, "floats", batch, None, module)
    """
    return pack_and_deploy(call)


@called_with(_ExportedEndpoint)
def create_pytorch_endpoint(call: _ExportedEndpoint) -> ApplicationHandle:
    """Register an application, deploy a module as ONNX and link them: all under one name, or nothing.

    Raises what `deploy_pytorch_model` raises, or AlreadyExists for another application of that name.

    >>> import torch
    >>> module, batch = torch.nn.Linear(64, 10), torch.zeros(1, 64)
    >>> app = deployers.onnx.create_pytorch_endpoint(conn, "linear", "floats", batch, None, module)
    """
    return deploy_endpoint(call)
