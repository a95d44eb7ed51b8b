"""Loaders: from an artifact's parts to a function, batch in, list of outputs out.

A loader is a module with `load(parts, input_type) -> Predict`. Where inputs are rows of data frames its
function gets a DataFrame, and where they are named arrays a dictionary of them, stacked. It may raise
anything: what it raises is told to the person who deployed.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..artifact import IN_THE_IMAGE
from ..errors import ArtifactError
from ..frames import Framed
from ..stacked import Stacked

Predict = Callable[[Any], Sequence[Any]]
"""Takes a batch as `tensors.decode` gives it; returns one output for each input, in order."""

LOADERS = {
    "python": "python",
    "sklearn": "scikit_learn",
    "pytorch": "pytorch",
    "onnx": "onnx",
    "tensorflow": "tensorflow",
    "custom": "custom",
    "pipeline": "pipeline",
    "remote": "remote",
    "xgboost": "xgboost",
    "lightgbm": "lightgbm",
    "azureml": "azureml",
    "mar": "mar",
    "mlflow": "mlflow",
    IN_THE_IMAGE: IN_THE_IMAGE,
}


def load(
    loader: str, parts: dict[str, bytes], input_type: str, columns: Mapping[str, str] | None = None
) -> Predict:
    """The model in `parts`, ready to be called with inputs of that type: with rows that have `columns`."""
    if loader not in LOADERS:
        raise ArtifactError(
            f"There is no loader {loader!r} here, only {', '.join(LOADERS)}. "
            "Use the same version of clipperlab on both sides."
        )
    module = importlib.import_module(f".{LOADERS[loader]}", __package__)
    predict: Predict = module.load(parts, input_type)
    return predict if loader == "pipeline" else given_whole(predict, input_type, columns)


def given_whole(predict: Predict, input_type: str, columns: Mapping[str, str] | None) -> Predict:
    """The same for batches as they come, where inputs have names: `predict` gets them as models know them."""
    if input_type == "dataframe":
        return Framed(predict, columns)
    return Stacked(predict, columns) if input_type == "named" else predict
