"""JSON as TensorFlow Serving reads it: with NaN and Infinity, and with anything after the first value."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from .refusals import Refused

_SHOWN = 200  # letters of a value
_SAID = {
    "Expecting value": "Invalid value.",
    "Expecting property name": "Missing a name for object member.",
    "Expecting ':'": "Missing a colon after a name of object member.",
    "Expecting ','": "Missing a comma, or the end of an object or array.",
    "Illegal trailing comma": "Missing a name for object member, or a value.",
    "Unterminated string": "Missing a closing quotation mark in string.",
    "Invalid \\escape": "Invalid escape character in string.",
    "Invalid control character": "Invalid encoding in string.",
}
_WORDS = {type(None): "Null", dict: "Object", list: "Array", str: "String", int: "Number", float: "Number"}
_decode = json.JSONDecoder().raw_decode


def read(body: bytes | bytearray | memoryview) -> dict[str, Any]:
    """The object in a body. Raises Refused."""
    try:
        text = bytes(body).decode("utf-8-sig").lstrip(" \t\r\n")
    except UnicodeDecodeError as error:
        raise _unread("Invalid encoding in string.", error.start) from None
    if not text:
        raise Refused("JSON Parse error: The document is empty")
    try:
        found, _ = _decode(text)
    except json.JSONDecodeError as error:
        said = next((ours for theirs, ours in _SAID.items() if error.msg.startswith(theirs)), error.msg)
        raise _unread(said, len(bytes(body)) - len(text[error.pos :].encode("utf-8", "replace"))) from None
    except RecursionError:
        raise Refused("JSON Parse error: It is nested too deeply.") from None
    except ValueError:  # of digits there are thousands
        raise Refused("JSON Parse error: Number too big to be stored in double.") from None
    if "\\ud" in text or "\\uD" in text:
        try:
            json.dumps(found, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise Refused("JSON Parse error: The surrogate pair in string is invalid.") from None
    if not isinstance(found, dict):
        raise Refused(f"JSON Value: {shown(found)} Is not object")
    return found


def signature_name(request: dict[str, Any]) -> str:
    """Empty without one."""
    name = request.get("signature_name", "")
    if not isinstance(name, str):
        raise Refused(
            f"JSON Value: {shown(request)} not formatted correctly. "
            "'signature_name' key must be a string value."
        )
    return name


def is_base64(value: Any) -> bool:
    return type(value) is dict and len(value) == 1 and type(value.get("b64")) is str


def from_base64(value: Any) -> bytes:
    if not is_base64(value):
        raise Refused(f"JSON Value: {shown(value)} not formatted correctly for base64 data")
    text = value["b64"]
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise Refused("Unable to base64 decode") from None


def base64_object(data: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(data).decode()}


def mistyped(value: Any, wanted: str) -> Refused:
    return Refused(f"JSON Value: {shown(value)} Type: {kind(value)} is not of expected type: {wanted}")


def kind(value: Any) -> str:
    """What JSON calls it."""
    return str(value) if isinstance(value, bool) else _WORDS[type(value)]


def shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _unread(why: str, offset: int) -> Refused:
    return Refused(f"JSON Parse error: {why} at offset: {offset}")
