"""`clipperlab lessons`."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from clipper_container.errors import ClipperException

from ..lessons.copies import FOLDER, Copied, copy_out
from .app import command, console

WORKSPACE = "clipper-lab"
WORKSPACES = ".workspaces"  # the copy's own: one in the home would be of all copies


@command("lessons my-lessons")
def lessons(
    folder: Annotated[Path, typer.Argument(help="Where to; it is made.")] = Path(FOLDER),
    no_open: Annotated[bool, typer.Option("--no-open", help="Only copy them.")] = False,
) -> None:
    """Copy the lessons into a folder, and open them in JupyterLab. What is there already stays as it is."""
    copied = copy_out(folder)
    console().print(_told(copied))
    if no_open:
        console().print(f"`clipperlab lessons {folder}` opens them in JupyterLab.")
    else:
        _open(folder)


def _told(copied: Copied) -> str:
    count = len(copied.new) + len(copied.same) + len(copied.kept)
    told = f"The lessons are in [bold]{copied.folder}[/]: {count} files, {len(copied.new)} of them new."
    if copied.kept:
        kept = "".join(f"\n  {name}" for name in copied.kept)
        told += f"\nYours differ from those of this version, and stay. To have one anew, rename yours:{kept}"
    return told


def _open(folder: Path) -> None:
    """Becomes JupyterLab, with the overview and lesson 00 open at first, and later what one left there."""
    if find_spec("jupyterlab") is None:
        raise ClipperException('To open the lessons takes JupyterLab: pip install "clipperlab[lab]"')
    lab = [sys.executable, "-m", "jupyterlab"]
    environment = {**os.environ, "JUPYTERLAB_WORKSPACES_DIR": str((folder / WORKSPACES).resolve())}
    if not (folder / WORKSPACES).exists():
        subprocess.run(
            [*lab, "workspaces", "import", "--name", WORKSPACE, "binder/workspace.json"],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,  # without it, JupyterLab opens on its launcher
        )
    console().print("JupyterLab runs until you press Ctrl+C here, twice.")
    root = ["--allow-root"] if os.geteuid() == 0 else []
    os.chdir(folder)
    os.execve(lab[0], [*lab, f"--LabApp.default_url=/lab/workspaces/{WORKSPACE}", *root], environment)
