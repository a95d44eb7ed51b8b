"""The wheel: built with the machine's Node, with an old one and with none; installed where nothing is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support import parts

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
ROOT = Path(__file__).parents[2]
DATA = r"clipperlab-[^/]+\.data/data/"
PANEL = f"{DATA}share/jupyter/labextensions/clipperlab/"
MOST_JAVASCRIPT = 60_000  # bytes
OF_NODE = ("node", "nodejs", "npm", "npx", "corepack")


def run(command: Sequence[object], **options: object) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,  # type: ignore[call-overload]
    )
    assert done.returncode == 0, done.stdout
    return str(done.stdout)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What a clone of this working tree would have: no panel is built in it yet."""
    if not (ROOT / ".git").exists():
        pytest.skip("needs a git checkout, to tell the sources from what was built of them")
    folder = tmp_path / "checkout"
    files = run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], cwd=ROOT)
    for name in filter(None, files.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def build(checkout: Path, folder: Path, path: str) -> Path:
    """The wheel of a checkout, built with the programs of `path`."""
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", folder, checkout]
    run(command, env={**os.environ, "PATH": path})
    (wheel,) = folder.glob("*.whl")
    return wheel


def without_node(folder: Path) -> str:
    """A PATH with all programs but Node's."""
    folder.mkdir()
    for place in os.environ["PATH"].split(os.pathsep):
        for program in Path(place).iterdir() if Path(place).is_dir() else ():
            link = folder / program.name
            if program.name not in OF_NODE and not link.is_symlink():
                link.symlink_to(program)
    return str(folder)


def check_contents(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        sizes = {info.filename: info.file_size for info in archive.infolist()}
        (manifest,) = (archive.read(name) for name in sizes if re.fullmatch(f"{PANEL}package.json", name))
    for pattern in (
        f"{PANEL}install.json",
        f"{PANEL}static/style.js",
        f"{DATA}etc/jupyter/jupyter_server_config.d/clipperlab.json",
        "clipperlab/jupyter.py",
        "clipperlab/static/throughput.js",
    ):
        assert [name for name in sizes if re.fullmatch(pattern, name)], f"{pattern} is not in {list(sizes)}"
    assert not [name for name in sizes if name.startswith(("clipperlab/frontend", "clipperlab/labextension"))]
    # One bundle and one way into it: nothing of an earlier build.
    scripts = {name: size for name, size in sizes.items() if re.fullmatch(rf"{PANEL}static/.+\.js", name)}
    (entry,) = [name for name in scripts if "remoteEntry" in name]
    assert Path(entry).name.encode() in manifest
    assert len(scripts) == 3
    assert sum(scripts.values()) < MOST_JAVASCRIPT


def test_the_machines_node_builds_the_panel_once_for_each_change(checkout: Path, tmp_path: Path) -> None:
    npm = shutil.which("npm") is not None
    parts.need("npm", npm, "On Debian: apt install npm, where it comes with Node 20.19 or newer.")
    path = os.environ["PATH"]
    check_contents(build(checkout, tmp_path / "first", path))

    built = checkout / "clipperlab" / "labextension" / "package.json"
    before = built.stat().st_mtime_ns
    build(checkout, tmp_path / "second", path)
    assert built.stat().st_mtime_ns == before

    drawing = checkout / "clipperlab" / "static" / "drawing.js"
    drawing.write_text(drawing.read_text().replace("clipper-picture", "clipper-drawing"))
    wheel = build(checkout, tmp_path / "third", path)
    check_contents(wheel)
    with zipfile.ZipFile(wheel) as archive:
        scripts = [archive.read(name) for name in archive.namelist() if re.match(f"{PANEL}static/", name)]
    assert any(b"clipper-drawing" in script for script in scripts)


def test_an_old_node_is_left_alone(checkout: Path, tmp_path: Path) -> None:
    path = without_node(tmp_path / "programs")
    for name, script in {"node": "echo v18.19.0", "npm": "exit 1"}.items():
        program = Path(path) / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    check_contents(build(checkout, tmp_path / "wheel", path))


def test_without_node_it_builds_and_where_nothing_is_it_installs_enabled(
    checkout: Path, tmp_path: Path
) -> None:
    path = without_node(tmp_path / "programs")
    wheel = build(checkout, tmp_path / "wheel", path)
    check_contents(wheel)

    bare = tmp_path / "bare"
    run([sys.executable, "-m", "venv", bare])
    python = bare / "bin" / "python"
    install = [python, "-m", "pip", "install", "--no-compile", "-c", ROOT / "constraints.txt"]
    run([*install, f"{wheel}[lab]"], env={**os.environ, "PATH": path})
    # Of this environment only: what the person running the tests has enabled is not asked.
    alone = {**os.environ, "PATH": path, "HOME": str(tmp_path), "JUPYTER_NO_CONFIG": "1"}
    panels = run([python, "-m", "jupyter", "labextension", "list"], env=alone, cwd=tmp_path)
    assert re.search(r"clipperlab v\S+ .*enabled.* .*OK", panels), panels
    extensions = run([python, "-m", "jupyter", "server", "extension", "list"], env=alone, cwd=tmp_path)
    assert re.search(r"clipperlab .*enabled", extensions), extensions
    assert re.search(r"clipperlab \S+ .*OK", extensions), extensions
