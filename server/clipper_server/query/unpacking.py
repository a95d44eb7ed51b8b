"""Bodies that were packed for the way: `Content-Encoding: gzip` or `deflate`."""

from __future__ import annotations

import zlib

from clipper_container.errors import BadRequest, TooLarge

from .incoming import Incoming
from .limits import too_long
from .protocols.json_body import Body
from .slices import Slices, Steps

ENCODINGS = b"gzip", b"x-gzip", b"deflate"
_PIECE = 1 << 16  # bytes, in and out, of one step
_GZIP, _ZLIB, _RAW = 31, 15, -15  # what zlib calls them


def unpacked(encoding: bytes, packed: Body, most: int, slices: Slices) -> Steps[Body]:
    """The body. It is never more than a step beyond `most` bytes. Raises BadRequest or TooLarge."""
    unpacker = zlib.decompressobj(_RAW if encoding == b"deflate" else _GZIP)
    if encoding == b"deflate" and int.from_bytes(packed[:2]) % 31 == 0 and packed[:1] and packed[0] & 15 == 8:
        unpacker = zlib.decompressobj(_ZLIB)  # as the standard has it; some send it bare
    view = memoryview(packed)
    body = Incoming(most, slices)
    start = 0
    try:
        while start < len(view) and not unpacker.eof:
            rest: bytes | memoryview = view[start : start + _PIECE]
            start += _PIECE
            part = b""
            while rest or len(part) == _PIECE:
                part = unpacker.decompress(rest, _PIECE)
                rest = unpacker.unconsumed_tail
                if body.size + len(part) > most:
                    raise TooLarge(too_long(None, most))
                body.add(part)
                yield
    except zlib.error as error:
        raise BadRequest(f"The body is not packed as its Content-Encoding says: {error}.") from None
    if not unpacker.eof or unpacker.unused_data or start < len(view):
        raise BadRequest("What is packed ends before the body does, or after it. Send the whole of it once.")
    return body.take()
