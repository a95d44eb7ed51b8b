"""JSON as clients send it: what is read all the same, and in words what is wrong with the rest."""

from __future__ import annotations

import re

import msgspec

from clipper_container.errors import BadRequest

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


UNREAD = (msgspec.DecodeError, ValueError, OverflowError, RecursionError)
"""What a body raises that does not say what it should."""


def unread(
    error: Exception, body: Body, expected: str, misfit: str = "", unparsed: str = "Error parsing JSON"
) -> BadRequest:
    """What is said of one of these; `misfit` begins the sentence about values that do not fit."""
    if isinstance(error, msgspec.ValidationError):
        said = str(error)
    elif isinstance(error, msgspec.DecodeError | UnicodeDecodeError):
        said = f"{unparsed}: {mistake(error, body)}"
    elif isinstance(error, RecursionError):
        said = "The JSON is nested too deeply"
    else:
        said = f"{misfit}: {error}"
    return BadRequest(f"{said}. {expected}")


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
