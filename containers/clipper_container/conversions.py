"""Numbers of one type as those of another, where none becomes a different one."""

from __future__ import annotations

from typing import Any

import numpy as np

_KINDS = {"f": "FP", "i": "INT", "u": "UINT"}


def datatype(dtype: np.dtype[Any]) -> str:
    """What protocols call it, such as FP32."""
    return f"{_KINDS[dtype.kind]}{8 * dtype.itemsize}" if dtype.kind in _KINDS else "BOOL"


def converted(found: np.ndarray[Any, Any], wanted: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Numbers of the type that is wanted. Floats are not taken for integers, nor truth for numbers.

    Raises ValueError.
    """
    if found.dtype == wanted:
        return found
    if found.dtype.kind not in {"f": "iuf", "b": ""}.get(wanted.kind, "iu"):
        raise ValueError(f"the datatype is {datatype(found.dtype)}, and the inputs are {datatype(wanted)}")
    if wanted.kind == "f":
        return cast(found, wanted)
    if found.size:
        check_bounds(int(found.min()), int(found.max()), wanted)
    return found.astype(wanted)


def cast(found: np.ndarray[Any, Any], wanted: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Numbers as floats. An infinity stays one, but none comes of a number that is too large."""
    try:
        with np.errstate(over="raise", invalid="ignore"):
            return found.astype(wanted, copy=False)
    except FloatingPointError:
        raise ValueError(f"a number lies outside {datatype(wanted)}") from None


def check_bounds(low: int, high: int, wanted: np.dtype[Any]) -> None:
    bounds = np.iinfo(wanted)
    if low < bounds.min or high > bounds.max:
        raise ValueError(f"a number lies outside {datatype(wanted)}")
