"""What several of Clipper's calls take and answer, and how Clipper writes values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from typing_extensions import TypedDict

from clipper_container.errors import NotFound
from clipper_container.near import meant

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


def no_such(said: str, name: str, known: Iterable[str]) -> NotFound:
    """Clipper's sentence about a name that nobody knows, and the one that was perhaps meant."""
    near = meant(name, known)
    return NotFound(f"{said.removesuffix('.')}.{near}" if near else said)


def no_version(said: str, wanted: ModelVersion, known: Iterable[Version]) -> NotFound:
    """The same of a version: where its model has none, that may have the wrong name."""
    models: dict[str, list[str]] = {}
    for version in known:
        models.setdefault(version.model, []).append(version.version)
    if wanted.model_name in models:
        return no_such(said, wanted.model_version, models[wanted.model_name])
    return no_such(said, wanted.model_name, models)


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
