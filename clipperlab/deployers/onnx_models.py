"""ONNX models as bytes, wherever they come from."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path
from typing import Any

from clipper_container.errors import BadRequest


def model_bytes(model: Any) -> bytes:
    """An ONNX model as it is on disk: from bytes, the path of a file, or an onnx.ModelProto."""
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


def exported(pytorch_model: Any, inputs: Any) -> bytes:
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
