"""Puts the pages together: what is written, with links within the site, and what is made of the code."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.support.notebooks import LESSONS, ROOT

from .lessons import shown
from .links import PAGES, linked, page_of, read, write
from .made import MADE

AS_THEY_ARE = {".svg", ".png", ".css", ".js", ".html", ".py"}
# The lessons are below their overview.
BELOW = {
    "tutorials/index.md": "\n".join(
        ["\n```{toctree}", ":hidden:", "", *(path.stem for path in LESSONS), "exercises", "roles", "```", ""]
    ),
}


def stage(pages: Path, recorded: Path) -> None:
    """Makes `pages` what Sphinx is to read, with the lessons' outputs that `recorded` has.

    What is in it and is no page any more goes.
    """
    there: set[Path] = set()

    def put(place: str, text: str) -> None:
        write(pages / place, text)
        there.add(pages / place)

    def copy(source: str) -> None:
        target = pages / page_of(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / source, target)
        there.add(target)

    for path in sorted((ROOT / "docs").rglob("*")):
        source = path.relative_to(ROOT).as_posix()
        if path.suffix in AS_THEY_ARE:
            copy(source)
        elif path.suffix == ".md":
            put(page_of(source), linked(path.read_text(encoding="utf-8"), source, page_of(source), copy))
    for source, page in PAGES.items():
        if source != "README.md":
            put(page, linked(read(source), source, page, copy) + BELOW.get(page, ""))
    for lesson in LESSONS:
        source = lesson.relative_to(ROOT).as_posix()
        put(page_of(source), shown(lesson, source, copy, recorded / lesson.parent.name / lesson.name))
        target = pages / "files" / source
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(lesson, target)
        there.add(target)
    for page, make in MADE.items():
        put(page, make())
    for path in pages.rglob("*"):
        if path.is_file() and path not in there:
            path.unlink()
