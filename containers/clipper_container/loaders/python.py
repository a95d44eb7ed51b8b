"""Loads a Python function: list of inputs in, list of outputs out."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np

from ..coroutines import is_async
from ..imports import check_imports
from ..inputs import WHOLE
from . import Predict


def load(parts: dict[str, bytes], input_type: str) -> Predict:
    # Whole, where the shapes agree: taking an array apart and together again costs.
    return Function(load_function(parts["function.pickle"]), whole=input_type in WHOLE)


class Function:
    """A function of a list of inputs, or of what they came as where that is `whole`."""

    def __init__(self, function: Callable[[Any], Any], *, whole: bool) -> None:
        self._function = function
        self._whole = whole

    def __call__(self, inputs: Any) -> Any:
        return self._function(inputs if self._whole else list(inputs))

    @property
    def is_async(self) -> bool:
        return is_async(self._function)

    def advice(self, input: Any) -> str:
        """What to say where it could not answer a list of this one input; "" where nothing is known.

        It is asked the input alone: who wrote it for one input is told what it gets.
        """
        try:
            output = self._function(input)
        except BaseException:
            return ""
        if output is None or isinstance(output, list | tuple) or np.ndim(output):
            return ""  # it is nothing, or may be meant as the outputs of several
        named = getattr(self._function, "func", self._function)
        name = getattr(named, "__name__", "func")
        name = name if name.isidentifier() else "func"  # a lambda has none
        return (
            f"{name} answers one input, and a model is asked several at once: it gets a list of inputs, and "
            f"returns a list as long. [{name}(x) for x in inputs] does that."
        )


def load_function(pickled: bytes) -> Callable[..., Any]:
    """The function, once the modules that it will import are known to be here."""
    function: Callable[..., Any] = pickle.loads(pickled)
    check_imports(function)
    return function
