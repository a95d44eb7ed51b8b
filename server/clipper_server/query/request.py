"""What every protocol's request comes down to, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from clipper_container.tensors import Tensor
from clipper_container.wire import Fault

from .slices import SMALL
from .task import Output

BROKEN = "internal_error"
"""Why a query is refused that we have not answered by our own fault."""


class Request(NamedTuple):
    """What every protocol's request comes down to. `protocol` is its name.

    `version` asks for one version of the model, `timeout_s` for an answer earlier than the objective, `raw`
    for outputs as tensors; without `cached` the prediction cache is left out. `unit` is whom a choice among
    arms sticks to, and `context` what a learner may tell apart, or `features` the numbers that it weighs, as
    they travel. `form` is how the answer is to be written, which is the protocol's own affair.
    """

    protocol: str
    tensors: list[Tensor]
    version: str | None = None
    timeout_s: float | None = None
    cached: bool = True
    raw: bool = False
    form: Any = None
    unit: str | None = None
    context: str = ""
    features: bytes = b""


class Choice(NamedTuple):
    """What a policy that has a choice did for one answer.

    `model` is the version that answered; None where several were combined. `confidence` is the part of the
    weight that is behind it, or what the model of a cascade says of itself; None where there is none. Of the
    arms that were `asked`, `used` are in the answer.
    """

    model: str | None
    confidence: float | None
    asked: int
    used: int


def choice_of(model: str | None, confidence: float | None, asked: int, used: int) -> Choice:
    """One of so many that are alike, where there is no confidence."""
    return _kept(model, asked, used) if confidence is None else Choice(model, confidence, asked, used)


@lru_cache(1024)
def _kept(model: str | None, asked: int, used: int) -> Choice:
    return Choice(model, None, asked, used)


class Answer(msgspec.Struct, frozen=True, gc=False):
    """`output` is None where it is the default output; `fault` then says why.

    `version` is the model's that answered, or was to answer. Without a choice among models `choice` is None.
    By its `token` feedback is given, where the application collects any. It is `partial` where a pipeline
    did without the output of a model that it called, or a cascade without that of a model that it wanted.
    """

    query_id: int
    output: Output | None
    fault: Fault | None
    version: str
    choice: Choice | None = None
    token: str | None = None
    partial: bool = False


_AT_ONCE = 1 << 16  # bytes of outputs


def are_small(answers: Sequence[Answer]) -> bool:
    """Whether they are written at once: they are few, and so are the bytes of their outputs."""
    if len(answers) > SMALL:
        return False
    size = 0
    for answer in answers:
        output = answer.output
        if output is not None:
            size += len(output.data if isinstance(output, Tensor) else output)
    return size <= _AT_ONCE


Reply = Callable[[list[Answer]], None]
