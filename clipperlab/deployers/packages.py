"""Packages that a framework's models need where they run."""

from __future__ import annotations

import importlib.metadata
from contextlib import suppress


def pinned(*names: str) -> list[str]:
    """The first of these that is installed here, in the version that it has here."""
    for name in names:
        with suppress(importlib.metadata.PackageNotFoundError):
            return [f"{name}=={importlib.metadata.version(name).partition('+')[0]}"]
    return []
