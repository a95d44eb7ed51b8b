"""A lesson as a page: with what its cells put out when it last ran, a button to have it and one to try it."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from tests.support.notebooks import ROOT, code, read, source

from .links import linked, page_of

RUN = "Below each cell is what it put out in a test of this lesson. Where you run it, widgets can be used."
NOT_RUN = "What the cells put out is not here: the lesson was not run before this page was made."


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


def outputs(path: Path, recorded: Path) -> dict[str, Any] | None:
    """What a run of the lesson, of which `recorded` is kept, put out, by the ids of its cells.

    None where there is none, or where it was a run of other code than the lesson has now.
    """
    if not recorded.exists():
        return None
    lesson, ran = code(path), code(recorded)
    if [(cell["id"], source(cell)) for cell in lesson] != [(cell["id"], source(cell)) for cell in ran]:
        return None
    return {cell["id"]: cell["outputs"] for cell in ran}


def shown(path: Path, name: str, download: Callable[[str], None], recorded: Path) -> str:
    """The notebook's text, with buttons below its title, and links that lead within the site."""
    notebook = read(path)
    page = page_of(name)
    found = outputs(path, recorded)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = linked(source(cell), name, page, download)
        elif found:
            cell["outputs"] = found[cell["id"]]
    notebook["metadata"]["language_info"]["pygments_lexer"] = "ipython3"  # also lines for the shell
    first = notebook["cells"][0]
    title, _, rest = first["source"].partition("\n")
    first["source"] = f"{title}\n\n{buttons(name)}\n\n{RUN if found else NOT_RUN}\n{rest}"
    return json.dumps(notebook, indent=1)
