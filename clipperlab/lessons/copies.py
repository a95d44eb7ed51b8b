"""Copies of the lessons, to work in: of a checkout, or of what the wheel brings."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from clipper_container.errors import BadRequest

from .contents import contents

BROUGHT = Path(__file__).parent / "material"  # there in a wheel only: hatch_build.py puts it there
CHECKOUT = Path(__file__).parents[2]
FOLDER = "clipper-lab"  # where no other is named


@dataclass(frozen=True)
class Copied:
    """What became of each file: it is new, was the same already, or differs and was kept."""

    folder: Path
    new: tuple[str, ...]
    same: tuple[str, ...]
    kept: tuple[str, ...]


def copy_out(folder: Path) -> Copied:
    """Copy the lessons into a folder, which is made where there is none. What is there already stays.

    A file is whole or not there, also where this is interrupted. Raises BadRequest where it cannot be
    written.
    """
    source = BROUGHT if BROUGHT.is_dir() else CHECKOUT
    fates: dict[str, list[str]] = {"new": [], "same": [], "kept": []}
    try:
        for name in contents(source):
            fates[_copy(source / name, folder / name)].append(name)
    except OSError as error:
        raise BadRequest(
            f"The lessons cannot be copied to {folder}: {error}. Name another folder, one of your own."
        ) from error
    return Copied(folder, **{fate: tuple(names) for fate, names in fates.items()})


def _copy(source: Path, target: Path) -> str:
    if os.path.lexists(target):
        is_same = target.is_file() and target.read_bytes() == source.read_bytes()
        return "same" if is_same else "kept"
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        shutil.copyfile(source, partial)
        partial.rename(target)
    finally:
        partial.unlink(missing_ok=True)
    return "new"
