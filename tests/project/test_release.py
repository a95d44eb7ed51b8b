"""What a release states is the same everywhere, and what keeps one from being made is named."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version
from typer.main import get_command

import clipper_container
import clipper_server
import clipperlab
from clipperlab.cli.commands import app
from tests.support.notebooks import ROOT
from tests.tools import release

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
FOR_PEOPLE = [
    *(ROOT / ".github").rglob("*.*"),
    *(ROOT / name for name in ("SECURITY.md", "CODE_OF_CONDUCT.md")),
]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A committed tree with all that a release looks at."""
    stating = [release.FRONTEND / "package.json", release.FRONTEND / "package-lock.json"]
    stating += [path.relative_to(ROOT) for path in (ROOT / release.MANIFESTS).glob("*.yaml")]
    for name in [Path("pyproject.toml"), Path("CHANGELOG.md"), *stating]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(
        tmp_path,
        "-c",
        "user.name=x",
        "-c",
        "user.email=x",
        "-c",
        "commit.gpgsign=false",
        "commit",
        "--quiet",
        "-m",
        "all",
    )
    return tmp_path


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=folder, check=True)


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_the_version_is_the_same_everywhere() -> None:
    assert release.otherwise_stated(ROOT) == []


def test_each_file_that_states_another_version_is_named(tree: Path) -> None:
    version = str(release.version_of(ROOT))
    assert release.otherwise_stated(tree) == []
    change(tree / "pyproject.toml", f'version = "{version}"', 'version = "7.8.9rc1"')
    named = [line.split()[0] for line in release.otherwise_stated(tree)]
    assert named == [
        "clipperlab/frontend/package.json",
        "clipperlab/frontend/package-lock.json",
        "clipperlab/frontend/package-lock.json",
        "containers/clipper_container/kubernetes/base/management.yaml",
        "containers/clipper_container/kubernetes/base/query.yaml",
    ]
    assert "should be 7.8.9." in release.otherwise_stated(tree)[0]
    assert "should be 7.8.9rc1." in release.otherwise_stated(tree)[3]


def test_what_is_not_committed_is_not_released(tree: Path) -> None:
    assert release.uncommitted(tree) == []
    (tree / "new.py").touch()
    assert release.uncommitted(tree) == ["Not committed: ?? new.py"]


@pytest.mark.parametrize(
    ("version", "changelog", "said"),
    [
        ("0.1.0.dev0", "## Unreleased\n\n- All.\n", ""),
        ("0.1.0.dev0", "## Unreleased\n\n## 0.0.1\n\n- All.\n", "no section `## Unreleased`"),
        ("0.1.0", "## Unreleased\n\n- All.\n", "no section `## 0.1.0`"),
        ("0.1.0", "## 0.1.0 (today)\n\n### Added\n\n- All.\n", ""),
        ("0.1.0", "## Unreleased\n\n## 0.1.0\n\n- All.\n", ""),
        ("0.1.0", "## Unreleased\n\n- More.\n\n## 0.1.0\n\n- All.\n", "changes under `## Unreleased`"),
        ("0.1.0", "## 0.1.0rc1\n\n- All.\n", "no section `## 0.1.0`"),
    ],
)
def test_a_release_says_what_changed(tmp_path: Path, version: str, changelog: str, said: str) -> None:
    (tmp_path / "pyproject.toml").write_text(f'[project]\nversion = "{version}"\n')
    (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\nWords.\n\n{changelog}")
    found = release.not_in_changelog(tmp_path)
    assert len(found) == bool(said)
    assert said in "".join(found)


def test_only_a_release_is_to_be_uploaded(tmp_path: Path) -> None:
    made = [tmp_path / "x.whl"]
    made[0].write_bytes(b"")
    assert f"upload {made[0]}" in release.verdict(Version("0.1.0"), made)
    rehearsal = release.verdict(Version("0.1.0.dev0"), made)
    assert "rehearsal" in rehearsal
    assert "upload" not in rehearsal


def test_an_extra_that_brings_others_names_such_as_there_are() -> None:
    extras = PROJECT["optional-dependencies"]
    asked = [Requirement(each) for name in extras for each in extras[name]]
    ours = [each for each in asked if each.name == "clipperlab"]
    assert ours
    for each in ours:
        assert each.extras <= extras.keys()


def test_types_are_shipped() -> None:
    for package in (clipperlab, clipper_server, clipper_container):
        assert package.__file__ is not None
        assert (Path(package.__file__).parent / "py.typed").exists()


def test_the_citation_is_the_projects() -> None:
    citation: Any = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()  # what the format wants
    assert citation["license"] == PROJECT["license"]
    assert citation["abstract"] == PROJECT["description"]
    assert citation["keywords"] == PROJECT["keywords"]
    assert citation["authors"] == PROJECT["authors"]
    assert "version" not in citation  # pyproject.toml has it


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_a_form_for_issues_is_one(path: Path) -> None:
    form: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert {"name", "description", "body"} <= form.keys()
    asked = [part for part in form["body"] if part["type"] != "markdown"]
    assert len({part["id"] for part in asked}) == len(asked) >= 2
    assert all(part["attributes"]["label"] for part in asked)
    assert "clipperlab doctor" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", FOR_PEOPLE, ids=lambda path: path.name)
def test_commands_files_and_links_that_people_are_told_of_are_there(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    commands = get_command(app).commands  # type: ignore[attr-defined]
    assert set(re.findall(r"`clipperlab ([a-z]\w*)", text)) <= commands.keys()
    for name in {*re.findall(r"\b[A-Z_]+\.md\b", text), *re.findall(r"\]\((?!https?:)([^)#]+)", text)}:
        assert (ROOT / name).exists()
