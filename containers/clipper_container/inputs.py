"""The input types of applications and models: how each looks in JSON, on the wire and to the model."""

from __future__ import annotations

import base64
import binascii
import math
import struct
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, chain, repeat
from typing import Any, NamedTuple

import msgspec
import numpy as np

from . import named
from .errors import BadRequest
from .named import DTYPES as DTYPES
from .named import MAX_DIMENSIONS as MAX_DIMENSIONS
from .named import MAX_TENSOR as MAX_TENSOR
from .named import TEXTS
from .near import unknown
from .plain import as_json

# The types of numbers that a tensor may hold, by all the names that a client may give them, such as
# "float32", "f4" and "<f4".
FORMATS = {
    **{"|u1": "B", "<u2": "H", "<u4": "I", "<u8": "Q", "|i1": "b", "<i2": "h", "<i4": "i", "<i8": "q"},
    **{"|b1": "?", "<f4": "f", "<f8": "d"},
}
"""Types of numbers by what Python's own struct calls them: all but half floats."""
_NAMED = {name: code for code in DTYPES for name in (code, code[1:], np.dtype(code).name)}
_EXACT = 1 << 53  # up to here floats have all whole numbers


class Tensor(NamedTuple):
    """One input as it travels: raw little-endian bytes, and a shape (for text, its length in bytes).

    `dtype` is numpy's name for numbers; "bytes", "str" or "json" otherwise; or that of a set of named arrays.
    """

    data: bytes | memoryview
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class InputType:
    """One input type. `json` is the Python type that msgspec validates a JSON value against."""

    name: str
    json: Any
    expects: str
    dtype: str  # of its tensors; "" where each has its own
    encode: Callable[[Any], Tensor]  # raises ValueError where a value does not fit

    def encode_all(self, values: Sequence[Any]) -> list[Tensor]:
        """Of many values. Numbers are written in one go, and then taken apart."""
        if self.dtype in DTYPES and len(values) > 1:
            sizes = list(map(len, values))
            whole = self.encode(list(chain.from_iterable(values))).data
            if len({*sizes}) == 1 and whole:
                return tensors_of(whole, len(whole) // len(values), (sizes[0],), self.dtype)
            item = np.dtype(self.dtype).itemsize
            ends = [item * end for end in accumulate(sizes)]
            return [
                Tensor(bytes(whole[end - item * size : end]), (size,), self.dtype)
                for end, size in zip(ends, sizes, strict=True)
            ]
        return [self.encode(value) for value in values]


def tensors_of(data: bytes | memoryview, size: int, shape: tuple[int, ...], dtype: str) -> list[Tensor]:
    """Tensors of one shape that follow one another, of so many bytes each, which is one at least: copies.

    In one go: with a call for each, many small ones would take three times as long.
    """
    parts = chain.from_iterable(struct.iter_unpack(f"{size}s", data))
    return list(map(tuple.__new__, repeat(Tensor), zip(parts, repeat(shape), repeat(dtype))))


def _numbers(typecode: str, dtype: str, bounds: str) -> Callable[[Any], Tensor]:
    def encode(value: Any) -> Tensor:
        try:
            data = struct.pack(f"<{len(value)}{typecode}", *value)
        except (struct.error, OverflowError):
            data = slowly(value)
        return Tensor(data, (len(value),), dtype)

    def slowly(value: Any) -> bytes:
        """With null, as JSON has a missing value; or it tells what is wrong."""
        try:
            found = array(typecode, [math.nan if number is None else number for number in value])
        except OverflowError:
            raise ValueError(f"a number lies outside {bounds}") from None
        if typecode == "f" and math.inf in map(abs, found):  # which `array` does not mind
            raise ValueError(f"a number lies outside {bounds}")
        return found.tobytes()

    return encode


def _base64(value: str) -> Tensor:
    data = from_base64(value)
    return Tensor(data, (len(data),), "bytes")


def from_base64(value: str) -> bytes:
    """Raises ValueError, or TypeError for what is no text."""
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise ValueError(f"the string is not base64: {error}") from None


def _text(value: str) -> Tensor:
    data = value.encode()
    return Tensor(data, (len(data),), "str")


def _json(value: Any) -> Tensor:
    # Written anew, not passed on: what the container could not read would cost a whole batch its answers.
    data = msgspec.json.encode(value)
    return Tensor(data, (len(data),), "json")


def _record(value: Any) -> Tensor:
    """A set whose names nobody knows. Those that are known are written by `sets.fields_of`."""
    if not isinstance(value, dict):
        raise ValueError("it is not an object that names what it has")
    return _json(value)


def _ndarray(value: Any) -> Tensor:
    if isinstance(value, dict):
        return described(value)
    try:
        found = np.asarray(value)
    except ValueError:  # rows of several lengths
        found = np.asarray(None)
    if found.dtype.kind == "O" or (found.dtype.kind == "f" and (abs(found) >= _EXACT).any()):
        found = _exact(np.asarray(found if found.ndim == 0 else value, object))
    if found.dtype.kind not in "biuf":
        raise ValueError("it is neither a nested list of numbers, all rows of one length, nor an object")
    return array_tensor(found)


def _exact(found: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Numbers that numpy would not take, or not digit by digit. They stay objects where some are none."""
    values = found.ravel().tolist()
    kinds = set(map(type, values))
    if not found.ndim or not kinds <= {int, float, type(None)}:
        return found
    whole = [value for value in values if type(value) is int]
    if kinds == {int} and min(whole) >= 0 and max(whole) < 1 << 64:
        return found.astype("<u8")
    if kinds == {int} or not all(map(_is_float, whole)):
        raise ValueError("a whole number is too large to keep all of its digits")
    return found.astype("<f8")


def _is_float(number: int) -> bool:
    try:
        return int(float(number)) == number
    except OverflowError:
        return False


def described(value: dict[str, Any]) -> Tensor:
    """An array as an object that says its dtype, its shape and its bytes. Raises ValueError."""
    if value.keys() != {"dtype", "shape", "data"}:
        raise ValueError('the object must have the fields "dtype", "shape" and "data", and no others')
    dtype, shape, text = value["dtype"], value["shape"], value["data"]
    found = _NAMED.get(dtype) if isinstance(dtype, str) else None
    if found is None:
        raise ValueError(f"{dtype!r} is no type of numbers, such as float32 or uint8")
    if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError("the shape must be a list of whole numbers")
    data = from_base64(text) if isinstance(text, str) else b""
    return sized_tensor(data, tuple(shape), found)


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


_ARRAY = (
    "a nested list of numbers, or an object such as "
    '{"dtype": "uint8", "shape": [2, 2], "data": "the bytes, row by row, in base64"}'
)
_ROW = 'an object that names its columns, such as {"age": 3, "city": "Rome"}'
_SET = 'an object that names its arrays, such as {"ids": [3, 7], "text": "x"}'
_TYPES = [
    InputType(
        "integers",
        list[int],
        "a list of whole numbers, such as [1, 2]",
        "<i4",
        _numbers("i", "<i4", "the 32-bit integers"),
    ),
    InputType(
        "floats",
        list[float | None],
        "a list of numbers, such as [1.0, 2], with null for NaN",
        "<f4",
        _numbers("f", "<f4", "the 32-bit floats"),
    ),
    InputType(
        "doubles",
        list[float | None],
        "a list of numbers, such as [1.0, 2], with null for NaN",
        "<f8",
        _numbers("d", "<f8", "the 64-bit floats"),
    ),
    InputType("bytes", str, "a base64 string", "bytes", _base64),
    InputType("strings", str, 'a string, such as "some text"', "str", _text),
    InputType("json", Any, "any JSON value", "json", _json),
    InputType("ndarray", Any, _ARRAY, "", _ndarray),
    InputType("dataframe", Any, _ROW, "", _record),
    InputType("named", Any, _SET, "", _record),
]
_ALIASES = {
    "ints": "integers",
    "i": "integers",
    "f": "floats",
    "d": "doubles",
    "b": "bytes",
    "byte": "bytes",
    "s": "strings",
    "string": "strings",
}
INPUT_TYPES: dict[str, InputType] = {t.name: t for t in _TYPES}
SETS = frozenset({"dataframe", "named"})
"""An input of these has names."""
WHOLE = SETS | {"ndarray"}
"""Of these a model gets a batch as it came, and no list of its inputs."""


def canonical(name: str) -> str:
    """The full name of an input type given by name or by one of Clipper's short names."""
    full = _ALIASES.get(name, name)
    if full not in INPUT_TYPES:
        raise BadRequest(unknown("input type", name, "Choose one of", INPUT_TYPES))
    return full


def to_json(input_type: str, value: object) -> object:
    """`value` (a list, a numpy array, bytes or a string) as this input type's JSON value."""
    if input_type == "bytes" and isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode()
    try:
        if input_type == "ndarray" and isinstance(value, np.ndarray | np.generic):
            return as_described(value)
        return msgspec.json.decode(as_json(value))
    except (TypeError, ValueError, msgspec.MsgspecError) as error:
        raise BadRequest(
            f"The input cannot be written as JSON: {error}. Give numbers, texts, or lists, arrays or "
            "dictionaries of them."
        ) from None


def as_described(value: Any) -> dict[str, Any]:
    """An array as `described` takes it. Raises ValueError where it holds no numbers."""
    tensor = array_tensor(value)
    text = base64.b64encode(tensor.data).decode()
    return {"dtype": str(np.dtype(tensor.dtype)), "shape": list(tensor.shape), "data": text}


def example_tensor(input_type: str, example: object) -> Tensor:
    """The example input as it would come over the wire. Raises BadRequest where it is not of the type."""
    kind = INPUT_TYPES[input_type]
    try:
        return kind.encode(msgspec.json.decode(msgspec.json.encode(example), type=kind.json))
    except (ValueError, msgspec.ValidationError) as error:
        raise BadRequest(
            f"The example input is not of the type {input_type}: {error}. "
            f"It should be one input: {kind.expects}."
        ) from None


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
    if named.is_named(dtype):
        return {name: as_plain(part) for name, part in taken_apart(tensor).items()}
    if dtype == "json":
        return msgspec.json.decode(data)
    if dtype == "bytes":
        return base64.b64encode(data).decode()
    if dtype == "str":
        return bytes(data).decode()
    if len(shape) < 2 and len(data) and (written := FORMATS.get(dtype)) is not None:  # as most are
        numbers = memoryview(data).cast("B").cast(written).tolist()  # type: ignore[call-overload]
        return numbers if shape else numbers[0]
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
