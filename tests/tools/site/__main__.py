"""`python -m tests.tools.site [FOLDER [RECORDED]]`: makes the site, in build/site, with what `make notebooks`
kept of the lessons in build/lessons. Versions that are there already stay. A warning is an error.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

from sphinx.cmd.build import main as sphinx

from tests.support.notebooks import RECORDED, ROOT

from . import versions
from .stage import stage

FOLDERS = (ROOT / "build" / "site", RECORDED)


def build(site: Path, recorded: Path) -> int:
    """Makes this version's pages in the site, with what they are made of beside it. Sphinx's exit status."""
    folder = site / versions.folder_of(version("clipperlab"))
    pages = site.parent / "pages"
    stage(pages, recorded)
    doctrees = str(site.parent / "doctrees")
    status = int(sphinx(["-q", "-W", "--keep-going", "-j", "2", "-d", doctrees, str(pages), str(folder)]))
    if status == 0:
        versions.write(site)
    return status


if __name__ == "__main__":
    site, recorded = [*map(Path, sys.argv[1:]), *FOLDERS[len(sys.argv) - 1 :]]
    status = build(site, recorded)
    if status == 0:
        sys.stdout.write(f"The site is {site / 'index.html'}\n")
    sys.exit(status)
