"""What a model archive says of itself, in MAR-INF/MANIFEST.json."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from ..errors import BadRequest

PLACES = ("MAR-INF/MANIFEST.json", "MANIFEST.json")
PREFIX = "mar/"
"""Of the parts of an artifact that are an archive's files."""
EXPLAIN = "explain"
"""The part that says that the handler is to explain predictions, and makes none."""


class Model(msgspec.Struct, rename="camel"):
    handler: str
    model_name: str | None = None
    config_file: str | None = None
    requirements_file: str | None = None


class _Written(msgspec.Struct):
    model: Model


class Manifest(NamedTuple):
    model: Model
    whole: dict[str, Any]

    @property
    def module(self) -> str:
        """The handler's, with or without .py."""
        return self.model.handler.partition(":")[0].removesuffix(".py")

    @property
    def function(self) -> str:
        return self.model.handler.partition(":")[2]


def read(data: bytes) -> Manifest:
    """Raises BadRequest."""
    try:
        whole = msgspec.json.decode(data, type=dict[str, Any])
        found = Manifest(msgspec.convert(whole, _Written).model, whole)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"The archive's manifest cannot be read: {error}.") from None
    if not found.module:
        raise BadRequest("The archive's manifest names no handler, which answers. Archive it again with one.")
    return found


def find(get: Callable[[str], bytes | None]) -> Manifest:
    """By what gives a file, or None where there is none. Raises BadRequest."""
    for place in PLACES:
        if (data := get(place)) is not None:
            return read(data)
    raise BadRequest(f"It is no model archive: it has no {PLACES[0]}.")
