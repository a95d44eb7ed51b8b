"""TensorFlow Serving's paths."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote

from .refusals import Refused, malformed

_WHICH = r"(?:/versions/(?P<version>[0-9]+)|/labels/(?P<label>[^/:]+))?"
_ASKS = re.compile(rf"/v1/models/(?P<model>[^/:]+){_WHICH}:(?P<what>classify|regress|predict)", re.I)
_TELLS = re.compile(rf"/v1/models(?:/(?P<model>[^/:]+))?{_WHICH}(?:/(?P<what>metadata))?", re.I)
_MOST = 2**63 - 1


class Named(NamedTuple):
    """A model, and what of it is asked for: predict, classify, regress, status or metadata.

    Of its version, or of the one that has the label.
    """

    what: str
    model: str
    version: str | None = None
    label: str | None = None


def read(method: str, path: str) -> Named:
    """What a request with this method is for; the path is as it came, without the query. Raises Refused."""
    grammar = {"POST": _ASKS, "GET": _TELLS, "HEAD": _TELLS}.get(method)
    found = None if grammar is None else grammar.fullmatch(path)
    if found is None:
        raise malformed(method, path)
    model, version, label, what = found.group("model", "version", "label", "what")
    if version is not None and len(version) > 19 and len(version := version.lstrip("0") or "0") > 19:
        raise _too_large(version)
    if version is not None and int(version) > _MOST:
        raise _too_large(version)
    if model is None:
        raise Refused("Missing model name in request.")
    return Named(
        (what or "status").lower(),
        unquote(model),
        None if version is None else str(int(version)),
        None if label is None else unquote(label),
    )


def is_number(version: str) -> bool:
    """Whether a version's name is what TensorFlow Serving calls a version: an int64."""
    return (
        len(version) <= 19
        and version.isascii()
        and version.isdigit()
        and str(int(version)) == version
        and (int(version) <= _MOST)
    )


def _too_large(version: str) -> Refused:
    return Refused(f"Failed to convert version: {version} to numeric.")
