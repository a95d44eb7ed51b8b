"""Requests and answers as most are, read and written without numpy: one tensor of a few numbers, as JSON."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from clipper_container.inputs import InputType
from clipper_container.tensors import FORMATS, Tensor

from ...request import Answer
from ..json_body import Body
from .bodies import Form, InputParameters, Output, Parameters
from .outputs import OUTPUT, joined
from .tensors import NAMES

_NUMBERS = {"integers": int, "floats": float, "doubles": float}
_FEW = 4096  # bytes of all outputs
_MANY = 512


@lru_cache
def reader(kind: InputType) -> Callable[[Body], Any] | None:
    """Reads requests for inputs of this type, and nothing that is in another form; None for other types."""
    number = _NUMBERS.get(kind.name)
    if number is None:
        return None
    given = msgspec.defstruct(
        "Input",
        [
            ("name", str),
            ("shape", list[int]),
            ("datatype", str),
            ("data", list[number | list[number]]),  # type: ignore[valid-type]
            ("parameters", InputParameters | None, None),
        ],
        gc=False,
    )
    asked: Any = msgspec.defstruct(
        "Asked",
        [
            ("inputs", list[given]),  # type: ignore[valid-type]
            ("id", str | None, None),
            ("parameters", Parameters | None, None),
            ("outputs", list[Output] | None, None),
        ],
        gc=False,
    )
    return msgspec.json.Decoder(asked).decode


def tensors(kind: InputType, asked: Any, check: Callable[[int], None]) -> list[Tensor] | None:
    """The inputs, or None where they are in another form. `check` is told how many there are."""
    if len(asked.inputs) != 1:
        return None
    (given,) = asked.inputs
    shape, data = given.shape, given.data
    if len(shape) != 2 or given.parameters is not None or given.datatype != NAMES.get(kind.dtype):
        return None
    count, length = shape
    if count < 1 or length < 1 or not data:
        return None
    if count == 1 and len(data) == 1 and data[0].__class__ is list and len(data[0]) == length:
        check(1)
        return _encoded(kind, data)
    kinds = {*map(type, data)}
    if kinds == {list}:
        rows = data
    elif list in kinds or len(data) != count * length:
        return None
    else:
        rows = [data] if count == 1 else [data[i : i + length] for i in range(0, len(data), length)]
    if len(rows) != count or {*map(len, rows)} != {length}:
        return None
    check(count)
    return _encoded(kind, rows)


def _encoded(kind: InputType, rows: list[Any]) -> list[Tensor] | None:
    try:
        return kind.encode_all(rows)
    except ValueError:  # what does not fit is told of elsewhere
        return None


def one(name: str, answer: Answer) -> bytes | None:
    """The answer, where it is one of which nothing is asked and nothing more is to be said."""
    output = answer.output
    if output.__class__ is not Tensor or answer.choice is not None or answer.token is not None:
        return None
    data, shape, dtype = output
    if answer.partial or dtype not in FORMATS or len(data) > _FEW:
        return None
    head, tail, numbers = _around(name, answer.version, dtype, (1, *shape))
    return b'%b,"parameters":{"query_ids":[%d]%b%b}]}' % (head, answer.query_id, tail, _encode(numbers(data)))


def written(name: str, form: Form, answers: Sequence[Answer]) -> bytes | None:
    """The answer; None where there is anything more to say."""
    for wanted in form.outputs:
        if wanted.name != OUTPUT or wanted.classes:
            return None
    if form.is_binary(OUTPUT) if form.outputs else form.binary:
        return None
    found = whole(answers)
    if found is None or found.dtype not in FORMATS or len(found.data) > _FEW:
        return None
    data, shape, dtype = found
    head, tail, numbers = _around(name, answers[0].version, dtype, shape)
    told = _id(form.id) if form.id is not None else b""
    ids = _encode([answer.query_id for answer in answers])
    return b'%b%b,"parameters":{"query_ids":%b%b%b}]}' % (head, told, ids, tail, _encode(numbers(data)))


@lru_cache(1024)
def _around(
    name: str, version: str, dtype: str, shape: tuple[int, ...]
) -> tuple[bytes, bytes, Callable[[Any], tuple[Any, ...]]]:
    """What stands before the ids and behind them, and what reads the numbers."""
    read = struct.Struct(f"<{math.prod(shape)}{FORMATS[dtype]}").unpack
    head = b'{"model_name":%b,"model_version":%b' % (_encode(name), _encode(version))
    tail = b'},"outputs":[{"name":"%b","shape":%b,"datatype":"%b","data":'
    return head, tail % (OUTPUT.encode(), _encode(shape), NAMES[dtype].encode()), read


def whole(answers: Sequence[Answer]) -> Tensor | None:
    """The answers' outputs as one tensor of numbers; None where there is anything more to say of them."""
    if not 0 < len(answers) <= _MANY:
        return None
    for answer in answers:
        if answer.partial or answer.choice is not None or answer.token is not None:
            return None
    return joined([answer.output for answer in answers])


_encode = msgspec.json.Encoder().encode


def _id(id: str) -> bytes:
    return b',"id":' + msgspec.json.encode(id)
