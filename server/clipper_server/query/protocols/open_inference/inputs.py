"""The inputs in a request's tensor."""

from __future__ import annotations

import math
from itertools import chain
from typing import Any

import numpy as np

from clipper_container.conversions import cast, check_bounds

from ..tensors import Whole
from .bodies import Input
from .refusals import NO_SHARED_MEMORY
from .tensors import DATATYPES


def whole_of(given: Input, data: memoryview) -> Whole:
    """The input's tensor: of its JSON, or `data` that follow it. Raises ValueError."""
    shape = tuple(given.shape)
    if given.datatype == "BYTES":
        return Whole("bytes", shape, data if given.data is None else strings(given.data, given.shape))
    if given.data is not None:
        data = memoryview(array(given.data, given.shape, given.datatype).tobytes())
    return Whole(DATATYPES[given.datatype], shape, data)


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
        check_bounds(min(found, default=0), max(found, default=0), wanted)
        return np.array(found, wanted)
    try:
        return cast(np.array(found, "<f8"), wanted)
    except OverflowError:
        raise ValueError(f"a number lies outside {datatype}") from None
