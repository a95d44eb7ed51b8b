"""Deploys ONNX models, and PyTorch modules as such; onnxruntime answers."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Unpack

from clipper_container.errors import BadRequest

from ..connection import ClipperConnection
from ..options import DeployOptions
from .packaging import Deployment, deploy_endpoint, pack_and_deploy, pickle_function


def deploy_onnx_model(
    clipper_conn: ClipperConnection,
    name: str,
    version: object,
    input_type: str,
    onnx_model: Any,
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
    """Deploy an ONNX model: its bytes, the path of its file, or an onnx.ModelProto.

    It is answered by `func(session, inputs)`, a list as long as `inputs`, where `session` is an
    onnxruntime.InferenceSession. Where `func` is None the model's only input gets the inputs stacked, and the
    rows of its first output are the outputs. The other arguments are as in
    `deployers.python.deploy_python_closure`. Raises BadRequest, ArtifactError where the function cannot be
    pickled, and what `ClipperConnection.deploy_model` raises.
    """
    if func is not None and not callable(func):
        raise BadRequest(f"func must be a function of (session, inputs), not {type(func).__name__}.")
    deployment = Deployment(
        *(name, version, input_type, base_image, labels, registry, num_replicas, batch_size),
        *(pkgs_to_install, requirements, example_input, size, options),
    )
    parts = {"model.onnx": _bytes(onnx_model)}
    if func is not None:
        parts["function.pickle"] = pickle_function(func, takes=2)
    pack_and_deploy(clipper_conn, deployment, loader="onnx", parts=parts)


def deploy_pytorch_model(
    clipper_conn: ClipperConnection,
    name: str,
    version: object,
    input_type: str,
    inputs: Any,
    func: Callable[[Any, Any], Any] | None,
    pytorch_model: Any,
    onnx_backend: str = "onnxruntime",
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
    """Export a PyTorch module to ONNX, and deploy that as `deploy_onnx_model` does.

    `inputs` is an example batch, a tensor or a tuple of them, with which the module is traced; their first
    dimension may be of any size later. The only `onnx_backend` is onnxruntime. Raises BadRequest, also where
    a package for the export is missing, and what `deploy_onnx_model` raises.
    """
    if onnx_backend != "onnxruntime":
        raise BadRequest(f"onnx_backend {onnx_backend!r} is not there: onnxruntime is, which is the default.")
    deploy_onnx_model(
        *(clipper_conn, name, version, input_type, _export(pytorch_model, inputs), func),
        *(base_image, labels, registry, num_replicas, batch_size, pkgs_to_install),
        requirements=requirements,
        example_input=example_input,
        size=size,
        **options,
    )


def create_endpoint(
    clipper_conn: ClipperConnection,
    name: str,
    input_type: str,
    onnx_model: Any,
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
    """Register an application, deploy the ONNX model and link them, all under one name.

    Where the deploy fails the application is removed again. Raises what the three calls raise.
    """

    def deploy() -> None:
        deploy_onnx_model(
            *(clipper_conn, name, version, input_type, onnx_model, func),
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


def create_pytorch_endpoint(
    clipper_conn: ClipperConnection,
    name: str,
    input_type: str,
    inputs: Any,
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
    """Register an application, deploy the module as ONNX and link them, all under one name.

    Where the deploy fails the application is removed again. Raises what the three calls raise.
    """

    def deploy() -> None:
        deploy_pytorch_model(
            *(clipper_conn, name, version, input_type, inputs, func, pytorch_model, "onnxruntime"),
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


def _bytes(model: Any) -> bytes:
    if isinstance(model, bytes | bytearray):
        return bytes(model)
    if callable(getattr(model, "SerializeToString", None)):
        return bytes(model.SerializeToString())
    if isinstance(model, str | Path):
        try:
            return Path(model).read_bytes()
        except OSError as error:
            raise BadRequest(f"The ONNX model cannot be read: {error}.") from None
    raise BadRequest(
        f"onnx_model must be bytes, the path of a file, or an onnx.ModelProto, not {type(model).__name__}."
    )


def _export(pytorch_model: Any, inputs: Any) -> bytes:
    """The module as ONNX, for batches of any size."""
    try:
        import onnx  # noqa: F401 - the export needs both, and says so less clearly
        import onnxscript  # noqa: F401
        import torch
    except ModuleNotFoundError as error:
        raise BadRequest(
            f"The export to ONNX needs {error.name}: pip install torch onnx onnxscript."
        ) from None
    example = inputs if isinstance(inputs, tuple) else (inputs,)
    batch = torch.export.Dim("batch")
    model = copy.deepcopy(pytorch_model).cpu().eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's, about itself
        program = torch.onnx.export(
            model,
            tuple(tensor.cpu() for tensor in example),
            dynamo=True,
            dynamic_shapes=[{0: batch} for _ in example],
            verbose=False,
        )
    assert program is not None
    return bytes(program.model_proto.SerializeToString())
