"""The wheel: built with the machine's Node, and with PyPI's; installed where nothing is, with the lessons."""

from __future__ import annotations

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email import message_from_bytes
from importlib import metadata
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from packaging.requirements import Requirement

from clipperlab.lessons.bench import MUST_PASS
from clipperlab.lessons.contents import contents
from tests.support import parts
from tests.support.home import own_home

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
ROOT = Path(__file__).parents[2]
DATA = r"clipperlab-[^/]+\.data/data/"
PANEL = f"{DATA}share/jupyter/labextensions/clipperlab/"
MOST_JAVASCRIPT = 80_000
FRONTEND = Path("clipperlab/frontend")
OF_NODE = ("node", "nodejs", "npm", "npx", "corepack")
MATERIAL = "clipperlab/lessons/material/"
# One with a package of its own beside it, one that looks about, and a solution, which is in another folder;
# two at a time, and the longest first.
TRIED = ("notebooks/09", "exercises/solutions/01", "notebooks/00")

CONSUMER = """
from collections.abc import Sequence

from clipperlab import ClipperConnection, ClipperException, DockerContainerManager
from clipperlab import policies as P


def double(inputs: Sequence[float]) -> list[float]:
    return [2 * x for x in inputs]


def ask(on_docker: bool) -> str:
    conn = ClipperConnection(DockerContainerManager("mine")) if on_docker else ClipperConnection("mine")
    conn.start_clipper(fresh=True)
    try:
        conn.register_application("app", "doubles", -1.0, slo_ms=100)
        conn.deploy(double, "double").scale(2)
        conn.set_policy("app", P.Split({"double": 0.9, "double:1": 0.1}, sticky="unit"))
        answer: dict[str, object] = conn.application("app").predict(1.0)
        print(answer["output"], conn.get_all_models())
        return conn.get_all_models(verbose=True)[0]["model_version"]
    except ClipperException as error:
        raise SystemExit(str(error)) from error
    finally:
        conn.stop_all(purge=True)
"""
# The project's own. One package that it has is left out: its 1,900 modules take two thirds of mypy's time.
SETTINGS = """
[mypy]
strict = True
[mypy-kubernetes.*]
follow_imports = skip
"""
MISUSED = """
from clipperlab import ClipperConnection
from clipperlab import policies as P

ClipperConnection("mine").start_clipper(cache_size="large")
P.Split({"a": 1.0}, sticky="session")
"""


@dataclass(frozen=True)
class Installed:
    """A wheel, and an environment that has what the wheel asks for, and no more."""

    wheel: Path
    bare: Path
    environment: dict[str, str]

    def run(self, *words: object, folder: Path, **environment: str) -> str:
        command = [self.bare / "bin" / "python", "-m", *words]
        return run(command, cwd=folder, env={**self.environment, **environment})


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
    return clone(tmp_path / "checkout")


def clone(folder: Path) -> Path:
    if not (ROOT / ".git").exists():
        pytest.skip("needs a git checkout, to tell the sources from what was built of them")
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


def link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # on another disk
        shutil.copy2(source, target)


def with_node(folder: Path, version: str) -> str:
    """A PATH with all programs but Node's, and a Node that only tells its version, if it has one."""
    folder.mkdir()
    for place in os.environ["PATH"].split(os.pathsep):
        for program in Path(place).iterdir() if Path(place).is_dir() else ():
            link = folder / program.name
            if program.name not in OF_NODE and not link.is_symlink():
                link.symlink_to(program)
    for name, script in {"node": f"echo {version}", "npm": "exit 1"}.items() if version else ():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    return str(folder)


def requirements_of(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return message_from_bytes(archive.read(name)).get_all("Requires-Dist", [])


def furnish(bare: Path, requirements: Sequence[str], extras: Iterable[str]) -> None:
    """Give an environment what a wheel with these requirements asks for, and no more.

    The files are those of this environment, where pip has installed the same: it would take a minute again.
    """
    todo, seen = [("clipperlab", extra) for extra in ["", *extras]], set()
    while todo:
        name, extra = wanted = todo.pop()
        if wanted in seen:
            continue
        seen.add(wanted)
        asked = requirements if name == "clipperlab" else metadata.distribution(name).requires or []
        for each in map(Requirement, asked):
            if each.marker is None or each.marker.evaluate({"extra": extra}):
                todo += [(each.name, extra) for extra in ["", *each.extras]]
    for name in {name for name, _ in seen} - {"clipperlab"}:
        for file in metadata.files(name) or []:
            source = Path(os.path.normpath(str(file.locate())))
            target = bare / source.relative_to(sys.prefix)
            if source.exists() and not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                if (words := source.read_bytes()).startswith(b"#!" + sys.prefix.encode()):
                    target.write_bytes(words.replace(sys.prefix.encode(), bytes(bare), 1))
                    target.chmod(0o755)
                else:
                    link(str(source), str(target))


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
    modules = FRONTEND / "node_modules"
    if (ROOT / modules).exists():  # the machine's npm has installed them for this environment
        shutil.copytree(ROOT / modules, checkout / modules, symlinks=True, copy_function=link)
    check_contents(build(checkout, tmp_path / "first", path))

    built = checkout / "clipperlab" / "labextension" / "package.json"
    installed = checkout / modules / ".package-lock.json"
    before = built.stat().st_mtime_ns, installed.stat().st_mtime_ns
    build(checkout, tmp_path / "second", path)
    assert (built.stat().st_mtime_ns, installed.stat().st_mtime_ns) == before

    drawing = checkout / "clipperlab" / "static" / "drawing.js"
    drawing.write_text(drawing.read_text().replace("clipper-picture", "clipper-drawing"))
    wheel = build(checkout, tmp_path / "third", path)
    check_contents(wheel)
    assert installed.stat().st_mtime_ns == before[1]
    with zipfile.ZipFile(wheel) as archive:
        scripts = [archive.read(name) for name in archive.namelist() if re.match(f"{PANEL}static/", name)]
    assert any(b"clipper-drawing" in script for script in scripts)


@pytest.mark.parametrize(
    ("node", "from_pypi"), [("", True), ("v18.19.0", True), ("v21.7.3", True), ("v22.12.0", False)]
)
def test_node_comes_from_pypi_where_there_is_none_or_an_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, node: str, from_pypi: bool
) -> None:
    monkeypatch.setenv("PATH", with_node(tmp_path / "programs", node))
    interface = ModuleType("hatchling.builders.hooks.plugin.interface")
    monkeypatch.setattr(interface, "BuildHookInterface", SimpleNamespace, raising=False)
    monkeypatch.setitem(sys.modules, interface.__name__, interface)  # it is where wheels are built
    hook = runpy.run_path(str(ROOT / "hatch_build.py"))["FrontendHook"](root=tmp_path)
    assert any("nodejs" in package for package in hook.dependencies()) == from_pypi


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Built beside an old Node, and installed where nothing is."""
    folder = tmp_path_factory.mktemp("installed")
    path = with_node(folder / "programs", "v18.19.0")
    wheel = build(clone(folder / "checkout"), folder / "wheel", path)
    bare = folder / "bare"
    run([sys.executable, "-m", "venv", bare])
    furnish(bare, requirements_of(wheel), ["lab"])
    run([bare / "bin" / "python", "-m", "pip", "install", "--no-compile", "--no-deps", wheel])
    # Of this environment only: what the person running the tests has enabled is not asked.
    alone = {**os.environ, "PATH": path, "HOME": str(folder), "JUPYTER_NO_CONFIG": "1"}
    return Installed(wheel, bare, alone)


def test_beside_an_old_node_it_builds_and_where_nothing_is_it_installs_enabled(
    installed: Installed, tmp_path: Path
) -> None:
    check_contents(installed.wheel)
    installed.run("pip", "check", folder=tmp_path)
    panels = installed.run("jupyter", "labextension", "list", folder=tmp_path)
    assert re.search(r"clipperlab v\S+ .*enabled.* .*OK", panels), panels
    extensions = installed.run("jupyter", "server", "extension", "list", folder=tmp_path)
    assert re.search(r"clipperlab .*enabled", extensions), extensions
    assert re.search(r"clipperlab \S+ .*OK", extensions), extensions


def test_a_project_that_uses_it_has_its_types(installed: Installed, tmp_path: Path) -> None:
    (tmp_path / "right.py").write_text(CONSUMER)
    (tmp_path / "wrong.py").write_text(MISUSED)
    (tmp_path / "mypy.ini").write_text(SETTINGS)
    # From elsewhere: here the sources would be found, and no package is asked.
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file=mypy.ini", "--cache-dir=cache"]
        + ["--python-executable", str(installed.bare / "bin" / "python"), "right.py", "wrong.py"],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name not in ("MYPYPATH", "PYTHONPATH")},
        capture_output=True,
        text=True,
    )
    found = [line.split(" error: ")[0] for line in done.stdout.splitlines() if " error: " in line]
    assert (done.returncode, found) == (1, ["wrong.py:5:", "wrong.py:6:"]), done.stdout + done.stderr


def test_such_a_project_has_them_by_pyright_too(installed: Installed, tmp_path: Path) -> None:
    (tmp_path / "right.py").write_text(CONSUMER)
    (tmp_path / "wrong.py").write_text(MISUSED)
    (tmp_path / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}')
    command = [str(parts.pyright()), "--outputjson", "--pythonpath", str(installed.bare / "bin" / "python")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    found = [
        (Path(each["file"]).name, each["range"]["start"]["line"] + 1)
        for each in json.loads(done.stdout)["generalDiagnostics"]
    ]
    assert found == [("wrong.py", 5), ("wrong.py", 6)], done.stdout + done.stderr


def test_the_wheel_brings_the_lessons_which_run_where_they_are_copied_to(
    installed: Installed, tmp_path: Path
) -> None:
    with zipfile.ZipFile(installed.wheel) as archive:
        brought = [name.removeprefix(MATERIAL) for name in archive.namelist() if name.startswith(MATERIAL)]
    assert sorted(brought) == contents(ROOT)
    clipperlab = installed.bare / "bin" / "clipperlab"
    said = run([clipperlab, "lessons", "--no-open"], cwd=tmp_path, env=installed.environment)
    assert f"{len(brought)} files, {len(brought)} of them new" in said
    copied = tmp_path / "clipper-lab"

    def execute(lesson: str) -> None:
        (path,) = copied.glob(f"{lesson}_*.ipynb")
        with own_home() as home:  # lesson 00 looks at all clusters in its home, and may see one half stopped
            installed.run(
                *("nbconvert", "--execute", "--inplace", path),
                folder=path.parent,
                CLIPPERLAB_HOME=str(home),
                **{MUST_PASS: "1"},
            )

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(execute, TRIED))
