"""Packages that a framework's models need where they run."""

from __future__ import annotations

import importlib.metadata
import re
from contextlib import suppress
from pathlib import Path

from clipper_container.errors import BadRequest


def pinned(*names: str) -> list[str]:
    """The first of these that is installed here, in the version that it has here."""
    for name in names:
        with suppress(importlib.metadata.PackageNotFoundError):
            return [f"{name}=={importlib.metadata.version(name).partition('+')[0]}"]
    return []


def name_of(package: str) -> str:
    """The name in what pip is to install, in one spelling."""
    return re.split(r"[^\w.-]", package.strip(), maxsplit=1)[0].lower().replace("_", "-")


def in_file(path: Path) -> list[str]:
    """The packages in a file. Raises BadRequest where it cannot be read, or says more than that."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(
            f"The requirements cannot be read: {error}. Give a list, or a file's path."
        ) from None
    return in_text(text, str(path))


def in_text(text: str, where: str) -> list[str]:
    """Those that such a file's text names. Raises BadRequest where it says more than that."""
    found = [line.partition(" #")[0].strip() for line in text.splitlines()]
    found = [line for line in found if line and not line.startswith("#")]
    for line in found:
        if line.startswith("-"):
            raise BadRequest(
                f"{where} has a line with {line.split()[0]}: only packages can be given here, one a line. "
                "pip's own settings belong into pip's configuration where the cluster runs."
            )
    return found
