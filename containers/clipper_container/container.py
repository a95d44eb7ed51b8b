"""Clipper's way to write a model: a class with a method for the input type that it takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


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
