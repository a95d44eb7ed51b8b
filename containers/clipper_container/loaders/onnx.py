"""Loads an ONNX model into onnxruntime, with an optional function of (session, inputs)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from ..errors import ArtifactError
from . import Predict
from .python import load_function

_DTYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(uint8)": np.uint8,
    "tensor(bool)": np.bool_,
}


def load(parts: dict[str, bytes], input_type: str) -> Predict:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        parts["model.onnx"], options, providers=onnxruntime.get_available_providers()
    )
    if "function.pickle" in parts:
        return partial(load_function(parts["function.pickle"]), session)
    wanted = session.get_inputs()
    if input_type == "named":
        dtypes = {each.name: _DTYPES.get(each.type) for each in wanted}
        return lambda inputs: _by_name(session, dtypes, inputs)
    if len(wanted) != 1:
        names = ", ".join(each.name for each in wanted)
        raise ArtifactError(
            f"The ONNX model has {len(wanted)} inputs ({names}), and only one can be filled without being "
            "told how: deploy it for the input type named, or with func(session, inputs)."
        )
    name, dtype = wanted[0].name, _DTYPES.get(wanted[0].type)

    def predict(inputs: Any) -> Sequence[Any]:
        outputs: Sequence[Any] = session.run(None, {name: np.stack(inputs).astype(dtype, copy=False)})[0]
        return outputs

    return predict


def _by_name(session: Any, dtypes: dict[str, Any], inputs: dict[str, Any]) -> Any:
    """All outputs of the model, each by its name."""
    unknown = [name for name in inputs if name not in dtypes]
    if unknown:
        raise ValueError(f"the ONNX model has no input {unknown[0]!r}, only {', '.join(dtypes)}")
    feeds = {
        name: array if dtypes[name] is None else array.astype(dtypes[name], copy=False)
        for name, array in inputs.items()
    }
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))
