"""Clipper's way to write a model: a class with a method for the input type that it takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .errors import BadRequest

Predict = Callable[[Any], Sequence[Any]]
"""Takes a batch as `inputs.decode` gives it; returns one output for each input, in order."""

_METHODS = {"integers": "predict_ints"}


class ModelContainerBase:
    """Write a subclass with one of the methods; each takes a list, and returns one as long.

    Outputs may be anything that is JSON, numpy arrays or bytes. (Clipper wants strings, which still do.)
    """

    def predict_ints(self, inputs: Any) -> Sequence[Any]:
        raise NotImplementedError

    def predict_floats(self, inputs: Any) -> Sequence[Any]:
        raise NotImplementedError

    def predict_doubles(self, inputs: Any) -> Sequence[Any]:
        raise NotImplementedError

    def predict_bytes(self, inputs: Any) -> Sequence[Any]:
        raise NotImplementedError

    def predict_strings(self, inputs: Any) -> Sequence[Any]:
        raise NotImplementedError


def predict_of(model: object, input_type: str) -> Predict:
    """The model's own `predict`, or the method for inputs of that type. Raises BadRequest."""
    predict: Predict | None = getattr(model, "predict", None)
    if callable(predict):
        return predict
    name = _METHODS.get(input_type, f"predict_{input_type}")
    method: Predict | None = getattr(model, name, None)
    inherited = getattr(ModelContainerBase, name, None)
    if not callable(method) or getattr(type(model), name, None) is inherited is not None:
        raise BadRequest(
            f"{type(model).__name__} has no {name}(inputs), which inputs of the type {input_type} need, and "
            "no predict(inputs) either. Add one of them."
        )
    return method
