"""The input types of applications and models: how each looks in JSON, on the wire and to the model."""

from __future__ import annotations

import base64
import binascii
import math
import struct
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from typing import Any

import msgspec
import numpy as np

from .errors import BadRequest
from .named import DTYPES
from .near import unknown
from .plain import as_json
from .tensors import Tensor, array_tensor, sized_tensor, tensors_of

# The types of numbers that a tensor may hold, by all the names that a client may give them, such as
# "float32", "f4" and "<f4".
_NAMED = {name: code for code in DTYPES for name in (code, code[1:], np.dtype(code).name)}
_EXACT = 1 << 53  # up to here floats have all whole numbers


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
        if len(values) == 1:
            return [self.encode(values[0])]  # as most are
        if self.dtype in DTYPES and values:
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
