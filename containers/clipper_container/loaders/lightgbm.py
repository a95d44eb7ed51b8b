"""Loads a LightGBM model, with an optional function of (booster, inputs)."""

from __future__ import annotations

import json
import os
from functools import partial
from typing import Any

import numpy as np

from . import Predict
from .python import load_function


def load(parts: dict[str, bytes], input_type: str) -> Predict:
    import lightgbm

    booster = lightgbm.Booster(model_str=parts["model.txt"].decode())
    if "function.pickle" in parts:
        return partial(load_function(parts["function.pickle"]), booster)
    threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    classes = json.loads(parts["classes.json"]) if "classes.json" in parts else None

    def predict(inputs: Any) -> Any:
        given = inputs if input_type == "dataframe" else np.stack(inputs)
        found = np.asarray(booster.predict(given, num_threads=threads))
        if classes is None:
            return found
        chosen = found > 0.5 if found.ndim == 1 else found.argmax(axis=1)
        return [classes[int(i)] for i in chosen]

    return predict
