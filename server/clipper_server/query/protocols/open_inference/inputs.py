"""The inputs in a request's tensor."""

from __future__ import annotations

import math
from itertools import chain
from typing import Any

import numpy as np

from clipper_container.inputs import Tensor

from .bodies import Input
from .refusals import NO_SHARED_MEMORY
from .tensors import DATATYPES, NAMES


def binary_size(given: Input) -> int:
    """How many of the bytes that follow the JSON are the input's. Raises ValueError where it is no input."""
    if given.parameters and given.parameters.shared_memory_region is not None:
        raise ValueError(NO_SHARED_MEMORY)
    size = given.parameters.binary_data_size if given.parameters else None
    if (size is None) == (given.data is None):
        raise ValueError(
            f'the input {given.name!r} must have either "data" or the parameter "binary_data_size"'
        )
    if given.datatype != "BYTES" and given.datatype not in DATATYPES:
        raise ValueError(f"there is no datatype {given.datatype}, only {', '.join(DATATYPES)} and BYTES")
    return size or 0


def _flat(data: list[Any], shape: list[int]) -> list[Any]:
    """The elements of data that is flat already, or is nested as the shape says."""
    if list in map(type, data):
        for width in shape[1:]:
            if not all(type(row) is list and len(row) == width for row in data):
                raise ValueError(f"the data is nested, but not as the shape {shape} is")
            data = list(chain.from_iterable(data))
    if len(data) != math.prod(shape):
        raise ValueError(f"shape {shape} has {math.prod(shape)} elements, and the data has {len(data)}")
    return data


def strings(data: list[Any], shape: list[int]) -> list[bytes]:
    texts = _flat(data, shape)
    if not all(type(text) is str for text in texts):
        raise ValueError("the data of BYTES must be strings")
    return [text.encode() for text in texts]


def array(data: list[Any], shape: list[int], datatype: str) -> np.ndarray[Any, Any]:
    if datatype == "FP16":
        raise ValueError("FP16 cannot travel as JSON: send it as binary data")
    wanted = np.dtype(DATATYPES[datatype])
    found = _flat(data, shape)
    good: dict[str, set[type]] = {"b": {bool}, "f": {int, float, type(None)}}
    if not good.get(wanted.kind, {int}).issuperset(map(type, found)):
        raise ValueError(f"the data is not all {datatype}")
    if wanted.kind == "b":
        return np.array(found, wanted)
    if wanted.kind != "f":
        _check_bounds(min(found, default=0), max(found, default=0), wanted)
        return np.array(found, wanted)
    try:
        return _cast(np.array(found, "<f8"), wanted)
    except OverflowError:
        raise ValueError(f"a number lies outside {datatype}") from None


def _check_bounds(low: int, high: int, wanted: np.dtype[Any]) -> None:
    bounds = np.iinfo(wanted)
    if low < bounds.min or high > bounds.max:
        raise ValueError(f"a number lies outside {NAMES[wanted.str]}")


def _cast(found: np.ndarray[Any, Any], wanted: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Numbers as floats. An infinity stays one, but none comes of a number that is too large."""
    try:
        with np.errstate(over="raise", invalid="ignore"):
            return found.astype(wanted, copy=False)
    except FloatingPointError:
        raise ValueError(f"a number lies outside {NAMES[wanted.str]}") from None


def rows(whole: Tensor, kind: str) -> list[Tensor]:
    """The inputs in a tensor, as tensors of the application's type, or of their own where `kind` is ""."""
    data, shape, dtype = whole
    if not shape:
        raise ValueError("the shape is [], and its first dimension counts the inputs")
    if kind and len(shape) > 2:
        raise ValueError(f"the shape {list(shape)} has {len(shape)} dimensions")
    if kind and len(shape) == 1:
        shape = (1, *shape)
    if shape[0] > 1 and not len(data):  # a few bytes could ask for millions of them
        raise ValueError(f"the shape {list(shape)} has several inputs without elements: send one at a time")
    if dtype == "|b1" and np.frombuffer(data, "u1").max(initial=0) > 1:
        raise ValueError("a BOOL is one byte, 0 or 1")
    if kind and kind != dtype:
        data = converted(np.frombuffer(data, dtype), np.dtype(kind)).tobytes()
    view = memoryview(data)
    size = len(view) // shape[0] if shape[0] else 0
    return [Tensor(view[i * size : (i + 1) * size], shape[1:], kind or dtype) for i in range(shape[0])]


def converted(found: np.ndarray[Any, Any], wanted: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Numbers of the type that is wanted. Floats are not taken for integers, nor truth for numbers."""
    if found.dtype == wanted:
        return found
    if found.dtype.kind not in {"f": "iuf", "b": ""}.get(wanted.kind, "iu"):
        raise ValueError(f"the datatype is {NAMES[found.dtype.str]}, and the inputs are {NAMES[wanted.str]}")
    if wanted.kind == "f":
        return _cast(found, wanted)
    if found.size:
        _check_bounds(int(found.min()), int(found.max()), wanted)
    return found.astype(wanted)
