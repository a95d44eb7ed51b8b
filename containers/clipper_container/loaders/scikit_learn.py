"""Loads a fitted scikit-learn estimator, with an optional function of (model, inputs)."""

from __future__ import annotations

import pickle
from functools import partial

from ..container import Predict
from .python import load_function


def load(parts: dict[str, bytes], _input_type: str) -> Predict:
    model = pickle.loads(parts["model.pickle"])
    if "function.pickle" in parts:
        return partial(load_function(parts["function.pickle"]), model)
    predict: Predict = model.predict
    return predict
