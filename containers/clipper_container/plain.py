"""Values as JSON can have them: numpy's as Python's, and a missing number as null."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np

from .articles import type_of

_AS_THEY_ARE = {int, str, bool, type(None)}


def as_json(value: object) -> bytes:
    """`value` as JSON. Raises TypeError or ValueError where there is no JSON for it, such as infinity."""
    return msgspec.json.encode(plain(value))


def plain(value: Any) -> Any:
    """`value` without numpy, and with None for NaN.

    Raises ValueError where it holds an infinity, and TypeError where it holds what JSON does not have.
    """
    if isinstance(value, np.ndarray | np.generic):
        return plain(_item(value))
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, dict):
        return {plain(key): plain(each) for key, each in value.items()}
    if not isinstance(value, list | tuple):
        if not isinstance(value, str | int | None):
            raise TypeError(f"it holds {type_of(value)}")
        return value
    kinds = set(map(type, value))
    if kinds <= _AS_THEY_ARE or (kinds == {float} and all(map(math.isfinite, value))):
        return value
    return [plain(each) for each in value]


def is_text(text: str) -> bool:
    """Whether it can be written as UTF-8: half a character, a lone surrogate, cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _item(value: Any) -> Any:
    item = value.tolist()
    # A longdouble gives itself, for Python has no such number.
    return item if not isinstance(item, np.generic) else float(item)


def _number(value: float) -> float | None:
    if math.isinf(value):
        raise ValueError("JSON has no infinity: send it as a binary tensor, by the Open Inference Protocol")
    return None if math.isnan(value) else float(value)
