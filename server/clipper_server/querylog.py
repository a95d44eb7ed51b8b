"""The query log: what is kept of single queries, as records that are framed one after the other.

A frame is a length and a CRC-32, in four bytes each, and so many bytes of MessagePack. A process may be
killed while it writes: whoever reads leaves out what is torn.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator

import msgspec

_HEAD = struct.Struct(">II")
MAX_RECORD = 64 << 10  # bytes: a length beyond that is no length


class Said(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a version answered: a JSON text, or a tensor's bytes with their type and shape; or why it did not.

    An output that is too large to be kept has only its `size`, in bytes. `ms` is from the queue to the reply,
    and None where the cache knew the output.
    """

    output: bytes = b""
    dtype: str = ""
    shape: tuple[int, ...] = ()
    size: int = 0
    reason: str = ""
    text: str = ""
    ms: float | None = None


class Pair(msgspec.Struct, frozen=True, omit_defaults=True, tag="pair"):
    """What the current version (`before`) and a shadow (`after`) said to one input.

    `at` is in seconds since 1970. `same`: byte for byte, or within the shadow's
    tolerance. `data` is the input, as `tensors.decode` reads it;
    None where it is too large.
    """

    shadow: int
    query_id: int
    at: float
    application: str
    control: str
    same: bool
    before: Said
    after: Said
    data: bytes | None = None
    dtype: str = ""
    shape: tuple[int, ...] = ()


class Shed(msgspec.Struct, frozen=True, tag="shed"):
    """Inputs that a shadow was not asked, by reason, since the record before."""

    shadow: int
    reasons: dict[str, int]


class Dropped(msgspec.Struct, frozen=True, tag="dropped"):
    """Records for which there was no room."""

    count: int


class Chosen(msgspec.Struct, frozen=True, omit_defaults=True, tag="chosen"):
    """A decision: the `arms` that answered, as model:version, with the probability that it was these.

    `ms` is from the request to its answer, and `at` in seconds since 1970. The log has about the part
    `sample` of all decisions. `data` is the input as in Pair, where the application keeps them.
    """

    query_id: int
    at: float
    application: str
    context: str
    arms: tuple[str, ...]
    propensity: float
    ms: float
    sample: float = 1.0
    data: bytes | None = None
    dtype: str = ""
    shape: tuple[int, ...] = ()


class Reward(msgspec.Struct, frozen=True, tag="reward"):
    """What feedback made of one decision: for each arm that it judged."""

    query_id: int
    application: str
    rewards: list[tuple[str, float]]


class Batch(msgspec.Struct, frozen=True, tag="batch"):
    """The records that follow came together. The same batch may come twice."""

    name: str


Record = Pair | Shed | Chosen | Reward | Dropped | Batch

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Record] = msgspec.msgpack.Decoder(Record)


def frame(record: Record) -> bytes:
    """The record as it is written."""
    text = _encoder.encode(record)
    return _HEAD.pack(len(text), zlib.crc32(text)) + text


class Reader:
    """Reads frames; `torn` counts the places where there was none."""

    def __init__(self) -> None:
        self.torn = 0

    def frames(self, data: bytes) -> Iterator[tuple[Record, bytes]]:
        """Each record, and its frame. After a length that cannot be, the rest is left out."""
        at = 0
        while at < len(data):
            head = data[at : at + _HEAD.size]
            if len(head) < _HEAD.size:
                self.torn += 1
                return
            length, checksum = _HEAD.unpack(head)
            whole = data[at : at + _HEAD.size + length]
            if length > MAX_RECORD or len(whole) < _HEAD.size + length:
                self.torn += 1
                return
            at += len(whole)
            record = _record(whole[_HEAD.size :], checksum)
            if record is None:
                self.torn += 1
            else:
                yield record, whole

    def records(self, data: bytes) -> Iterator[Record]:
        for record, _ in self.frames(data):
            yield record


def _record(text: bytes, checksum: int) -> Record | None:
    if zlib.crc32(text) != checksum:
        return None
    try:
        return _decoder.decode(text)
    except msgspec.MsgspecError:
        return None


def framed(records: Iterable[Record]) -> bytes:
    return b"".join(map(frame, records))
