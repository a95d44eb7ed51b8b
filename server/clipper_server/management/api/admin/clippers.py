"""What several of Clipper's calls take and answer, and how Clipper writes values."""

from __future__ import annotations

from typing import Any

import msgspec
from typing_extensions import TypedDict

from ...state import State, Version
from ..bodies import Body, check_value


class Name(Body):
    name: str


class ModelVersion(Body):
    model_name: str
    model_version: str


class Verbose(Body):
    verbose: bool = False


class Nothing(TypedDict):
    """`{}`: what Clipper answers where there is none like that."""


def known_versions(state: State) -> list[Version]:
    """Those that Clipper would know of."""
    return [version for version in state.versions() if version.state != "failed"]


def as_value(text: str) -> Any:
    """As Clipper reads a text where it answers with it: the JSON that it is, or else the text itself."""
    try:
        value = msgspec.json.decode(text)
        check_value(value)
    except (ValueError, RecursionError):
        return text
    return value


def as_text(value: Any) -> str:
    """The other way round."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
