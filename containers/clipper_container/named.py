"""Inputs that are sets of named arrays: the dtype names the parts, and their bytes follow one another.

Such a dtype is JSON, `[["age","<f8",0],["city","json",1]]`: of each part its name, its own dtype, and how
many dimensions it has; a text has one, its length in bytes. The input's shape is all of their shapes in a
row.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import takewhile
from typing import Any, NamedTuple

import msgspec
import numpy as np

TEXTS = frozenset({"str", "bytes", "json"})
_from_json = msgspec.json.Decoder().decode


class Part(NamedTuple):
    name: str
    dtype: str
    dimensions: int


def dtype_of(parts: Sequence[Part]) -> str:
    return msgspec.json.encode(parts).decode()


def is_named(dtype: str) -> bool:
    return dtype[:1] == "["


class Named:
    """A batch of them: `columns` has the values of all inputs, by the part's name.

    Numbers of one shape are one array [count, *shape], else a list of arrays; texts are a list of str, bytes,
    or what their JSON says. One input by its position is a dictionary.
    """

    def __init__(self, columns: dict[str, Any], count: int) -> None:
        self.columns = columns
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, i: int) -> dict[str, Any]:
        if not 0 <= i < self._count:
            raise IndexError(i)
        return {name: values[i] for name, values in self.columns.items()}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[i] for i in range(self._count))


def decode(count: int, dtype: str, shapes: Sequence[Sequence[int]], body: Any) -> Named:
    """A batch of one dtype. `shapes` holds one for all, or one an input.

    Raises ValueError where shapes and body do not agree.
    """
    form = _form(dtype)
    view = memoryview(body)
    if not form.rest and len(view) != count * form.record.itemsize:
        raise ValueError("the columns do not add up to the body")
    if not form.rest:
        return Named(_by_name(form, np.frombuffer(view, form.record) if len(view) else None, count), count)
    heads: list[memoryview] = []
    cells: list[list[memoryview]] = [[] for _ in form.rest]
    own: list[list[Sequence[int]]] = [[] for _ in form.rest]  # the shapes of arrays
    start = 0
    for i in range(count):
        shape = shapes[i if len(shapes) > 1 else 0]
        heads.append(view[start : (start := start + form.record.itemsize)])
        sizes = shape if form.texts else _sizes(form, shape, own)
        if len(sizes) != len(cells) or min(sizes) < 0:
            raise ValueError("the shapes are not those of the parts")
        for size, found in zip(sizes, cells, strict=True):
            found.append(view[start : (start := start + size)])
    if start != len(view):
        raise ValueError("the shapes do not add up to the body")
    fixed = np.frombuffer(b"".join(heads), form.record) if form.record.itemsize else None
    columns = _by_name(form, fixed, count)
    for part, found, each in zip(form.rest, cells, own, strict=True):
        columns[part.name] = _column(part, found, each)
    return Named(columns, count)


def size_of(dtype: str, shape: Sequence[int]) -> int:
    """How many bytes an input has."""
    form = _form(dtype)
    sizes = shape if form.texts else _sizes(form, shape)
    return form.record.itemsize + sum(sizes)


class _Form(NamedTuple):
    """How an input lies there: first single numbers, as one record, then the rest, which may be `texts`."""

    numbers: list[Part]
    record: np.dtype[Any]
    rest: list[Part]
    texts: bool


@lru_cache(maxsize=64)
def _form(dtype: str) -> _Form:
    try:
        parts = msgspec.json.decode(dtype, type=list[Part])
        numbers = list(takewhile(lambda part: not part.dimensions and part.dtype not in TEXTS, parts))
        rest = parts[len(numbers) :]
        for part in rest:
            if part.dimensions < 0 or (part.dtype in TEXTS and part.dimensions != 1):
                raise ValueError(f"{part.name} has {part.dimensions} dimensions")
        record = np.dtype([(f"f{i}", part.dtype) for i, part in enumerate(numbers)])
        return _Form(numbers, record, rest, all(part.dtype in TEXTS for part in rest))
    except (msgspec.MsgspecError, TypeError, ValueError) as error:
        raise ValueError(f"no set of arrays has the dtype {dtype[:100]!r}: {error}") from None


def _by_name(form: _Form, fixed: np.ndarray[Any, Any] | None, count: int) -> dict[str, Any]:
    if fixed is None:
        fixed = np.empty(0 if form.numbers else count, form.record)
    return {part.name: fixed[f"f{i}"] for i, part in enumerate(form.numbers)}


def _sizes(form: _Form, shape: Sequence[int], own: Sequence[list[Sequence[int]]] | None = None) -> list[int]:
    """The bytes of each part but the single numbers; what their shapes are is added to `own`."""
    sizes = []
    start = 0
    for i, part in enumerate(form.rest):
        each = shape[start : (start := start + part.dimensions)]
        if len(each) != part.dimensions or min(each, default=0) < 0:
            raise ValueError("the shapes are not those of the parts")
        sizes.append(math.prod(each) * (1 if part.dtype in TEXTS else np.dtype(part.dtype).itemsize))
        if own is not None:
            own[i].append(each)
    if start != len(shape):
        raise ValueError("the shapes are not those of the parts")
    return sizes


def _column(part: Part, cells: list[memoryview], shapes: list[Sequence[int]]) -> Any:
    if part.dtype == "json":
        return [_from_json(cell) for cell in cells]
    if part.dtype in TEXTS:
        return [bytes(cell) if part.dtype == "bytes" else bytes(cell).decode() for cell in cells]
    arrays = [
        np.frombuffer(bytes(cell), part.dtype).reshape(shape)
        for cell, shape in zip(cells, shapes, strict=True)
    ]
    same = all(array.shape == arrays[0].shape for array in arrays)
    return np.stack(arrays) if same else arrays
