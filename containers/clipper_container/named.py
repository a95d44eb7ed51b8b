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
# The types of numbers that a tensor may hold: numpy's names, little-endian.
DTYPES = {
    np.dtype(name).str.replace("=", "<")
    for name in ("?", "u1", "<u2", "<u4", "<u8", "i1", "<i2", "<i4", "<i8", "<f2", "<f4", "<f8")
}
MAX_DIMENSIONS = 32  # numpy ends at 64, and a batch has one more
MAX_TENSOR = 1 << 30
MAX_PARTS = 1000
MAX_DTYPE = 1 << 16  # letters that name the parts of an output
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
    if len(shapes) == 1 and (alike := _views(form, shapes[0], count, view)) is not None:
        return alike
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


def _views(form: _Form, shape: Sequence[int], count: int, view: memoryview) -> Named | None:
    """Arrays of one shape as views of what came; None where there are others."""
    if any(part.dtype in TEXTS for part in form.rest):
        return None
    own: list[list[Sequence[int]]] = [[] for _ in form.rest]
    if sum(_sizes(form, shape, own)) + form.record.itemsize == 0:
        return None
    parts: list[tuple[Part, tuple[int, ...]]] = [(part, ()) for part in form.numbers]
    parts += [(part, tuple(each[0])) for part, each in zip(form.rest, own, strict=True)]
    record = np.dtype([(f"f{i}", part.dtype, each) for i, (part, each) in enumerate(parts)])
    if len(view) != count * record.itemsize:
        raise ValueError("the shapes do not add up to the body")
    whole = np.frombuffer(view, record)
    return Named({part.name: whole[f"f{i}"] for i, (part, _) in enumerate(parts)}, count)


def size_of(dtype: str, shape: Sequence[int]) -> int:
    """How many bytes an input has."""
    form = _form(dtype)
    sizes = shape if form.texts else _sizes(form, shape)
    return form.record.itemsize + sum(sizes)


def laid_out(dtype: str, shape: Sequence[int]) -> list[tuple[Part, tuple[int, ...], int, int]]:
    """Of each part: its shape, where it begins, and how many bytes it has. Raises ValueError."""
    form = _form(dtype)
    found = []
    start = place = 0
    for part in (*form.numbers, *form.rest):
        own = tuple(shape[place : (place := place + part.dimensions)])
        if len(own) != part.dimensions or min(own, default=0) < 0:
            raise ValueError("the shapes are not those of the parts")
        size = math.prod(own) * (1 if part.dtype in TEXTS else np.dtype(part.dtype).itemsize)
        found.append((part, own, start, size))
        start += size
    if place != len(shape):
        raise ValueError("the shapes are not those of the parts")
    return found


def check(dtype: str, shape: Sequence[int], data: Any = None) -> None:
    """Raises ValueError where it is no set that can be read: whatever a stranger says."""
    try:
        parts = msgspec.json.decode(dtype, type=list[Part])
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise ValueError(f"no set of arrays has the dtype {dtype[:100]!r}: {error}") from None
    if not 0 < len(parts) <= MAX_PARTS or len({part.name for part in parts}) != len(parts):
        raise ValueError(f"a set has from 1 to {MAX_PARTS} parts, and no two of one name")
    for part in parts:
        if part.dtype not in TEXTS and (part.dtype not in DTYPES or part.dimensions > MAX_DIMENSIONS):
            raise ValueError(
                f"{part.name[:100]!r} holds {part.dtype[:100]!r} of {part.dimensions} dimensions"
            )
    found = laid_out(dtype, shape)
    for part, own, _, _ in found:
        # An empty array may have a shape that none can have.
        if math.prod(n for n in own if n) > MAX_TENSOR:
            raise ValueError(f"{part.name[:100]!r} has a shape that is too large")
    if data is None:
        return
    if sum(size for *_, size in found) != len(data):
        raise ValueError(f"there are {len(data)} bytes, and the shapes say otherwise")
    for part, _, start, size in found:
        if part.dtype == "str":
            str(data[start : start + size], "utf-8")
        elif part.dtype == "json":
            _check_json(data[start : start + size])


def _check_json(text: Any) -> None:
    try:
        _from_json(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"a part is no JSON: {error}") from None


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
