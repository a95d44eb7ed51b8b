"""Loads a SavedModel or a Keras file, with an optional function of (model, inputs)."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..errors import ArtifactError
from . import Predict
from .files import unpacked
from .python import load_function

_DEFAULT = "serving_default"


class Wanted(NamedTuple):
    """What the model takes by one name: numpy's type, None for texts, and a shape with None for any size."""

    dtype: np.dtype[Any] | None
    shape: Sequence[int | None] | None


def load(parts: dict[str, bytes], input_type: str) -> Predict:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow

    threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
    tensorflow.config.threading.set_inter_op_parallelism_threads(1)
    folder = unpacked(parts)
    saved = folder / "saved_model"
    path = saved if saved.is_dir() else next(folder.glob("model.*"))
    model = tensorflow.saved_model.load(path) if path.is_dir() else tensorflow.keras.models.load_model(path)
    if "function.pickle" in parts:
        return partial(load_function(parts["function.pickle"]), model)
    wanted, call = _of_saved_model(model) if path.is_dir() else _of_keras(tensorflow, model)

    def predict(inputs: Any) -> Any:
        given = _by_name(inputs, list(wanted))
        fed = {name: _fitting(tensorflow, given[name], of) for name, of in wanted.items()}
        return _rows(call(fed), as_sets=input_type == "named")

    return predict


Call = Callable[[dict[str, Any]], Any]


def _of_saved_model(model: Any) -> tuple[dict[str, Wanted], Call]:
    signatures = model.signatures
    if _DEFAULT not in signatures and len(signatures) != 1:
        names = ", ".join(signatures) or "none"
        raise ArtifactError(
            f"The SavedModel has no signature {_DEFAULT}; it has: {names}. Save it with one, or deploy it "
            "with func(model, inputs)."
        )
    signature = signatures[_DEFAULT if _DEFAULT in signatures else next(iter(signatures))]
    _, specs = signature.structured_input_signature
    wanted = {name: _wanted(spec.dtype, spec.shape) for name, spec in specs.items()}
    return wanted, lambda fed: signature(**fed)


def _of_keras(tensorflow: Any, model: Any) -> tuple[dict[str, Wanted], Call]:
    if not model.inputs:
        raise ArtifactError(
            "The Keras model does not tell its inputs: build it, or call it, before it is saved."
        )
    wanted = {
        tensor.name.partition(":")[0]: _wanted(tensorflow.as_dtype(tensor.dtype), tensor.shape)
        for tensor in model.inputs
    }
    answer = tensorflow.function(lambda fed: model(fed, training=False), reduce_retracing=True)
    if len(wanted) == 1:
        (name,) = wanted
        return wanted, lambda fed: answer(fed[name])
    return wanted, answer


def _wanted(dtype: Any, shape: Any) -> Wanted:
    known = None if getattr(shape, "rank", 0) is None else [None if n is None else int(n) for n in shape]
    return Wanted(None if dtype.name == "string" else np.dtype(dtype.as_numpy_dtype), known)


def _by_name(inputs: Any, names: list[str]) -> Mapping[str, Any]:
    """A batch as arrays by the model's names. Raises ValueError."""
    if hasattr(inputs, "columns"):  # a data frame
        inputs = {str(name): inputs[name].to_numpy() for name in inputs.columns}
    if not isinstance(inputs, dict):
        if len(names) != 1:
            raise ValueError(
                f"the model has {len(names)} inputs ({', '.join(names)}): deploy it for inputs that have "
                "names, or with func(model, inputs)"
            )
        return {names[0]: inputs}
    if inputs.keys() != set(names):
        raise ValueError(f"the model takes {', '.join(names)}, and gets {', '.join(inputs)}")
    return inputs


def _fitting(tensorflow: Any, values: Any, wanted: Wanted) -> Any:
    """A batch as a tensor that the model takes."""
    dtype, shape = wanted
    if dtype is None:
        found = np.asarray(values, object)
    else:
        found = (values if isinstance(values, np.ndarray) else np.stack(values)).astype(dtype, copy=False)
    if shape is not None and found.ndim == len(shape) + 1 and found.shape[-1] == 1:
        found = found[..., 0]
    elif shape is not None and found.ndim == len(shape) - 1 and shape[-1] in (1, None):
        found = found[..., None]
    elif shape is not None and found.ndim != len(shape) and None not in shape[1:]:
        found = found.reshape(len(found), *(int(n or 0) for n in shape[1:]))
    return tensorflow.constant(found, tensorflow.string if dtype is None else None)


def _rows(outputs: Any, *, as_sets: bool) -> Any:
    """One output for each input: arrays' rows, or several by name."""
    if isinstance(outputs, list | tuple):
        outputs = {f"output_{i}": output for i, output in enumerate(outputs)}
    if not isinstance(outputs, Mapping):
        return _array(outputs)
    arrays = {name: _array(output) for name, output in outputs.items()}
    if len(arrays) == 1:
        return next(iter(arrays.values()))
    if as_sets:
        return arrays
    return [dict(zip(arrays, row, strict=True)) for row in zip(*arrays.values(), strict=True)]


def _array(output: Any) -> Any:
    found = output.numpy()
    if found.dtype == object:
        return [
            value.decode() if isinstance(value, bytes) else np.vectorize(bytes.decode)(value).tolist()
            for value in found
        ]
    return found
