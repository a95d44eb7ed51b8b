"""Inputs, as people have them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


def rows(values: Any) -> Sequence[Any]:
    """The rows of a dataframe, an array or any iterable, as plain lists and numbers."""
    values = values.to_numpy() if hasattr(values, "to_numpy") else values
    if hasattr(values, "tolist"):
        found: list[Any] = values.tolist()
        return found
    several: Iterable[Any] = values
    return [value.tolist() if hasattr(value, "tolist") else value for value in several]
