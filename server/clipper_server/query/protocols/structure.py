"""What a protobuf message may cost: looked at before anything is made of it.

Raw contents are bytes, and cost next to nothing. All else becomes objects, of which a few bytes ask for many.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from clipper_container.errors import BadRequest, TooLarge
from clipper_container.wire import Buffer

Raw = Mapping[int, Any]
"""Fields whose bytes are raw contents: None; or messages with such fields in them, as another mapping."""
MOST_FIELDS = 20_000
_FEW = 8
_CUT = "The message cannot be read: it ends within a field."


def check(data: bytes, raw: Raw, most: int) -> None:
    """Raises TooLarge where there are more than `most` bytes beside raw contents, or too many fields, and
    BadRequest where it is no message.
    """
    if len(data) > most or len(data) > MOST_FIELDS:  # else it has neither
        counted = _Count(most)
        counted.add(data, 0, len(data), raw)


def apart(data: bytes, number: int) -> tuple[bytes, list[memoryview]]:
    """A message without the fields of this number that are bytes, and those, of which none is copied.

    Raises BadRequest where it is no message.
    """
    view = memoryview(data)
    rest: list[memoryview] = []
    found: list[memoryview] = []
    kept = 0
    for each, kind, begin, at, end in _fields(data, 0, len(data)):
        if each == number and kind == 2:
            rest.append(view[kept:begin])
            found.append(view[at:end])
            kept = end
    return b"".join((*rest, view[kept:])), found


def before_last(data: bytes, number: int) -> tuple[bytes, memoryview] | None:
    """What stands before the one field of this number, which is bytes, and those, of which none is copied.

    None where it is not the last field, or not among the first few. Raises BadRequest where it is no message.
    """
    for each, kind, begin, at, end in islice(_fields(data, 0, len(data)), _FEW):
        if each == number:
            return (data[:begin], memoryview(data)[at:end]) if kind == 2 and end == len(data) else None
    return None


def prefixed(tag: bytes, data: Buffer) -> bytes:
    """A field that is bytes, after its tag and their number."""
    size, varint = len(data), bytearray()
    while size > 127:
        varint.append(size & 127 | 128)
        size >>= 7
    varint.append(size)
    return b"".join((tag, varint, data))


class _Count:
    def __init__(self, most: int) -> None:
        self._most = most
        self._bytes = self._fields = 0

    def add(self, data: bytes, start: int, stop: int, raw: Raw) -> None:
        for number, kind, begin, at, end in _fields(data, start, stop):
            self._fields += 1
            within = raw.get(number, _NOT_RAW) if kind == 2 else _NOT_RAW
            if within is _NOT_RAW:
                self._bytes += end - begin
            elif within is not None:
                self.add(data, at, end, within)
            if self._fields > MOST_FIELDS or self._bytes > self._most:
                raise TooLarge(
                    f"The message has more than {MOST_FIELDS} fields, or more than {self._most} bytes beside "
                    "raw contents. Send numbers as raw bytes, or in several requests. A cluster that is "
                    "started with max_json= takes more bytes."
                )


_NOT_RAW: Any = object()


def _fields(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int, int, int]]:
    """Of each its number and its kind, where it begins, and where its value does and ends."""
    while at < end:
        begin = at
        tag, at = _varint(data, at, end)
        kind = tag & 7
        size = 0
        if kind == 0:
            _, at = _varint(data, at, end)
        elif kind == 2:
            size, at = _varint(data, at, end)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise BadRequest("The message cannot be read: it has groups.")
        if at + size > end:
            raise BadRequest(_CUT)
        yield tag >> 3, kind, begin, at, at + size
        at += size


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    if at < end and (found := data[at]) < 128:  # as most are
        return found, at + 1
    found = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        at += 1
        found |= (byte & 127) << shift
        if byte < 128:
            return found, at
        shift += 7
    raise BadRequest(_CUT)
