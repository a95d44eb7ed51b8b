"""Where a file of the repository is in the site, and links between files made links between pages."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from tests.support.notebooks import ROOT

# What is a page under another name; docs/ and lessons are where their names say, and all else is a download.
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "binder/README.md": "how-to/binder.md",
    "exercises/README.md": "tutorials/exercises.md",
    "notebooks/README.md": "tutorials/index.md",
    "notebooks/roles/README.md": "tutorials/roles.md",
}
_LINK = re.compile(r"(?<=\]\()(?!\w+:|#|/)([^)#\s]+)((?:#[^)\s]*)?)(?=\))")
_WHOLE = re.compile(r"\[([^]]+)\]\((?!\w+:|#|/)([^)#\s]+)\)")


def page_of(path: str) -> str:
    """The place in the site of a file of the repository."""
    if path in PAGES:
        return PAGES[path]
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    if re.fullmatch(r"notebooks/\d\d_\w+\.ipynb", path):
        return f"tutorials/{PurePosixPath(path).name}"
    return f"files/{path}"


def linked(text: str, source: str, page: str, download: Callable[[str], None]) -> str:
    """The text of the file `source` as it is to stand in `page`. `download` is told of files that are none.

    A link to a folder without a README is its words alone. Raises FileNotFoundError for one that leads
    nowhere.
    """

    def moved(found: re.Match[str]) -> str:
        target = os.path.normpath(PurePosixPath(source).parent / found[1])
        if source.startswith("docs/") and not (ROOT / target).exists():
            return found[0]  # a page that is made: Sphinx finds out whether it is there
        if not (ROOT / target).exists():
            raise FileNotFoundError(f"{source} links to {found[1]}, which is not there")
        if (ROOT / target).is_dir():
            target += "/README.md"
        place = page_of(target)
        way = os.path.relpath(place, PurePosixPath(page).parent) + found[2]
        if place.startswith("files/"):
            download(target)
            return f"path:{way}"  # to have, and no page
        return way

    def without_folders(found: re.Match[str]) -> str:
        folder = ROOT / PurePosixPath(source).parent / found[2]
        return found[1] if folder.is_dir() and not (folder / "README.md").exists() else found[0]

    return _LINK.sub(moved, _WHOLE.sub(without_folders, text))


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def write(path: Path, text: str) -> None:
    """Only where it is another text: Sphinx makes a page anew when its file is newer."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
