"""Folders that travel in an artifact."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from clipper_container.errors import BadRequest


def paths(folder: Path) -> Iterator[Path]:
    """All files in it, in order, but for what Python has compiled, and what is hidden (`.git`, `.env`): that
    is nobody's model, and may be somebody's secret.
    """
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not _stays(name))
        for name in sorted(names):
            path = Path(parent, name)
            if not _stays(name) and path.is_file():
                yield path


def _stays(name: str) -> bool:
    return name.startswith(".") or name == "__pycache__"


def files(folder: Path, under: str) -> dict[str, bytes]:
    """The parts of the artifact that they are. Raises BadRequest where they cannot be read."""
    try:
        return {
            PurePosixPath(under, path.relative_to(folder).as_posix()).as_posix(): path.read_bytes()
            for path in paths(folder)
        }
    except OSError as error:
        raise BadRequest(f"The folder {folder} cannot be read: {error}.") from None
