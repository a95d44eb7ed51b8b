"""A lesson as a page: as it is, with a button to have it and one to try it."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, urlsplit

from tests.support.notebooks import ROOT, read, source

from .links import linked, page_of


def binder(notebook: str) -> str:
    """Where Binder opens a notebook; where the repository has no address, the page about Binder."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    address = project.get("urls", {}).get("Repository", "")
    if not address:
        return "../how-to/binder.md"
    owner, name = urlsplit(address).path.strip("/").removesuffix(".git").split("/")
    return f"https://mybinder.org/v2/gh/{owner}/{name}/HEAD?labpath={quote(notebook, safe='')}"


def buttons(notebook: str) -> str:
    return (
        f"[Download](path:../files/{notebook}){{.button}} "
        f"[![Open in Binder](../_static/binder.svg)]({binder(notebook)}) "
        f"`clipperlab lessons` opens it on your machine."
    )


def shown(path: Path, name: str, download: Callable[[str], None]) -> str:
    """The notebook's text, with buttons below its title, and links that lead within the site."""
    notebook = read(path)
    page = page_of(name)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = linked(source(cell), name, page, download)
    notebook["metadata"]["language_info"]["pygments_lexer"] = "ipython3"  # also lines for the shell
    first = notebook["cells"][0]
    title, _, rest = first["source"].partition("\n")
    first["source"] = f"{title}\n\n{buttons(name)}\n{rest}"
    return json.dumps(notebook, indent=1)
