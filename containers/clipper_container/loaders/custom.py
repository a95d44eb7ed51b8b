"""Loads a class, and makes the object of it that answers, beside the files that came along."""

from __future__ import annotations

import importlib
import json
import os
import pickle
import sys

from ..container import ModelContainerBase
from ..errors import ArtifactError, BadRequest
from ..inputs import WHOLE
from . import Predict
from .files import unpacked
from .python import Function

_FILES = "files/"
_METHODS = {"integers": "predict_ints"}


def load(parts: dict[str, bytes], input_type: str) -> Predict:
    files = {name.removeprefix(_FILES): data for name, data in parts.items() if name.startswith(_FILES)}
    if files:  # a folder with them is the working directory, where modules are found too
        folder = unpacked(files)
        os.chdir(folder)
        sys.path.insert(0, str(folder))
    if "class.pickle" in parts:
        kind = pickle.loads(parts["class.pickle"])
    else:
        kind = find_class(*json.loads(parts["class.json"]))
    return answering(kind(*pickle.loads(parts["arguments.pickle"])), input_type)


def find_class(module: str, attribute: str) -> type:
    """Raises ArtifactError where the module has no such class, and what importing it raises."""
    kind = getattr(importlib.import_module(module), attribute, None)
    if not isinstance(kind, type):
        raise ArtifactError(f"The module {module} has no class {attribute}. Check the name of the class.")
    return kind


def answering(model: object, input_type: str) -> Predict:
    """The function that the object answers with."""
    predict = _predict_of(model, input_type)
    return Function(predict, whole=input_type in WHOLE)


def _predict_of(model: object, input_type: str) -> Predict:
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
