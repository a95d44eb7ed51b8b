"""One tensor of all outputs, and how JSON has it."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np

from clipper_container.named import is_named, laid_out
from clipper_container.tensors import Tensor, as_plain, taken_apart

from ...examples import Example
from ...slices import SMALL, Steps
from ...task import Output
from .bodies import Wanted
from .tensors import DATATYPES, NAMES, split

OUTPUT = "output"
"""What an output is called that has no name."""
_OBJECT = "object"  # the dtype of a JSON object, which has names
_AT_ONCE = 1024  # numbers that are written in one step, ...
_SMALL_PART = 4096  # ... or bytes of them


def describe_outputs(example: Example) -> dict[str, tuple[str, list[int]]]:
    """Datatype and shape, by name, of the tensors of outputs like this one."""
    if isinstance(example, bytes):
        tensor = as_tensor(example)
        if tensor.dtype == _OBJECT:
            return {name: _described(part.dtype, part.shape) for name, part in _parts(tensor).items()}
        example = tensor.dtype, tensor.shape
    dtype, shape = example
    if not is_named(dtype):
        return {OUTPUT: _described(dtype, shape)}
    return {part.name: _described(part.dtype, own) for part, own, _, _ in laid_out(dtype, shape)}


def _described(dtype: str, shape: Sequence[int]) -> tuple[str, list[int]]:
    if dtype in NAMES:
        return NAMES[dtype], [-1, *shape]
    return "BYTES", [-1, -1] if dtype == "json" else [-1]  # a list of texts


def names_of(example: Example) -> list[str]:
    """Those of outputs like this one, a set or an object; none where they have none."""
    if isinstance(example, bytes):
        return _names_in(as_tensor(example))
    return [part.name for part, *_ in laid_out(*example)] if is_named(example[0]) else []


def _names_in(output: Tensor) -> list[str]:
    if output.dtype == _OBJECT:
        return list(msgspec.json.decode(output.data, type=dict[str, msgspec.Raw]))
    return names_of((output.dtype, output.shape))


def check_wanted(wanted: Sequence[Wanted], names: Sequence[str]) -> None:
    """Raises ValueError where an output is wanted that is not among these. Without names it is `OUTPUT`."""
    for output in wanted:
        if output.name not in (names or (OUTPUT,)):
            raise ValueError(
                f"there is no output {output.name[:100]!r}, only {', '.join(names or (OUTPUT,))}"
            )


def by_name(outputs: Sequence[Tensor], names: Sequence[str]) -> Steps[dict[str, list[Tensor]]]:
    """A row of each output for each name; nothing where not all have the same names.

    Those are `names` where no output has any itself: a default output may be a JSON object that has them.
    """
    with_names = (output for output in outputs if is_named(output.dtype))
    first = next(with_names, outputs[0] if outputs else None)
    names = (_names_in(first) if first is not None else []) or names
    found: dict[str, list[Tensor]] = {name: [] for name in names}
    for output in outputs if names else ():
        parts = _parts(output)
        if parts.keys() != found.keys():
            return {}
        for name, rows in found.items():
            rows.append(parts[name])
        yield
    return found if outputs else {}


def _parts(output: Tensor) -> dict[str, Tensor]:
    if is_named(output.dtype):
        return taken_apart(output)
    if output.dtype not in ("bytes", _OBJECT) or bytes(output.data[:1]) != b"{":
        return {}
    try:
        values = msgspec.json.decode(output.data, type=dict[str, msgspec.Raw])
    except msgspec.MsgspecError:
        return {}
    return {name: as_tensor(bytes(value)) for name, value in values.items()}


def joined(outputs: Sequence[Output | None]) -> Tensor | None:
    """One tensor of all outputs, where all are numbers of one type and one shape."""
    if len(outputs) == 1:  # as most are
        (one,) = outputs
        if not isinstance(one, Tensor) or one.dtype not in NAMES:
            return None
        return Tensor(one.data, (1, *one.shape), one.dtype)
    if {*map(type, outputs)} != {Tensor}:
        return None
    parts, shapes, dtypes = zip(*outputs, strict=True)
    count, shape, dtype = len(parts), shapes[0], dtypes[0]
    if dtype not in NAMES or dtypes.count(dtype) != count or shapes.count(shape) != count:
        return None
    return Tensor(parts[0] if count == 1 else b"".join(parts), (count, *shape), dtype)


def stacked(outputs: list[Tensor]) -> Tensor | None:
    """One tensor of all outputs, where all are numbers of one shape."""
    if (whole := joined(outputs)) is not None:
        return whole
    first = outputs[0]
    count = len(outputs)
    if any(o.shape != first.shape or o.dtype not in NAMES for o in outputs):
        return None
    dtype = np.result_type(*{o.dtype for o in outputs})
    data = b"".join(np.frombuffer(o.data, o.dtype).astype(dtype).tobytes() for o in outputs)
    return Tensor(data, (count, *first.shape), dtype.str)


def as_texts(outputs: list[Tensor]) -> Steps[Tensor]:
    """One tensor of BYTES: of all outputs' texts; or of the texts in them, if all are lists of one length."""
    if outputs and all(output.dtype == "json" for output in outputs):
        lists = [_texts_in(output) for output in outputs]
        yield
        if lists[0] is not None and all(each is not None and len(each) == len(lists[0]) for each in lists):
            texts = [text.encode() for each in lists for text in each or ()]
            data = b"".join(struct.pack("<I", len(text)) + text for text in texts)
            return Tensor(data, (len(outputs), len(lists[0])), "bytes")
    parts = []
    for output in outputs:
        text = _as_text(output)
        parts.append(struct.pack("<I", len(text)) + text)
        yield
    return Tensor(b"".join(parts), (len(outputs),), "bytes")


def _texts_in(output: Tensor) -> list[str] | None:
    try:
        return msgspec.json.decode(output.data, type=list[str])
    except msgspec.MsgspecError:
        return None


def as_tensor(output: Output) -> Tensor:
    if isinstance(output, Tensor):
        return output
    try:
        value = msgspec.json.decode(output)
    except (msgspec.DecodeError, RecursionError):
        value = None  # as JSON text it can still be told
    if isinstance(value, str):
        output = value.encode()
    elif isinstance(value, dict) and value:
        return Tensor(output, (len(output),), _OBJECT)
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
    if is_named(output.dtype):
        return msgspec.json.encode(as_plain(output))
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


def in_parts(output: Output, text: Callable[[Output], bytes]) -> Steps[list[bytes]]:
    """One output as nested lists, in parts that are not large. `text` writes what is small."""
    parts: list[bytes] = []
    if isinstance(output, Tensor) and is_named(output.dtype):
        for name, part in taken_apart(output).items():
            inner = yield from in_parts(part, text)
            parts += [b"," if parts else b"{", msgspec.json.encode(name), b":", *inner]
        return [*parts, b"}"]
    yield
    if not isinstance(output, Tensor) or output.dtype not in NAMES or len(output.data) <= _SMALL_PART:
        return [text(output)]
    data, shape, dtype = output
    size = len(data) // shape[0]
    step = max(_SMALL_PART // size, 1)
    for start in range(0, shape[0], step):
        some = data[start * size : (start + step) * size]
        parts.append(b"," if parts else b"[")
        if step == 1:
            parts += yield from in_parts(Tensor(some, shape[1:], dtype), text)
        else:
            parts.append(text(Tensor(some, (len(some) // size, *shape[1:]), dtype))[1:-1])
            yield
    return [*parts, b"]"]


def with_commas(texts: list[bytes], comma: bytes = b",") -> Steps[list[bytes]]:
    """What stands between the brackets, in parts that are neither many nor large."""
    parts: list[bytes] = []
    for start in range(0, len(texts), SMALL):
        if start:
            parts.append(comma)
        parts.append(comma.join(texts[start : start + SMALL]))
        yield
    return parts
