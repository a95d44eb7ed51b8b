"""The protocol's datatypes, and the elements of BYTES."""

from __future__ import annotations

import struct
from collections.abc import Iterator

DATATYPES = {
    "BOOL": "|b1",
    "UINT8": "|u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "|i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}
NAMES = {dtype: name for name, dtype in DATATYPES.items()}


def split(data: memoryview) -> Iterator[bytes]:
    """The elements of BYTES: each a length in 32 bits, and so many bytes."""
    start = 0
    while start < len(data):
        if start + 4 > len(data):
            raise ValueError("the binary data ends in the middle of an element's length")
        (size,) = struct.unpack_from("<I", data, start)
        start += 4 + size
        if start > len(data):
            raise ValueError("the binary data ends in the middle of an element")
        yield bytes(data[start - size : start])
