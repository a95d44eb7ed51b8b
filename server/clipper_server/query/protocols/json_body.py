"""JSON as clients send it: what is read all the same, and in words what is wrong with the rest."""

from __future__ import annotations

import re

import msgspec

_BOM = b"\xef\xbb\xbf"
_OTHER_ESCAPES = re.compile(rb"\\[^u]")
_PAIR = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_HALF = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_BYTE = re.compile(r"\(byte (\d+)\)")

Body = bytes | bytearray | memoryview


def unmarked(body: Body, error: msgspec.DecodeError) -> Body:
    """The body without the byte order mark at its beginning. Raises the error where there is none."""
    if bytes(body[:3]) != _BOM:
        raise error
    return body[3:]


def mistake(error: Exception, body: Body) -> str:
    """Why the body is no JSON."""
    head = bytes(body[:4])
    if b"\0" in head or head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "it is UTF-16 or UTF-32, and JSON is UTF-8"
    said = str(error)
    if "surrogate" in said or "truncated" in said:
        half = _HALF.search(_PAIR.sub(b"", _OTHER_ESCAPES.sub(b"", bytes(body))))
        if half is not None:
            return f"{half[0].decode()} is half of a character, and the other half is not beside it"
    if (at := _BYTE.search(said)) is not None:
        found = bytes(body[max(0, int(at[1]) - 1) : int(at[1]) + 9])
        if b"NaN" in found:
            return f"{said}: JSON has no NaN, and null stands for it"
        if b"Inf" in found:
            return f"{said}: JSON has no infinity. Send it as a binary tensor, by the Open Inference Protocol"
    return said
