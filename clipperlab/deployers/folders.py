"""Folders that travel in an artifact."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from clipper_container.errors import BadRequest


def paths(folder: Path) -> Iterator[Path]:
    """All files in it, in order, but for what Python has compiled, and what is hidden (`.git`, `.env`): that
    is nobody's model, and may be somebody's secret.
    """
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if not any(part.startswith(".") or part == "__pycache__" for part in parts) and path.is_file():
            yield path


def files(folder: Path, under: str) -> dict[str, bytes]:
    """The parts of the artifact that they are. Raises BadRequest where they cannot be read."""
    try:
        return {
            PurePosixPath(under, path.relative_to(folder).as_posix()).as_posix(): path.read_bytes()
            for path in paths(folder)
        }
    except OSError as error:
        raise BadRequest(f"The folder {folder} cannot be read: {error}.") from None
