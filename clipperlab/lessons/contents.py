"""Which files are the lessons. Where a wheel is built this runs by itself, so it imports nothing of ours."""

from __future__ import annotations

from pathlib import Path

# Where one leads to another, both are here.
_PATTERNS = (
    "*.md",
    "LICENSE",
    "notebooks/*.ipynb",
    "notebooks/*.md",
    "notebooks/roles/*.ipynb",
    "notebooks/roles/*.md",
    "notebooks/digits_app/*.py",
    "notebooks/digits_app/page/*",
    "exercises/*.ipynb",
    "exercises/*.md",
    "exercises/solutions/*.ipynb",
    "docs/*.*",
    "docs/*/*.*",
    "binder/README.md",
    "binder/workspace.json",
)


def contents(root: Path) -> list[str]:
    """Their paths below `root`, a checkout or what a wheel brings, with the pages that they lead to."""
    found = [path for pattern in _PATTERNS for path in root.glob(pattern) if path.is_file()]
    return sorted(path.relative_to(root).as_posix() for path in found)
