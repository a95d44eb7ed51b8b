"""Makes what a release uploads, checks it, and tries it where nothing is installed: `make release`.

It uploads nothing. The version is pyproject.toml's; with a development version, all is a rehearsal.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from packaging.version import Version

from tests.support.home import own_home
from tests.support.notebooks import ROOT

FOLDER = ROOT / "build" / "release"
TOOLS = FOLDER / "tools" / "bin"  # which the Makefile makes
DIST = FOLDER / "dist"
FRONTEND = Path("clipperlab/frontend")
MANIFESTS = Path("containers/clipper_container/kubernetes/base")


def main() -> None:
    version = version_of(ROOT)
    problems = [*uncommitted(ROOT), *otherwise_stated(ROOT), *not_in_changelog(ROOT)]
    if problems:
        sys.exit("\n".join(["There can be no release:", *problems]))
    with tempfile.TemporaryDirectory(prefix="clipper-") as name:
        folder = Path(name)
        # Of what is committed, and of nothing that was left in the checkout.
        run("git", "clone", "--quiet", ROOT, folder / "source")
        for old in DIST.glob("*"):
            old.unlink()
        _say("building the sdist, and of it the wheel")
        run(TOOLS / "python", "-m", "build", "--outdir", DIST, folder / "source")
        made = sorted(DIST.iterdir())
        _say("checking them")
        run(TOOLS / "twine", "check", "--strict", *made)
        (wheel,) = DIST.glob("*.whl")
        run(TOOLS / "check-wheel-contents", wheel)
        _say("looking for packages that each extra can be installed with, alone, and all of them together")
        resolve(folder / "source" / "pyproject.toml")
        _say("installing the wheel where nothing is, and running the README's example")
        answer = try_out(
            wheel, example((folder / "source" / "README.md").read_text(encoding="utf-8")), folder
        )
        _say(answer)
    _say(verdict(version, made))


def version_of(root: Path) -> Version:
    return Version(tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])


def uncommitted(root: Path) -> list[str]:
    return [f"Not committed: {line}" for line in run("git", "status", "--porcelain", cwd=root).splitlines()]


def otherwise_stated(root: Path) -> list[str]:
    """Where a file that no code writes names another version than pyproject.toml: each in a sentence.

    npm has other words for what comes before a release, so the side panel states the release it leads to.
    """
    version = version_of(root)
    package, lock = (
        json.loads((root / FRONTEND / name).read_text(encoding="utf-8"))
        for name in ("package.json", "package-lock.json")
    )
    found = [
        (FRONTEND / "package.json", package["version"], version.base_version),
        (FRONTEND / "package-lock.json", lock["version"], version.base_version),
        (FRONTEND / "package-lock.json", lock["packages"][""]["version"], version.base_version),
    ]
    for path in sorted((root / MANIFESTS).glob("*.yaml")):
        tags = re.findall(r"image: clipper-server:(\S+)-py", path.read_text(encoding="utf-8"))
        found += [(path.relative_to(root), tag, str(version)) for tag in tags]
    return [
        f"{path} states {stated}, where pyproject.toml has {version}: it should be {wanted}."
        for path, stated, wanted in found
        if stated != wanted
    ]


def not_in_changelog(root: Path) -> list[str]:
    """A release has a section with its changes, and leaves none that are unreleased."""
    version = version_of(root)
    parts = re.split(
        r"^## (\S+).*\n", (root / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    changes = {name for name, text in zip(parts[1::2], parts[2::2], strict=True) if "\n- " in text}
    wanted = "Unreleased" if version.is_devrelease else str(version)
    if wanted not in changes:
        return [f"CHANGELOG.md has no section `## {wanted}` that says what changed."]
    if wanted != "Unreleased" and "Unreleased" in changes:
        return [f"CHANGELOG.md has changes under `## Unreleased`: they are {version}'s, or not in it."]
    return []


def resolve(project: Path) -> None:
    """Finds no file for them: only whether there are versions that go together in the index today."""
    extras = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    for chosen in [*([f"--extra={name}"] for name in extras), ["--all-extras"]]:
        run(TOOLS / "uv", "pip", "compile", "--quiet", *chosen, "--output-file", os.devnull, project)


def example(readme: str) -> str:
    return "\n".join(re.findall(r"^```python\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL))


def try_out(wheel: Path, code: str, folder: Path) -> str:
    """What the code prints in a new environment that has what the wheel asks for, as pip finds it today."""
    bare = folder / "bare"
    run(sys.executable, "-m", "venv", bare)
    run(bare / "bin" / "pip", "install", "--quiet", "--no-compile", f"clipperlab[lab] @ {wheel.as_uri()}")
    run(bare / "bin" / "pip", "check")
    with own_home() as home:
        environment = {**os.environ, "CLIPPERLAB_HOME": str(home), "NO_PROXY": "127.0.0.1"}
        # From elsewhere: the checkout's packages would be found before the installed ones.
        environment.pop("PYTHONPATH", None)
        said = run(bare / "bin" / "python", "-c", code, cwd=folder, env=environment)
    if "'default': False" not in said:
        sys.exit(f"The README's example ran, and the model did not answer:\n{said}")
    return said.strip()


def verdict(version: Version, made: list[Path]) -> str:
    lines = []
    for path in made:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        lines.append(f"{path}  {path.stat().st_size:,} bytes  sha256:{digest}")
    if version.is_devrelease:
        return "\n".join(
            [*lines, f"{version} is no release: this was a rehearsal. CONTRIBUTING.md says how one is made."]
        )
    upload = [f"{TOOLS / 'twine'} upload {' '.join(map(str, made))}", f"git tag v{version}"]
    return "\n".join([*lines, "All is well. What is left to do:", *(f"  {line}" for line in upload)])


def run(*command: object, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command[:4]))} ... failed:\n{done.stdout[-8000:]}")
    return done.stdout


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
