"""JSON as TensorFlow Serving writes it: floats always with a point, NaN and Infinity as they are.

A float of single precision has six digits where these are enough, and else nine: 0.1, and no
0.10000000149011612.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from clipper_container.named import DTYPES, is_named
from clipper_container.tensors import Tensor, taken_apart

from ...slices import SMALL, Steps
from ...task import Output
from ..open_inference.outputs import as_tensor, by_name, in_parts, joined
from .reading import base64_object

_FORMATS: dict[str, Any] = {
    **{"|b1": "?", "|u1": "B", "<u2": "H", "<u4": "I", "<u8": "Q", "|i1": "b", "<i2": "h", "<i4": "i"},
    **{"<i8": "q", "<f8": "d"},
}
_AT_ONCE = 4096  # bytes of outputs that are written in one step
BYTES_SUFFIX = "_bytes"
"""What is called so holds bytes, and travels as base64."""


def dumped(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def numbers(data: bytes | memoryview, shape: tuple[int, ...], dtype: str) -> bytes:
    """A tensor's numbers. Without numpy, which takes longer for the few that most answers have."""
    if dtype == "<f2":
        data, dtype = np.frombuffer(data, dtype).astype("<f4").tobytes(), "<f4"
    if not len(data):
        return msgspec.json.encode(np.empty(shape).tolist())
    view = memoryview(data)
    if view.format != "B":
        view = view.cast("B")
    if dtype == "<f4":
        view = memoryview(array("d", singles(view.cast("f").tolist()))).cast("B")
        dtype = "<f8"
    values: Any = view.cast(_FORMATS[dtype], shape).tolist()
    text = msgspec.json.encode(values)
    return text if b"null" not in text else dumped(values)  # it has no NaN, and no infinity


def singles(values: Sequence[float]) -> list[float]:
    """Floats of single precision, so that they have no more digits than they need."""
    tried = [float(f"{value:.6g}") for value in values]
    again = array("f", tried)
    return [
        short if single == value else float(f"{value:.9g}")
        for value, short, single in zip(values, tried, again, strict=True)
    ]


def as_text(output: Output) -> bytes:
    """An output as JSON has it."""
    if not isinstance(output, Tensor):
        return _with_bytes(output) if output[:1] == b"{" and BYTES_SUFFIX.encode() in output else output
    if output.dtype in DTYPES:
        return numbers(*output)
    if is_named(output.dtype):
        parts = taken_apart(output).items()
        return b"{%b}" % b",".join([msgspec.json.encode(name) + b":" + as_text(part) for name, part in parts])
    if output.dtype == "json":
        return bytes(output.data)
    if output.dtype == "str":
        return msgspec.json.encode(bytes(output.data).decode())
    return dumped(base64_object(bytes(output.data)))


def _with_bytes(output: bytes) -> bytes:
    found = msgspec.json.decode(output)
    for name, value in found.items():
        if name.endswith(BYTES_SUFFIX):
            found[name] = _texts_in_base64(value)
    return dumped(found)


def _texts_in_base64(value: Any) -> Any:
    if isinstance(value, list):
        return [_texts_in_base64(each) for each in value]
    return base64_object(value.encode()) if isinstance(value, str) else value


def rows(outputs: Sequence[Output]) -> Steps[list[bytes]]:
    """What stands between the brackets of `predictions`: of each output, in parts that are not large."""
    parts: list[bytes] = []
    size = max([len(o.data if isinstance(o, Tensor) else o) for o in outputs], default=0)
    step = min(max(_AT_ONCE // max(size, 1), 1), SMALL)
    for start in range(0, len(outputs), step):
        if start:
            parts.append(b",")
        if step == 1:
            parts += yield from in_parts(outputs[start], as_text)
        else:
            some = outputs[start : start + step]
            parts.append(few(some) or b",".join(map(as_text, some)))
            yield
    return parts


def few(outputs: Sequence[Output | None]) -> bytes | None:
    """The same in one piece, of one output or of a few numbers; None of others, or where one is missing."""
    if len(outputs) == 1:
        return None if outputs[0] is None else as_text(outputs[0])
    whole = joined(outputs)
    return None if whole is None or len(whole.data) > _AT_ONCE else numbers(*whole)[1:-1]


def columns(outputs: Sequence[Output]) -> Steps[list[bytes]]:
    """What `outputs` is: all outputs as one list, or one for each name where they have names."""
    named: dict[str, list[Tensor]] = {}
    if _any_named(outputs):
        named = yield from by_name([as_tensor(output) for output in outputs], [])
    yield
    if named:
        parts: list[bytes] = []
        for name, each in named.items():
            texts = yield from rows(each)
            parts += [b"," if parts else b"{", msgspec.json.encode(name), b":[", *texts, b"]"]
        return [*parts, b"}"]
    names = _names(outputs)
    if not names:
        return [b"[", *(yield from rows(outputs)), b"]"]
    found: dict[str, list[bytes]] = {name: [] for name in names}
    for output in outputs:
        text = as_text(output)
        for name, value in msgspec.json.decode(text, type=dict[str, msgspec.Raw]).items():
            found[name].append(bytes(value))
        yield
    parts = []
    for name, values in found.items():
        parts += [b"," if parts else b"{", msgspec.json.encode(name), b":[", b",".join(values), b"]"]
        yield
    return [*parts, b"}"]


def _any_named(outputs: Sequence[Output]) -> bool:
    return any(isinstance(output, Tensor) and is_named(output.dtype) for output in outputs)


def _names(outputs: Sequence[Output]) -> list[str]:
    """Those that all outputs have, if they have any; several at least."""
    common: list[str] | None = None
    for output in outputs:
        if isinstance(output, Tensor) or output[:1] != b"{":
            return []
        names = list(msgspec.json.decode(output, type=dict[str, msgspec.Raw]))
        if common is not None and set(names) != set(common):
            return []
        common = names if common is None else common
    return common or []
