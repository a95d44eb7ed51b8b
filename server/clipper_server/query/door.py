"""The one door for what a replica says: all of it is checked here, and taken for true from then on.

A replica is a model's process, and may say anything. What cannot be read or cannot be so raises WireError:
the replica is closed, with that sentence, and its own application pays for it. Nothing is believed of a
connection that has not said hello: it has a few bytes and a few seconds for that.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import accumulate
from typing import TypeVar, cast

import msgspec
import numpy as np

from clipper_container import named, wire
from clipper_container.credits import MAX_CONCURRENCY
from clipper_container.errors import WireError
from clipper_container.metrics import KINDS, MAX_BUCKETS, MOST
from clipper_container.named import DTYPES, is_named
from clipper_container.tensors import Tensor, sized_tensor, tensors_of
from clipper_container.wire import Fault, Metric

from .task import Outcome, Task

HELLO_S = 5.0
MAX_HELLO = 4096  # bytes of it
MAX_CREDITS = 16  # of one replica, those that are spent included; or as many as it works on at once
MAX_DIMENSIONS = 32  # of a tensor
MAX_MEASURED = 1000  # batches of a warm-up
MAX_BATCH_S = 1e6  # that a batch takes, and ...
MAX_COST = 1e12  # ... what it costs: nothing is reckoned well with numbers beyond
MAX_TEXT = 1000  # characters of a sentence: what is longer is cut
MAX_NAME = 253  # as of a pod
REASONS = frozenset({"model_error", "wrong_output_length", "bad_output", "call_failed", "deadline"})
_KEPT = 1 << 16  # bytes: what is larger is not zeroed first, and takes memory only as it comes
_METRIC = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,99}")
_TEXTS = {"bytes", "str"}  # the outputs that are tensors and no numbers
_SIZES = {dtype: np.dtype(dtype).itemsize for dtype in DTYPES}

_is_json = msgspec.json.Decoder(msgspec.Raw).decode
Message = TypeVar("Message", bound=wire.ToFrontend)


def lengths(prefix: memoryview, known: bool, asked: bool) -> tuple[int, int]:
    """Header and body length of the next frame, of a replica that has said hello (`known`).

    It was `asked` where a batch is with it: nothing but an answer has a body.
    """
    header, body = wire.lengths(prefix)
    if not known and (header > MAX_HELLO or body):
        raise WireError(f"It announces {header} and {body} bytes before it has said hello.")
    if body and not asked:
        raise WireError(f"It announces {body} bytes of outputs, and nothing was asked of it.")
    return header, body


def room(size: int) -> memoryview:
    """A buffer for a frame of so many bytes."""
    return memoryview(bytearray(size) if size <= _KEPT else np.empty(size, np.uint8))  # type: ignore[arg-type]


def checked(message: Message) -> Message:
    """The message, its texts cut, where it can be so by itself. `outcomes` looks at replies."""
    match message:
        case wire.Hello(replica=name):
            if not name.isprintable() or not 0 < len(name) <= MAX_NAME:
                raise WireError(f"It calls itself {shown(name)}, which is no name of a replica.")
        case wire.Ready(measured=measured, warnings=warnings, example=example):
            _check_example(example)
            if len(measured) > MAX_MEASURED:
                raise WireError(f"It measured {len(measured)} batches; {MAX_MEASURED} is the most.")
            for cost, seconds in measured:
                if not (1 <= cost <= MAX_COST and 0 <= seconds <= MAX_BATCH_S):
                    raise WireError(f"It says that a batch of cost {cost:g} took it {seconds:g} s.")
            told = [sentence(text) for text in warnings[:MOST]]
            return cast(Message, msgspec.structs.replace(message, warnings=told))
        case wire.Credit(credits=credits):
            if not 0 < credits <= MAX_CONCURRENCY:
                raise WireError(f"It gives {credits} credits; {MAX_CONCURRENCY} is the most.")
        case wire.Metrics(metrics=metrics):
            if len(metrics) > MOST:
                raise WireError(f"It has {len(metrics)} metrics of its own; {MOST} is the most.")
            for metric in metrics:
                _check(metric)
        case wire.Notice(text=text):
            return cast(Message, wire.Notice(" ".join(sentence(text).split())))
        case wire.Call(shape=shape, left_s=left_s):
            if len(shape) > MAX_DIMENSIONS or min(shape, default=0) < 0 or not math.isfinite(left_s):
                raise WireError("It made a call that is none.")
    return message


def _check_example(example: tuple[str, tuple[int, ...]] | bytes | None) -> None:
    if isinstance(example, bytes):
        if len(example) > wire.MAX_EXAMPLE:
            raise WireError(
                f"Its answer to the example has {len(example)} bytes; {wire.MAX_EXAMPLE} is the most."
            )
        _check_json([example])
    elif example is not None:
        dtype, shape = example
        if is_named(dtype):
            _check_set(dtype, shape)
        elif dtype not in DTYPES and dtype not in _TEXTS:
            raise WireError(f"Its answer to the example is of {shown(dtype)}.")
        if len(shape) > MAX_DIMENSIONS or min(shape, default=0) < 0:
            raise WireError(f"Its answer to the example has the shape {shown(str(shape))}.")


def _check(metric: Metric) -> None:
    if not _METRIC.fullmatch(metric.name) or metric.kind not in KINDS:
        raise WireError(f"It has a {shown(metric.kind)} by the name of {shown(metric.name)}.")
    buckets = len(metric.bounds)
    fits = len(metric.counts) == buckets + 1 if metric.kind == "Histogram" else not buckets
    if not fits or buckets > MAX_BUCKETS or len(metric.counts) > MAX_BUCKETS + 1:
        raise WireError(f"Its {metric.name} has {buckets} bounds and {len(metric.counts)} counts.")
    finite = all(map(math.isfinite, metric.bounds))
    if not finite or any(a >= b for a, b in zip(metric.bounds, metric.bounds[1:], strict=False)):
        raise WireError(f"The bounds of its {metric.name} do not grow.")
    if not math.isfinite(metric.sum):
        raise WireError(f"Its {metric.name} is {metric.sum:g}.")
    if min(metric.counts, default=0) < 0 or metric.count < 0:
        raise WireError(f"Its {metric.name} counts less than nothing.")
    metric.description = " ".join(sentence(metric.description).split())


def outcomes(reply: wire.Reply, body: memoryview, tasks: Sequence[Task]) -> Sequence[Outcome] | Fault:
    """What the replica answered these tasks: an outcome for each, or a fault for the whole batch."""
    if not 0.0 <= reply.compute_s <= MAX_BATCH_S:
        raise WireError(f"It says that a batch took it {reply.compute_s:g} s.")
    if not 0 <= reply.credits <= MAX_CREDITS:
        raise WireError(f"It gives {reply.credits} credits; {MAX_CREDITS} is the most.")
    if reply.fault is not None:
        if len(body):
            raise WireError("It sent outputs with a fault of the whole batch.")
        return _fault(reply.fault)
    sizes, tensors, faults = reply.sizes, reply.tensors, reply.faults
    if len(sizes) != len(tasks) or sum(sizes) != len(body) or min(sizes, default=0) < 0:
        raise WireError("It sent a reply whose sizes do not add up.")
    if len(tensors) == 1 and (rows := _rows(reply, body, tasks)) is not None:
        return rows
    ends = accumulate(sizes)
    texts = [bytes(body[end - size : end]) for end, size in zip(ends, sizes, strict=True)]
    found: list[Outcome] = [*texts]
    asked = {i for i, task in enumerate(tasks) if task.raw} if tensors else set()
    for dtype, shape, places in tensors:
        if not places or len(places) > len(asked) or not asked.issuperset(places):
            raise WireError("It sent a tensor for which nobody asked.")
        asked.difference_update(places)  # each of them comes once
        parts = [texts[i] for i in places]
        size = _size(dtype, shape)
        if {*map(len, parts)} == {size}:
            made = tensors_of(b"".join(parts), size, shape, dtype)
        else:
            made = [_tensor(data, shape, dtype) for data in parts]
        for i, tensor in zip(places, made, strict=True):
            found[i] = tensor
    for i, fault in faults.items():
        if not 0 <= i < len(tasks) or sizes[i]:
            raise WireError("It sent a reply with a fault of no output.")
        found[i] = _fault(fault)
    _check_json([outcome for outcome in found if outcome.__class__ is bytes])
    return found


def _rows(reply: wire.Reply, body: memoryview, tasks: Sequence[Task]) -> list[Tensor] | None:
    """The outputs, where all are numbers of one type and one shape, as most raw ones are; None of others."""
    ((dtype, shape, places),) = reply.tensors
    size, count = _size(dtype, shape), len(tasks)
    if size < 0 or reply.sizes.count(size) != count or places != [*range(count)] or reply.faults:
        return None
    return None if False in [task.raw for task in tasks] else tensors_of(body, size, shape, dtype)


def _check_json(outputs: Sequence[bytes]) -> None:
    try:
        for output in outputs:
            _is_json(output)
            if not output.isascii():
                output.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"It sent an output that is no JSON: {error}.") from None


def _check_set(dtype: str, shape: tuple[int, ...], data: bytes | None = None) -> None:
    try:
        if len(dtype) > named.MAX_DTYPE:
            raise ValueError(f"its parts are named in {len(dtype)} letters; {named.MAX_DTYPE} is the most")
        named.check(dtype, shape, data)
    except ValueError as error:
        raise WireError(f"It sent named outputs that are none: {shown(str(error))}.") from None


def _size(dtype: str, shape: tuple[int, ...]) -> int:
    """Bytes of such a tensor of numbers, as most are; -1 of any other."""
    plain = dtype in _SIZES and len(shape) <= MAX_DIMENSIONS and min(shape, default=1) > 0
    return math.prod(shape) * _SIZES[dtype] if plain else -1


def _tensor(data: bytes, shape: tuple[int, ...], dtype: str) -> Tensor:
    if is_named(dtype):
        _check_set(dtype, shape, data)
        return Tensor(data, shape, dtype)
    if dtype in _TEXTS and shape == (len(data),):
        return Tensor(data, shape, dtype)
    try:
        if dtype not in DTYPES or min(shape, default=0) < 0:
            raise ValueError(f"of {shown(dtype)} and the shape {shown(str(shape))}")
        return sized_tensor(data, shape, dtype)
    except ValueError as error:
        raise WireError(f"It sent a tensor that is none: {error}.") from None


def _fault(fault: Fault) -> Fault:
    if fault.reason not in REASONS:
        raise WireError(f"It gives a reason that there is not: {shown(fault.reason)}.")
    return fault if len(fault.message) <= MAX_TEXT else Fault(fault.reason, sentence(fault.message))


def sentence(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]} ..."


def shown(text: str) -> str:
    """What a stranger says, for a line of a log."""
    return ascii(text if len(text) <= 100 else f"{text[:100]}...")
