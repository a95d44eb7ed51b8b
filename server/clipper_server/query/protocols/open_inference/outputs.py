"""One tensor of all outputs, and how JSON has it."""

from __future__ import annotations

import struct
from typing import Any

import msgspec
import numpy as np

from clipper_container.inputs import Tensor

from ...slices import SMALL, Steps
from ...task import Output
from .tensors import DATATYPES, NAMES, split

_AT_ONCE = 1024  # numbers that are written in one step


def describe_output(example: tuple[str, tuple[int, ...]] | bytes) -> tuple[str, list[int]]:
    """Datatype and shape of a tensor of outputs like this one: a JSON text, or a tensor's dtype and shape."""
    if isinstance(example, bytes):
        tensor = as_tensor(example)
        example = tensor.dtype, tensor.shape
    dtype, shape = example
    return (NAMES[dtype], [-1, *shape]) if dtype in NAMES else ("BYTES", [-1])


def stacked(outputs: list[Tensor]) -> Tensor | None:
    """One tensor of all outputs, where all are numbers of one shape."""
    first = outputs[0]
    count = len(outputs)
    if first.dtype not in NAMES or any(o.shape != first.shape or o.dtype not in NAMES for o in outputs):
        return None
    if all(o.dtype == first.dtype for o in outputs):
        data = first.data if count == 1 else b"".join(o.data for o in outputs)
        return Tensor(data, (count, *first.shape), first.dtype)
    dtype = np.result_type(*{o.dtype for o in outputs})
    data = b"".join(np.frombuffer(o.data, o.dtype).astype(dtype).tobytes() for o in outputs)
    return Tensor(data, (count, *first.shape), dtype.str)


def as_texts(outputs: list[Tensor]) -> Steps[Tensor]:
    """One tensor of BYTES: of all outputs' texts."""
    parts = []
    for output in outputs:
        text = _as_text(output)
        parts.append(struct.pack("<I", len(text)) + text)
        yield
    return Tensor(b"".join(parts), (len(outputs),), "bytes")


def as_tensor(output: Output) -> Tensor:
    if isinstance(output, Tensor):
        return output
    try:
        value = msgspec.json.decode(output)
    except (msgspec.DecodeError, RecursionError):
        value = None  # as JSON text it can still be told
    if isinstance(value, str):
        output = value.encode()
    elif isinstance(value, list | int | float):
        try:
            found = np.asarray(value)
        except ValueError:
            found = np.asarray(None)  # rows of several lengths
        if found.dtype.str in NAMES:
            return Tensor(found.tobytes(), found.shape, found.dtype.str)
    return Tensor(output, (len(output),), "bytes")


def _as_text(output: Tensor) -> bytes:
    if output.dtype in NAMES:
        return msgspec.json.encode(np.frombuffer(output.data, output.dtype).reshape(output.shape).tolist())
    return bytes(output.data)


def elements(tensor: Tensor) -> list[Any] | None:
    """The elements of an output, or None where JSON cannot have them."""
    if tensor.dtype == DATATYPES["FP16"]:
        return None
    if tensor.dtype in NAMES:
        numbers: list[Any] = np.frombuffer(tensor.data, tensor.dtype).tolist()
        return numbers
    try:
        return [text.decode() for text in split(memoryview(tensor.data))]
    except UnicodeDecodeError:
        return None


def as_json(tensor: Tensor) -> Steps[list[bytes] | None]:
    """The same as an array of JSON has them, in parts."""
    texts: list[bytes] = []
    if tensor.dtype in NAMES:
        size = _AT_ONCE * np.dtype(tensor.dtype).itemsize
        for start in range(0, len(tensor.data), size):
            numbers = elements(Tensor(tensor.data[start : start + size], (), tensor.dtype))
            if numbers is None:
                return None
            texts.append(msgspec.json.encode(numbers)[1:-1])
            yield
    else:
        try:
            for text in split(memoryview(tensor.data)):
                texts.append(msgspec.json.encode(text.decode()))
                yield
        except UnicodeDecodeError:
            return None
    return (yield from with_commas(texts))


def with_commas(texts: list[bytes]) -> Steps[list[bytes]]:
    """What stands between the brackets, in parts that are neither many nor large."""
    parts: list[bytes] = []
    for start in range(0, len(texts), SMALL):
        if start:
            parts.append(b",")
        parts.append(b",".join(texts[start : start + SMALL]))
        yield
    return parts
