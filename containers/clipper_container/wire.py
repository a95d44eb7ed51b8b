"""The wire between query frontends and model containers, on one page.

A container dials a frontend over a stream. Both sides then send frames:

    u32 header length | u32 body length | header | body          (little-endian)

The header is one of the messages below, as MessagePack: an array whose first item is the message's name.
A body follows `Batch`, `Reply`, `Call` and `Called` only: the raw tensors of the inputs, or the outputs (JSON
texts, or raw tensors where they were asked for), one after the other. Never a pickle.

    container                                frontend
    Hello  (version, token, who I am)   →
                                        ←    Welcome | Refused (then both close)
    Ready  (what its warm-up measured)  →
    Credit (you may send so many)       →
                                        ←    Batch   (spends one credit)
    Reply  (may give one credit)        →
    Call   (ask another model for me)   →
                                        ←    Called  (its output, or why there is none)
    Cancel (I do not need that any more) →
                                        ←    Backlog (queries wait here, and I have no credit)
    Recall (others wait: have you any?) →
                                        ←    Yield   (the credits that I had left)
    Metrics (what the model measured)   →
    Notice (a sentence for its owner)   →
    Draining (send me no more)          →
                                        ←    Released (that was the last)

The credits are the container's, however many frontends there are (`credits.Credits`): two in all, one for
the batch that executes and one for the next; or as many as may execute at once, and then replies come in any
order. A call takes none.

`Hello` keeps its first two fields in every future version, so that a mismatch can be told in words.
Frames over the limits, and anything that does not decode, end the connection with a `WireError`.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from .errors import WireError

Buffer = bytes | memoryview

WIRE_VERSION = 7
MAX_HEADER = 4 << 20
MAX_EXAMPLE = 4096  # bytes of an answer to the example input that a replica tells
MAX_BODY = 1 << 30
PREFIX = struct.Struct("<II")


class Hello(msgspec.Struct, tag="hello", array_like=True, frozen=True):
    wire: int
    token: str
    model: str
    version: str
    replica: str
    pid: int

    def __repr__(self) -> str:
        return f"<hello of replica {self.replica} of {self.model}:{self.version}>"  # without the token


class Welcome(msgspec.Struct, tag="welcome", array_like=True, frozen=True):
    frontend: str


class Refused(msgspec.Struct, tag="refused", array_like=True, frozen=True):
    message: str


class Ready(msgspec.Struct, tag="ready", array_like=True, frozen=True):
    """The model is loaded. `measured` holds (cost of a batch, seconds that it took) from the warm-up.

    `warnings` are sentences for the person who deployed it. `example` is the answer to the example input,
    where there is one and it is small: its dtype and shape where it can be a tensor, else its JSON text.
    """

    measured: list[tuple[float, float]]
    warnings: list[str] = []
    example: tuple[str, tuple[int, ...]] | bytes | None = None


class Credit(msgspec.Struct, tag="credit", array_like=True, frozen=True):
    credits: int


class Backlog(msgspec.Struct, tag="backlog", array_like=True, frozen=True):
    pass


class Recall(msgspec.Struct, tag="recall", array_like=True, frozen=True):
    pass


class Yield(msgspec.Struct, tag="yield", array_like=True, frozen=True):
    credits: int


class Batch(msgspec.Struct, tag="batch", array_like=True, frozen=True):
    """`shapes` holds one for all inputs, or one an input (see `tensors.decode`).

    `dtypes` holds each dtype once; where there are several, `kinds` has the place of each input's in it.
    `raw` names the inputs, by position, whose outputs are wanted as raw tensors where they can be. A model
    that may call others, or works on several batches at once, is told how many seconds are `left` for it.
    """

    id: int
    count: int
    dtypes: list[str]
    shapes: list[tuple[int, ...]]
    raw: list[int]
    kinds: list[int] = []
    left_s: float = 0.0

    def each(self) -> list[str]:
        """The dtypes, one for all inputs, or one an input. Raises ValueError."""
        if not self.kinds:
            return self.dtypes
        if not 0 <= min(self.kinds) <= max(self.kinds) < len(self.dtypes):
            raise ValueError("an input is of a dtype that the batch has not")
        return [self.dtypes[kind] for kind in self.kinds]


class Fault(msgspec.Struct, array_like=True, frozen=True):
    """Why there is no output. A model's own are model_error, wrong_output_length, bad_output, call_failed."""

    reason: str
    message: str


class Reply(msgspec.Struct, tag="reply", array_like=True, frozen=True):
    """`sizes` are the outputs' lengths in bytes; an output that failed has size 0, and its fault in `faults`.

    An output is a JSON text, or a raw tensor where `tensors` names it: for each dtype and shape that there
    are, where the outputs of these stand. They are those of a set (see `named`) where the model's outputs
    have names. `fault` is set, and the rest empty, where the batch failed as a whole. `compute_s` is the time
    that the model itself took.
    `partial`: the defaults of `calls.Models` stand in it for outputs that there were not.
    """

    id: int
    compute_s: float
    credits: int
    sizes: list[int]
    tensors: list[tuple[str, tuple[int, ...], list[int]]]
    faults: dict[int, Fault]
    fault: Fault | None
    partial: bool = False


class Call(msgspec.Struct, tag="call", array_like=True, frozen=True):
    """The model that works on `batch` asks `model` for the output of one input, the body.

    It is a raw tensor, or a JSON text where `dtype` is empty. The answer is wanted within `left_s` seconds.
    """

    id: int
    batch: int
    model: str
    left_s: float
    dtype: str
    shape: tuple[int, ...]


class Cancel(msgspec.Struct, tag="cancel", array_like=True, frozen=True):
    id: int


class Called(msgspec.Struct, tag="called", array_like=True, frozen=True):
    """The answer to a call: a raw tensor with that dtype and shape, or a JSON text without; or the fault."""

    id: int
    dtype: str
    shape: tuple[int, ...]
    fault: Fault | None


class Metric(msgspec.Struct, array_like=True):
    """One of the model's own. A gauge's value is its `sum`. `counts` are by upper bound, the last beyond."""

    name: str
    kind: str
    description: str
    bounds: list[float]
    counts: list[int]
    sum: float = 0.0
    count: int = 0


class Metrics(msgspec.Struct, tag="metrics", array_like=True, frozen=True):
    """All that there are, to one frontend at a time, at most once a second."""

    metrics: list[Metric]


class Notice(msgspec.Struct, tag="notice", array_like=True, frozen=True):
    """What its owner should know, to one frontend."""

    text: str


class Draining(msgspec.Struct, tag="draining", array_like=True, frozen=True):
    pass


class Released(msgspec.Struct, tag="released", array_like=True, frozen=True):
    pass


ToFrontend = Hello | Ready | Credit | Reply | Call | Cancel | Recall | Metrics | Notice | Draining
ToContainer = Welcome | Refused | Batch | Called | Backlog | Yield | Released

_Message = TypeVar("_Message")
_encoder = msgspec.msgpack.Encoder()
_to_frontend: msgspec.msgpack.Decoder[ToFrontend] = msgspec.msgpack.Decoder(ToFrontend)
_to_container: msgspec.msgpack.Decoder[ToContainer] = msgspec.msgpack.Decoder(ToContainer)


def frame(message: Any, body: Sequence[Buffer] = ()) -> list[Buffer]:
    """The buffers of one frame, to be written in order (none of the body is copied).

    A view in `body` must be one of bytes, for its length is taken as its size.
    """
    header = _encoder.encode(message)
    return [PREFIX.pack(len(header), sum(map(len, body))) + header, *body]


def lengths(prefix: bytes | bytearray | memoryview) -> tuple[int, int]:
    """Header and body length of the frame that begins with these 8 bytes."""
    header, body = PREFIX.unpack(prefix)
    if not 0 < header <= MAX_HEADER or body > MAX_BODY:
        raise WireError(
            f"A frame announces {header} bytes of header and {body} of body, over the limits of "
            f"{MAX_HEADER} and {MAX_BODY}: the other end does not speak this wire."
        )
    return header, body


def to_frontend(header: bytes | bytearray | memoryview) -> ToFrontend:
    return _decode(_to_frontend, header)


def to_container(header: bytes | bytearray | memoryview) -> ToContainer:
    return _decode(_to_container, header)


def _decode(decoder: msgspec.msgpack.Decoder[_Message], header: Any) -> _Message:
    try:
        return decoder.decode(header)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WireError(f"A frame's header cannot be read: {error}.") from None
