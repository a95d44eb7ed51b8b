"""Tensors as they travel: made of bytes and arrays, and what a model or JSON has of them."""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain, repeat
from typing import Any, NamedTuple

import msgspec
import numpy as np

from . import named
from .named import MAX_DIMENSIONS, MAX_TENSOR, TEXTS

FORMATS = {
    **{"|u1": "B", "<u2": "H", "<u4": "I", "<u8": "Q", "|i1": "b", "<i2": "h", "<i4": "i", "<i8": "q"},
    **{"|b1": "?", "<f4": "f", "<f8": "d"},
}
"""Types of numbers by what Python's own struct calls them: all but half floats."""


class Tensor(NamedTuple):
    """One input as it travels: raw little-endian bytes, and a shape (for text, its length in bytes).

    `dtype` is numpy's name for numbers; "bytes", "str" or "json" otherwise; or that of a set of named arrays.
    """

    data: bytes | memoryview
    shape: tuple[int, ...]
    dtype: str


def tensors_of(data: bytes | memoryview, size: int, shape: tuple[int, ...], dtype: str) -> list[Tensor]:
    """Tensors of one shape that follow one another, of so many bytes each, which is one at least: copies.

    In one go: with a call for each, many small ones would take three times as long.
    """
    parts = chain.from_iterable(struct.iter_unpack(f"{size}s", data))
    return list(map(tuple.__new__, repeat(Tensor), zip(parts, repeat(shape), repeat(dtype))))


def array_tensor(value: Any) -> Tensor:
    """A numpy array as a tensor. Raises ValueError where it holds no numbers."""
    found = np.asarray(value)
    if found.dtype.kind not in "biuf" or found.dtype.itemsize > 8:
        raise ValueError(f"it holds {found.dtype}, which is no type of numbers")
    found = found.astype(found.dtype.newbyteorder("<"), copy=False)
    return sized_tensor(found.tobytes(), found.shape, found.dtype.str)


def sized_tensor(data: bytes | memoryview, shape: tuple[int, ...], dtype: str) -> Tensor:
    """A tensor of raw bytes. Raises ValueError where there are not as many as shape and dtype say."""
    wanted = _size(shape, dtype)
    if len(data) != wanted:
        raise ValueError(f"shape {list(shape)} of {np.dtype(dtype)} needs {wanted} bytes, not {len(data)}")
    return Tensor(data, shape, dtype)


@lru_cache(1024)
def _size(shape: tuple[int, ...], dtype: str) -> int:
    """Bytes of such an array. Raises ValueError where there is none."""
    itemsize = np.dtype(dtype).itemsize
    if min(shape, default=0) < 0:
        raise ValueError(f"the shape {str(list(shape))[:100]} has a size below 0")
    # An empty tensor may have a shape as well that no array can have, and that would fail a whole batch.
    if len(shape) > MAX_DIMENSIONS or math.prod(filter(None, shape)) * itemsize > MAX_TENSOR:
        raise ValueError(
            f"the shape {str(list(shape))[:100]} is too large: at most {MAX_DIMENSIONS} dimensions and "
            f"{MAX_TENSOR >> 20} MiB"
        )
    return math.prod(shape) * itemsize


def decode(count: int, dtypes: Sequence[str], shapes: Sequence[Sequence[int]], body: Any) -> Any:
    """The inputs of one batch, as the model sees them.

    `dtypes` and `shapes` each hold one for all, or one an input. Numbers of one dtype and shape come as
    one numpy array [count, *shape], a view of `body` without a copy; else as a list of arrays. Text comes
    as a list of str or bytes, JSON as a list of Python values.
    Raises ValueError where shapes and body do not agree.
    """
    if any(len(given) not in (1, count) for given in (dtypes, shapes)):
        raise ValueError("there are not as many dtypes or shapes as inputs")
    if len(dtypes) == 1 and dtypes[0] in TEXTS:
        return _texts(count, dtypes[0], [int(shape[0]) for shape in shapes], body)
    if any(named.is_named(dtype) or dtype in TEXTS for dtype in dtypes):
        return _sets(count, dtypes, shapes, body)
    if len(dtypes) == 1 and len(shapes) == 1:
        return np.frombuffer(body, dtype=dtypes[0]).reshape(count, *shapes[0])
    body = memoryview(body)
    arrays = []
    start = 0
    for i in range(count):
        dtype = np.dtype(dtypes[i if len(dtypes) > 1 else 0])
        shape = shapes[i if len(shapes) > 1 else 0]
        numbers = math.prod(shape)
        end = start + numbers * dtype.itemsize
        if end > len(body):
            break
        array_of = np.frombuffer(body[start:end], dtype) if numbers else np.empty(0, dtype)
        arrays.append(array_of.reshape(shape))
        start = end
    if start != len(body) or len(arrays) != count:
        raise ValueError("the shapes do not add up to the body")
    return arrays


def taken_apart(tensor: Tensor) -> dict[str, Tensor]:
    """Each array of a set, by its name."""
    view = memoryview(tensor.data)
    return {
        part.name: Tensor(view[start : start + size], shape, part.dtype)
        for part, shape, start, size in named.laid_out(tensor.dtype, tensor.shape)
    }


def as_plain(tensor: Tensor) -> Any:
    """What JSON has of it; bytes as base64."""
    data, shape, dtype = tensor
    if (written := FORMATS.get(dtype)) is not None and len(shape) < 2 and len(data):  # as most are
        numbers = memoryview(data).cast("B").cast(written).tolist()  # type: ignore[call-overload]
        return numbers if shape else numbers[0]
    if named.is_named(dtype):
        return {name: as_plain(part) for name, part in taken_apart(tensor).items()}
    if dtype == "json":
        return msgspec.json.decode(data)
    if dtype == "bytes":
        return base64.b64encode(data).decode()
    if dtype == "str":
        return bytes(data).decode()
    found = np.frombuffer(data, dtype) if len(data) else np.empty(0, dtype)
    return found.reshape(shape).tolist()


def _sets(count: int, dtypes: Sequence[str], shapes: Sequence[Sequence[int]], body: Any) -> Any:
    if len(dtypes) == 1:
        return named.decode(count, dtypes[0], shapes, body)
    view = memoryview(body)
    found = []
    start = 0
    for i, dtype in enumerate(dtypes):
        shape = shapes[i if len(shapes) > 1 else 0]
        size = named.size_of(dtype, shape) if named.is_named(dtype) else math.prod(shape) * _item(dtype)
        found.append(decode(1, [dtype], [shape], view[start : start + size])[0])
        start += size
    if start != len(view):
        raise ValueError("the shapes do not add up to the body")
    return found


def _item(dtype: str) -> int:
    """Bytes of what a shape counts: a text's is its length."""
    return 1 if dtype in TEXTS else np.dtype(dtype).itemsize


def _texts(count: int, dtype: str, sizes: list[int], body: Any) -> list[Any]:
    view = memoryview(body)
    pieces = []
    start = 0
    for size in sizes * count if len(sizes) < count else sizes:
        pieces.append(bytes(view[start : start + size]))
        start += size
    if start != len(view):
        raise ValueError("the lengths do not add up to the body")
    if dtype == "json":
        return [msgspec.json.decode(piece) for piece in pieces]
    return [piece.decode() for piece in pieces] if dtype == "str" else pieces
