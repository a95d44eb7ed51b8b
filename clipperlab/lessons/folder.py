"""Where the lessons lie: in the checkout, or where somebody copied them to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .copies import CHECKOUT, FOLDER

OVERVIEW = "README.md"


def lessons_below(root: Path) -> dict[str, Any] | None:
    """The paths below `root` of their `overview` and of the `lessons`; None where they are not there."""
    for around in (CHECKOUT, root, root / FOLDER, root.parent):
        folder = around / "notebooks"
        lessons = sorted(folder.glob("[0-9][0-9]_*.ipynb"))
        if lessons and (folder / OVERVIEW).is_file() and folder.is_relative_to(root):
            lessons_there = [lesson.relative_to(root).as_posix() for lesson in lessons]
            return {"overview": (folder / OVERVIEW).relative_to(root).as_posix(), "lessons": lessons_there}
    return None
