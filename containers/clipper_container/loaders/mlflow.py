"""Loads a model of MLflow's, which predicts what its signature says."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from . import Predict
from .files import unpacked
from .python import Function


def load(parts: dict[str, bytes], _input_type: str) -> Predict:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    import mlflow.pyfunc

    model = mlflow.pyfunc.load_model(str(unpacked(parts) / "model"))
    schema = model.metadata.get_input_schema()
    return Function(lambda inputs: model.predict(_fitting(inputs, schema)), whole=True)


def _fitting(inputs: Any, schema: Any) -> Any:
    """A batch as MLflow checks it against the signature: what came over the wire is made that."""
    if schema is None or isinstance(inputs, dict):
        return inputs
    if schema.is_tensor_spec():
        (spec,) = schema.inputs
        return np.asarray(list(inputs)).astype(spec.type, casting="same_kind", copy=False)
    if hasattr(inputs, "columns"):
        return _with_missing_texts(inputs, schema)
    if schema.has_input_names() and not isinstance(inputs, np.ndarray):
        from mlflow.pyfunc.scoring_server import infer_and_parse_data

        return infer_and_parse_data({"dataframe_records": inputs}, schema)
    return inputs


def _with_missing_texts(frame: Any, schema: Any) -> Any:
    """Texts that are missing are None, as MLflow reads JSON: a column of NaN alone is none of texts to it."""
    for spec in schema.inputs:
        if getattr(spec.type, "name", "") == "string" and spec.name in frame:
            values = frame[spec.name].astype(object)
            frame[spec.name] = values.where(values.notna(), None)
    return frame
