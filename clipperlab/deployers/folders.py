"""Folders that travel in an artifact."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path


def paths(folder: Path) -> Iterator[Path]:
    """All files in it, in order, but for what Python has compiled."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path


def files(folder: Path, under: str) -> dict[str, bytes]:
    """The parts of the artifact that they are. Raises OSError."""
    return {f"{under}/{path.relative_to(folder).as_posix()}": path.read_bytes() for path in paths(folder)}
