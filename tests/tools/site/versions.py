"""Versions of the site, side by side in one folder: `versions.js` there is what their pages choose from."""

from __future__ import annotations

import json
from pathlib import Path

from packaging.version import Version

FIRST = """<!doctype html>
<meta charset="utf-8">
<meta http-equiv="refresh" content="0; url={name}/index.html">
<title>Clipper Lab</title>
<a href="{name}/index.html">The documentation of Clipper Lab</a>
"""


def folder_of(version: str) -> str:
    """The folder of a version's pages: one for all that come before a release."""
    return "dev" if Version(version).is_devrelease else version


def listed(site: Path) -> list[str]:
    """The versions in the site's folder: what is not released yet, and then releases, newest first."""
    found = [path.parent.name for path in site.glob("*/index.html")]
    releases = sorted((name for name in found if name != "dev"), key=Version, reverse=True)
    return [*(["dev"] if "dev" in found else []), *releases]


def write(site: Path) -> None:
    """Writes the list, with each one's pages, and a first page that leads to the newest release."""
    names = listed(site)
    pages = {name: [str(p.relative_to(site / name)) for p in (site / name).rglob("*.html")] for name in names}
    (site / "versions.js").write_text(f"window.clipperlabVersions = {json.dumps(pages)};\n", encoding="utf-8")
    releases = [name for name in names if name != "dev"] or names
    (site / "index.html").write_text(FIRST.format(name=releases[0]), encoding="utf-8")
