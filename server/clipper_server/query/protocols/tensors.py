"""Inputs as whole tensors, as all protocols have them that know tensors: by name, and in each a row for each
input.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import msgspec
import numpy as np

from clipper_container.conversions import converted, datatype
from clipper_container.errors import TooLarge
from clipper_container.fields import ANY, CODES, TEXT
from clipper_container.inputs import SETS, as_described
from clipper_container.named import TEXTS
from clipper_container.signature import BYTES, Kind, Signature
from clipper_container.tensors import Tensor, sized_tensor, tensors_of
from clipper_container.wire import Buffer

from ..application import Application
from ..limits import Limits
from .sets import Sets

MAX_CELLS = 50_000  # that are written one by one: texts, and what may be any
_LISTED = 64  # numbers of an array of which nobody knows the type
_COPIED = 1024  # bytes of an input: to copy so few takes less time than a view of them


class Whole(NamedTuple):
    """A tensor whose first dimension counts the inputs.

    Its dtype is numpy's name for numbers, as in `DTYPES`, and `data` are their bytes, row by row. Or it is
    "bytes", and `data` are its elements: a list of them, or one after the other, each after its length in 32
    bits.
    """

    dtype: str
    shape: tuple[int, ...]
    data: Buffer | Sequence[bytes]


class Described(NamedTuple):
    """What a tensor is to be like. Dimensions of -1 may be of any size."""

    name: str
    dtype: str
    shape: tuple[int, ...]


class Tensors:
    """Makes inputs of what one application is asked in tensors."""

    def __init__(self, application: Application, limits: Limits) -> None:
        self._application = application
        self._limits = limits
        self.sets = Sets(application, limits) if application.input_type.name in SETS else None

    def described(self, version: str | None) -> list[Described]:
        """The tensors that are wanted. None are, where they have names and nobody knows those."""
        if self.sets is None:
            dtype = self._application.input_type.dtype
            if dtype in TEXTS:
                return [Described("input", "bytes", (-1,))]
            # Arrays may be of any type and shape: single precision is what most models take.
            return [Described("input", dtype or "<f4", (-1, -1))]
        fields = self.sets.fields(version)
        if isinstance(fields, Signature):
            return [
                Described(name, CODES.get(kind.base, "bytes"), (-1, *kind.shape))
                for name, kind in fields.kinds.items()
            ]
        types = {} if fields is None else fields.types
        # Most columns of which nobody told are numbers.
        return [
            Described(name, "bytes" if kind == TEXT else CODES.get(kind, "<f8"), (-1,))
            for name, kind in types.items()
        ]

    def inputs(self, given: Mapping[str, Whole], version: str | None) -> list[Tensor]:
        """An input for each row. Raises ValueError with what does not fit, or TooLarge."""
        if self.sets is not None:
            return self._sets(self.sets, given, version)
        if len(given) != 1:
            raise ValueError(f"it has {len(given)} inputs, and an application takes one tensor")
        [whole] = given.values()
        return self._one(whole)

    def _one(self, whole: Whole) -> list[Tensor]:
        kind = self._application.input_type.dtype
        shape = whole.shape
        if (whole.dtype == "bytes") != (kind in TEXTS):
            raise ValueError(f"the datatype is {_datatype(whole.dtype)}")
        if shape and (len(shape) > 1 or not kind or whole.dtype == "bytes"):
            self._limits.check_inputs(shape[0])
        if whole.dtype != "bytes":
            return rows_of(sized_tensor(_buffer(whole), shape, whole.dtype), kind)
        if len(shape) not in (1, 2) or shape[1:] not in ((), (1,)):
            raise ValueError(f"the shape is {list(shape)}")
        return [self.text(text) for text in _elements(whole)]

    def text(self, text: bytes) -> Tensor:
        """An input that is one text. Raises ValueError."""
        return text_of(text, self._application.input_type.dtype)

    def bare(self, body: memoryview) -> list[Tensor]:
        """The input whose bytes these are, and nothing else is known. Raises ValueError."""
        if self.sets is not None:
            noun = "columns" if self._application.input_type.name == "dataframe" else "arrays"
            raise ValueError(f"bytes alone do not name their {noun}")
        kind = self._application.input_type.dtype
        if kind in TEXTS:
            return [self.text(bytes(body))]
        if not kind:
            raise ValueError("bytes alone do not tell their shape")
        return rows_of(sized_tensor(body, (len(body) // np.dtype(kind).itemsize,), kind), kind)

    def _sets(self, sets: Sets, given: Mapping[str, Whole], version: str | None) -> list[Tensor]:
        fields = sets.fields(version)
        shapes = {whole.shape for whole in given.values()}
        counts = {shape[0] for shape in shapes if shape}
        columns = self._application.input_type.name == "dataframe"
        if columns and not all(len(shape) == 1 or shape[1:] == (1,) for shape in shapes):
            counts.clear()
        if len(counts) != 1 or () in shapes:
            raise ValueError(
                "the inputs are columns, and each has the shape [n] or [n, 1], with one n for all"
                if columns
                else "the first dimension of each input counts the inputs, with one n for all"
            )
        count = counts.pop()
        self._limits.check_inputs(count)
        if columns:
            written = len(given) if fields is None else fields.texts
            _check_cells(count * written, f"{count} rows of {written} columns of text")
            types = {} if fields is None else fields.types
            found = {name: _column(name, whole, types.get(name, ANY)) for name, whole in given.items()}
        else:
            known = fields.kinds if isinstance(fields, Signature) else {}
            kinds = {name: known.get(name, Kind(ANY)) for name in given}
            cells = sum(_cells(whole, kinds[name]) for name, whole in given.items())
            _check_cells(
                cells, f"{count} inputs with {cells} texts, or values of which nobody knows the type"
            )
            found = {name: _array(name, whole, kinds[name]) for name, whole in given.items()}
        return sets.of_columns(found, count, version)


def _cells(whole: Whole, kind: Kind) -> int:
    """How many of its values are written one by one."""
    size, width = math.prod(whole.shape), math.prod(whole.shape[1:])
    if whole.dtype == "bytes":
        return size
    return 0 if kind.base != ANY else size if width <= _LISTED else whole.shape[0]


def _check_cells(cells: int, what: str) -> None:
    if cells > MAX_CELLS:
        raise TooLarge(
            f"The request has {what}; {MAX_CELLS} such values are the most. Send them in several requests."
        )


def _datatype(dtype: str) -> str:
    return "BYTES" if dtype == "bytes" else datatype(np.dtype(dtype))


def _buffer(whole: Whole) -> Buffer:
    assert isinstance(whole.data, bytes | memoryview)
    return whole.data


def _numbers(whole: Whole) -> np.ndarray[Any, Any]:
    data = sized_tensor(_buffer(whole), whole.shape, whole.dtype).data
    found = np.frombuffer(data, whole.dtype) if len(data) else np.empty(0, whole.dtype)
    if found.dtype.kind == "b" and found.view("u1").max(initial=0) > 1:
        raise ValueError("a BOOL is one byte, 0 or 1")
    return found.reshape(whole.shape)


def _elements(whole: Whole) -> list[bytes]:
    """Those of a tensor of texts. Raises ValueError where there are not as many as its shape says."""
    count = math.prod(whole.shape)
    data = whole.data
    if isinstance(data, bytes | memoryview):
        texts = list(islice(split(memoryview(data)), count + 1))
    else:
        texts = list(data)
    if len(texts) != count:
        raise ValueError(f"shape {list(whole.shape)} does not have {len(texts)} elements")
    return texts


def split(data: memoryview) -> Iterator[bytes]:
    """The elements of BYTES: each a length in 32 bits, and so many bytes."""
    start = 0
    while start < len(data):
        if start + 4 > len(data):
            raise ValueError("the binary data ends in the middle of an element's length")
        (size,) = struct.unpack_from("<I", data, start)
        start += 4 + size
        if start > len(data):
            raise ValueError("the binary data ends in the middle of an element")
        yield bytes(data[start - size : start])


def text_of(text: bytes, kind: str) -> Tensor:
    """An input of one of the types of texts. Raises ValueError."""
    try:
        if kind == "str":
            text.decode()
        elif kind == "json":
            text = msgspec.json.encode(msgspec.json.decode(text))
    except UnicodeDecodeError:
        raise ValueError("an element is not UTF-8 text") from None
    except msgspec.DecodeError as error:
        raise ValueError(f"an element is not JSON: {error}") from None
    except RecursionError:
        raise ValueError("an element is JSON that is nested too deeply") from None
    return Tensor(text, (len(text),), kind)


def rows_of(whole: Tensor, kind: str) -> list[Tensor]:
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
    if shape[0] == 1:  # as most are
        return [Tensor(bytes(data) if len(data) <= _COPIED else data, shape[1:], kind or dtype)]
    size = len(data) // shape[0] if shape[0] else 0
    if 0 < size <= _COPIED:
        return tensors_of(data, size, shape[1:], kind or dtype)
    view = memoryview(data)
    return [Tensor(view[i * size : (i + 1) * size], shape[1:], kind or dtype) for i in range(shape[0])]


def _column(name: str, whole: Whole, kind: str) -> Any:
    """A column's values, as `columns.Columns` takes them."""
    if (whole.dtype == "bytes") != (kind == TEXT) and kind != ANY:
        wanted = "BYTES" if kind == TEXT else datatype(np.dtype(kind))
        raise ValueError(f"the column {name!r} is of {wanted}, and is sent as {_datatype(whole.dtype)}")
    if whole.dtype == "bytes":
        return _texts(f"the column {name!r}", whole)
    found = _numbers(whole).reshape(-1)
    if kind != ANY:
        try:
            return converted(found, np.dtype(kind))
        except ValueError as error:
            raise ValueError(f"the column {name!r} does not fit: {error}") from None
    if found.dtype.kind == "f" and np.isinf(found).any():
        raise ValueError(f"the column {name!r} has an infinity, which needs a model that tells its types")
    return found.tolist()


def _array(name: str, whole: Whole, kind: Kind) -> Any:
    """An array's rows, as `signature.Signature` takes them."""
    texts = kind.base in (TEXT, BYTES)
    if (whole.dtype == "bytes") != texts and kind.base != ANY:
        wanted = "BYTES" if texts else datatype(np.dtype(kind.base))
        raise ValueError(f"the array {name!r} is of {wanted}, and is sent as {_datatype(whole.dtype)}")
    shape = whole.shape
    if not kind.shape and kind.base != ANY and shape[1:] == (1,):  # as some clients send single values
        whole = whole._replace(shape=shape[:1])
    if whole.dtype != "bytes":
        found = _numbers(whole)
        return found if kind.base != ANY else _guessable(found)
    if kind.base == BYTES:
        if len(whole.shape) != 1:
            raise ValueError(
                f"the array {name!r} has one element for each input, and the shape is {list(shape)}"
            )
        return _elements(whole)
    values = np.empty(math.prod(whole.shape), object)
    values[:] = _texts(f"the array {name!r}", whole)
    return values.reshape(whole.shape).tolist()


def _texts(what: str, whole: Whole) -> list[str]:
    try:
        return [text.decode() for text in _elements(whole)]
    except UnicodeDecodeError:
        raise ValueError(f"an element of {what} is not UTF-8 text") from None
    except ValueError as error:
        raise ValueError(f"{what} does not fit: {error}") from None


def _guessable(found: np.ndarray[Any, Any]) -> list[Any]:
    """Rows of numbers as JSON has them, of which nobody knows the type."""
    width = math.prod(found.shape[1:])
    if width > _LISTED or not np.isfinite(found).all():
        return [as_described(row) for row in found]
    rows: list[Any] = found.tolist()
    return rows
