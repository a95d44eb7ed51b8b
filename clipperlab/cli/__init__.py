"""The `clipperlab` script: runs a command, and says in one sentence what went wrong."""

from __future__ import annotations

import sys

from clipper_container.errors import ClipperException


def main() -> int:
    """Run the command line's command. Returns 1 after a ClipperException; exits by itself otherwise."""
    try:
        from .app import told
        from .commands import app
    except ModuleNotFoundError as missing:
        package = (missing.name or "").partition(".")[0]
        if package not in ("httpx2", "rich", "typer"):
            raise
        return _fail(f'The command line needs {package}: pip install "clipperlab[client]"')
    try:
        app()
    except ClipperException as error:
        return _fail(told(str(error)))
    return 0


def _fail(sentence: str) -> int:
    sys.stderr.write(sentence + "\n")
    return 1
