"""Loads a Python function: list of inputs in, list of outputs out."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

from ..container import Predict
from ..imports import check_imports


def load(parts: dict[str, bytes], input_type: str) -> Predict:
    function: Callable[[Any], Any] = load_function(parts["function.pickle"])
    if input_type == "ndarray":
        return function  # whole, where the shapes agree: taking it apart and together again costs
    return lambda inputs: function(list(inputs))


def load_function(pickled: bytes) -> Callable[..., Any]:
    """The function, once the modules that it will import are known to be here."""
    function: Callable[..., Any] = pickle.loads(pickled)
    check_imports(function)
    return function
