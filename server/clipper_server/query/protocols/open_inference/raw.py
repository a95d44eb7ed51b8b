"""Requests and answers over gRPC as most are: one tensor in raw contents, and nothing besides.

What stands before the raw contents is the same in most of a client's requests, and is read once. An answer
is put together from parts, of which most are written once: the same bytes as the message's, in a third of the
time.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import msgspec
from google.protobuf.message import DecodeError

from clipper_container.errors import BadRequest
from clipper_container.tensors import Tensor

from ...request import Answer
from ..structure import before_last, prefixed
from ..tensors import Whole
from .messages import messages
from .outputs import OUTPUT
from .tensors import DATATYPES, NAMES

_RAW = messages.ModelInferRequest.DESCRIPTOR.fields_by_name["raw_input_contents"].number
_LONGEST = 512  # bytes before the raw contents


class Given(NamedTuple):
    model: str
    version: str | None
    id: str | None
    tensors: dict[str, Whole]


class _Head(NamedTuple):
    """What is said of the one tensor, and of what it is for."""

    model: str
    version: str | None
    id: str | None
    name: str
    dtype: str
    shape: tuple[int, ...]


def read(data: bytes) -> Given | None:
    """What a request says; None of one that is not as most are, or that is none."""
    try:
        parts = before_last(data, _RAW)
    except BadRequest:
        return None
    if parts is None or len(parts[0]) > _LONGEST or (head := _head(parts[0])) is None:
        return None
    model, version, id, name, dtype, shape = head
    return Given(model, version, id, {name: Whole(dtype, shape, parts[1])})


@lru_cache(1024)
def _head(data: bytes) -> _Head | None:
    try:
        asked = messages.ModelInferRequest.FromString(data)
    except DecodeError:
        return None
    if len(asked.inputs) != 1 or asked.outputs or asked.parameters:
        return None
    (given,) = asked.inputs
    shape, dtype = tuple(given.shape), DATATYPES.get(given.datatype)
    if dtype is None or given.parameters or given.HasField("contents") or min(shape, default=0) < 0:
        return None
    return _Head(asked.model_name, asked.model_version or None, asked.id or None, given.name, dtype, shape)


def written(model: str, id: str | None, answers: Sequence[Answer], whole: Tensor) -> bytes:
    """The answer, of which nothing is to be told but these numbers."""
    ids = msgspec.json.encode([answer.query_id for answer in answers])
    data, shape, dtype = whole
    return b"".join(
        (
            _about(model, answers[0].version),
            b"" if id is None else prefixed(b"\x1a", id.encode()),
            prefixed(b'"', _QUERY_IDS + prefixed(b"\x12", prefixed(b"\x1a", ids))),
            _output(dtype, shape),
            prefixed(b"2", data),
        )
    )


_QUERY_IDS = prefixed(b"\n", b"query_ids")


@lru_cache(1024)
def _about(model: str, version: str) -> bytes:
    data: bytes = messages.ModelInferResponse(model_name=model, model_version=version).SerializeToString()
    return data


@lru_cache(1024)
def _output(dtype: str, shape: tuple[int, ...]) -> bytes:
    response = messages.ModelInferResponse()
    response.outputs.add(name=OUTPUT, datatype=NAMES[dtype], shape=shape)
    data: bytes = response.SerializeToString()
    return data
