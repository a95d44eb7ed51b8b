"""The input types of applications and models: how each looks in JSON, on the wire and to the model."""

from __future__ import annotations

import base64
import binascii
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
import numpy as np

from .errors import BadRequest


class Tensor(NamedTuple):
    """One input as it travels: raw little-endian bytes and a shape (for text, its length in bytes)."""

    data: bytes
    shape: tuple[int, ...]


@dataclass(frozen=True)
class InputType:
    """One input type. `json` is the Python type that msgspec validates a JSON value against."""

    name: str
    json: Any
    expects: str
    dtype: str  # numpy's name for numbers; "bytes", "str" or "json" otherwise
    encode: Callable[[Any], Tensor]  # raises ValueError where a value does not fit


def _numbers(typecode: str, bounds: str) -> Callable[[Any], Tensor]:
    def encode(value: Any) -> Tensor:
        try:
            return Tensor(array(typecode, value).tobytes(), (len(value),))
        except OverflowError:
            raise ValueError(f"a number lies outside {bounds}") from None

    return encode


def _base64(value: str) -> Tensor:
    try:
        data = base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise ValueError(f"the string is not base64: {error}") from None
    return Tensor(data, (len(data),))


def _text(value: str) -> Tensor:
    data = value.encode()
    return Tensor(data, (len(data),))


def _json(value: Any) -> Tensor:
    # Written anew, not passed on: what the container could not read would cost a whole batch its answers.
    data = msgspec.json.encode(value)
    return Tensor(data, (len(data),))


_TYPES = [
    InputType(
        "integers",
        list[int],
        "a list of whole numbers, such as [1, 2]",
        "<i4",
        _numbers("i", "the 32-bit integers"),
    ),
    InputType(
        "floats",
        list[float],
        "a list of numbers, such as [1.0, 2]",
        "<f4",
        _numbers("f", "the 32-bit floats"),
    ),
    InputType(
        "doubles",
        list[float],
        "a list of numbers, such as [1.0, 2]",
        "<f8",
        _numbers("d", "the 64-bit floats"),
    ),
    InputType("bytes", str, "a base64 string", "bytes", _base64),
    InputType("strings", str, 'a string, such as "some text"', "str", _text),
    InputType("json", Any, "any JSON value", "json", _json),
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


def canonical(name: str) -> str:
    """The full name of an input type given by name or by one of Clipper's short names."""
    full = _ALIASES.get(name, name)
    if full not in INPUT_TYPES:
        raise BadRequest(f"There is no input type {name!r}. Choose one of: {', '.join(INPUT_TYPES)}.")
    return full


def to_json(input_type: str, value: object) -> object:
    """`value` (a list, a numpy array, bytes or a string) as this input type's JSON value."""
    if input_type == "bytes" and isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode()
    try:
        return msgspec.json.decode(msgspec.json.encode(value, enc_hook=_plain))
    except (TypeError, msgspec.MsgspecError) as error:
        raise BadRequest(f"The example input cannot be written as JSON: {error}.") from None


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"it holds a {type(value).__name__}")


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


def decode(dtype: str, count: int, shapes: Sequence[Sequence[int]], body: Any) -> Any:
    """The inputs of one batch, as the model sees them.

    `shapes` holds one shape for all, or one an input. Numbers of one shape come as one numpy array
    [count, *shape], a view of `body` without a copy; of several shapes as a list of arrays; text as a
    list of str or bytes; JSON as a list of Python values.
    Raises ValueError where shapes and body do not agree.
    """
    if dtype in ("str", "bytes", "json"):
        sizes = [int(s[0]) for s in shapes]
        view = memoryview(body)
        pieces = []
        start = 0
        for size in sizes * count if len(sizes) == 1 and count != 1 else sizes:
            pieces.append(bytes(view[start : start + size]))
            start += size
        if start != len(view) or len(pieces) != count:
            raise ValueError("the lengths do not add up to the body")
        if dtype == "json":
            return [msgspec.json.decode(piece) for piece in pieces]
        return [piece.decode() for piece in pieces] if dtype == "str" else pieces
    flat = np.frombuffer(body, dtype=dtype)
    if len(shapes) == 1:
        return flat.reshape(count, *shapes[0])
    if len(shapes) != count:
        raise ValueError("there are not as many shapes as inputs")
    arrays = []
    start = 0
    for shape in shapes:
        size = int(np.prod(shape, dtype=np.int64))
        arrays.append(flat[start : start + size].reshape(shape))
        start += size
    if start != flat.size:
        raise ValueError("the shapes do not add up to the body")
    return arrays
