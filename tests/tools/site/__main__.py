"""`python -m tests.tools.site [FOLDER]`: makes the site, in build/site. A warning is an error."""

from __future__ import annotations

import sys
from pathlib import Path

from sphinx.cmd.build import main as sphinx

from tests.support.notebooks import ROOT

from .stage import stage


def build(site: Path) -> int:
    """Makes the site, with what it is made of beside it. Sphinx's exit status."""
    pages = site.parent / "pages"
    stage(pages)
    doctrees = str(site.parent / "doctrees")
    return int(sphinx(["-q", "-W", "--keep-going", "-j", "2", "-d", doctrees, str(pages), str(site)]))


if __name__ == "__main__":
    site = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "site"
    status = build(site)
    if status == 0:
        sys.stdout.write(f"The site is {site / 'index.html'}\n")
    sys.exit(status)
