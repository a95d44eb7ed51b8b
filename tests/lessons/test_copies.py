"""Copies of the lessons, from this checkout. tests/project/test_hatch_build.py has those of the wheel."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from clipper_container.errors import BadRequest
from clipperlab.cli.commands import app
from clipperlab.lessons.contents import contents
from clipperlab.lessons.copies import copy_out
from tests.support.notebooks import LESSONS, ROOT, text
from tests.tools.site.made import MADE

NAMES = contents(ROOT)
PAGES = [ROOT / name for name in NAMES if name.endswith((".md", ".ipynb"))]


def test_they_are_all_there_and_nothing_that_was_left_lying_about() -> None:
    assert {f"notebooks/{path.name}" for path in LESSONS} < set(NAMES)
    assert not [name for name in NAMES if "checkpoint" in name or name.endswith(".pyc")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_leads_to_is_copied_with_it(page: Path) -> None:
    words = page.read_text(encoding="utf-8") if page.suffix == ".md" else text(page)
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", words) if "://" not in link]
    there = {Path(os.path.normpath(page.parent / link)).relative_to(ROOT) for link in links if link}
    parents = {parent for name in NAMES for parent in Path(name).parents}
    made = {Path("docs", page) for page in MADE}  # of the code, in the site alone
    assert {path for path in there if path not in parents} - made <= set(map(Path, NAMES))


def test_what_is_there_already_stays(tmp_path: Path) -> None:
    work = tmp_path / NAMES[-1]
    work.parent.mkdir(parents=True)
    work.write_text("mine")
    first = copy_out(tmp_path)
    assert (first.new, first.same, first.kept) == (tuple(NAMES[:-1]), (), (NAMES[-1],))
    assert work.read_text() == "mine"
    assert (tmp_path / NAMES[0]).read_bytes() == (ROOT / NAMES[0]).read_bytes()
    second = copy_out(tmp_path)
    assert (second.new, second.same, second.kept) == ((), tuple(NAMES[:-1]), (NAMES[-1],))
    assert sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()) == NAMES


def test_a_copy_that_breaks_off_leaves_no_half_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: Path, target: Path) -> None:
        target.write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("clipperlab.lessons.copies.shutil.copyfile", full)
    with pytest.raises(BadRequest, match=r"No space left on device. Name another folder"):
        copy_out(tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadRequest, match="Name another folder"):
        copy_out(tmp_path / "file")


def test_the_command_tells_what_it_kept(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    result = CliRunner().invoke(app, ["lessons", str(tmp_path), "--no-open"])
    assert f"{len(NAMES)} files, {len(NAMES) - 1} of them new." in result.stdout
    assert result.stdout.count("rename yours:\n  README.md\n") == 1


@pytest.mark.slow
def test_the_command_opens_the_overview_with_lesson_00(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    became: list[tuple[str, list[str], dict[str, str]]] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("clipperlab.cli.lessons.os.execve", lambda *arguments: became.append(arguments))
    for _ in range(2):
        assert CliRunner().invoke(app, ["lessons", str(tmp_path)]).exit_code == 0
    (program, arguments, environment), _ = became
    assert (program, Path.cwd()) == (sys.executable, tmp_path)
    assert arguments[1:4] == ["-m", "jupyterlab", "--LabApp.default_url=/lab/workspaces/clipper-lab"]
    (workspace,) = Path(environment["JUPYTERLAB_WORKSPACES_DIR"]).iterdir()
    assert '"notebook:notebooks/00_check_your_environment.ipynb"' in workspace.read_text()
