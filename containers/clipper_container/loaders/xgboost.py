"""Loads an XGBoost model, with an optional function of (model, inputs)."""

from __future__ import annotations

import json
import os
from functools import partial
from typing import Any

import numpy as np

from ..errors import ArtifactError
from . import Predict
from .python import load_function


def load(parts: dict[str, bytes], input_type: str) -> Predict:
    import xgboost

    threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    name = json.loads(parts["kind.json"])
    kind = getattr(xgboost, name, None)
    if kind is None:
        raise ArtifactError(f"XGBoost {xgboost.__version__} has no {name}, which the model was.")
    model = kind()
    model.load_model(bytearray(parts["model.ubj"]))
    model.set_params(n_jobs=threads) if hasattr(model, "get_params") else model.set_param("nthread", threads)
    if "function.pickle" in parts:
        return partial(load_function(parts["function.pickle"]), model)
    is_frame = input_type == "dataframe"

    def predict(inputs: Any) -> Any:
        given = inputs if is_frame else np.stack(inputs)
        if not isinstance(model, xgboost.Booster):
            return model.predict(given, validate_features=is_frame)
        matrix = xgboost.DMatrix(given, nthread=threads)
        return model.predict(matrix, validate_features=is_frame)

    return predict
