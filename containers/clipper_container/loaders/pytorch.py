"""Loads a PyTorch module, with an optional function of (model, inputs). Uses CUDA where there is a GPU."""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from typing import Any

import numpy as np

from . import Predict
from .python import load_function


def load(parts: dict[str, bytes], _input_type: str) -> Predict:
    import torch

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = pickle.loads(parts["model.pickle"]).to(device).eval()
    parameter = next(iter(model.parameters()), None)
    dtype = torch.float32 if parameter is None else parameter.dtype
    function = load_function(parts["function.pickle"]) if "function.pickle" in parts else None

    def tensor_of(name: str, array: Any) -> Any:
        """Of named inputs: those with a fraction in the model's own precision."""
        if array.dtype.kind not in "biuf":
            raise ValueError(
                f"the module takes tensors, and the array {name!r} holds none: deploy it with func"
            )
        found = torch.from_numpy(np.array(array))  # which it may write to
        return found.to(device, dtype if found.is_floating_point() else None)

    def predict(inputs: Any) -> Any:
        with torch.inference_mode():
            if function is not None:
                return _plain(function(model, inputs))
            if isinstance(inputs, dict):
                return _plain(model(**{name: tensor_of(name, array) for name, array in inputs.items()}))
            stacked = torch.from_numpy(np.ascontiguousarray(np.stack(inputs)))
            return _plain(model(stacked.to(device, dtype)))

    return predict


def _plain(outputs: Any) -> Any:
    """Tensors as numpy has them."""
    import torch

    if isinstance(outputs, torch.Tensor):
        return outputs.detach().cpu().numpy()
    if isinstance(outputs, Mapping):
        return {name: _plain(output) for name, output in outputs.items()}
    if isinstance(outputs, list | tuple):
        return [_plain(output) if isinstance(output, torch.Tensor) else output for output in outputs]
    return outputs
