"""Files that somebody names: what the system refuses is said in a sentence that has their name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clipper_container.errors import BadRequest


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Raises BadRequest where the file or folder cannot be read."""
    try:
        yield
    except OSError as error:
        raise BadRequest(f"{path} cannot be read: {_why(path, error)}.") from None


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raises BadRequest where the file or folder cannot be written."""
    try:
        yield
    except OSError as error:
        raise BadRequest(f"{path} cannot be written: {_why(path, error)}. Name another place.") from None


def _why(path: Path, error: OSError) -> str:
    if isinstance(error, FileNotFoundError) and not path.parent.exists():
        return f"there is no folder {path.parent}"
    why = error.strerror or str(error)
    return why[:1].lower() + why[1:]
