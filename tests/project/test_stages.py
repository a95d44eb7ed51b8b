"""`make test` in a tree of its own, whose chores a script plays that says which one fails."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from tests.tools.left_overs import left_overs

ROOT = Path(__file__).parents[2]
CHORES = """#!/bin/sh
[ "$1" = --no-print-directory ] && shift
echo "chore $*${PYTHONDONTWRITEBYTECODE+-without-bytecode}"
[ "$1" != "$FAILS" ]
"""


class Stages:
    def __init__(self, folder: Path) -> None:
        (folder / ".ci").mkdir()
        shutil.copy(ROOT / ".ci/stages", folder / ".ci")
        self._make = folder / "make"
        self._make.write_text(CHORES)
        self._make.chmod(0o755)
        self._script = folder / ".ci/stages"

    def run(self, fails: str = "", **environment: str) -> tuple[int, list[str], str]:
        """Its status, the chores in order, and what it says at the end."""
        inherited = {name: os.environ[name] for name in os.environ.keys() - {"EVERYTHING", "ENGINE"}}
        done = subprocess.run(
            [self._script],
            env={**inherited, "MAKE": str(self._make), "FAILS": fails, **environment},
            capture_output=True,
            text=True,
            timeout=250,
        )
        chores = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("chore ")]
        return done.returncode, chores, done.stdout.partition("=== stages")[2]


@pytest.fixture
def stages(tmp_path: Path) -> Stages:
    return Stages(tmp_path)


def test_a_stage_that_fails_keeps_no_other_from_running_and_is_named_at_the_end(stages: Stages) -> None:
    status, chores, end = stages.run(fails="types")
    assert (status, chores) == (1, ["set-up", "lint", "unit", "types", "first-lessons"])
    verdicts = [line.split() for line in end.splitlines() if " s  " in line]
    assert [(name, verdict) for _, _, name, verdict in verdicts[:-1]] == [
        ("set-up", "passed"),
        ("lint", "passed"),
        ("unit", "passed"),
        ("types", "FAILED"),
        ("lessons", "passed"),
    ]
    assert end.endswith("\nFAILED: types\n")


def test_what_is_left_out_is_told_with_how_to_run_it(stages: Stages) -> None:
    status, _, end = stages.run()
    assert status == 0
    assert "Left out: the tests that take long" in end
    assert "make test EVERYTHING=1" in end


def test_everything_leaves_out_nothing(stages: Stages) -> None:
    _, chores, end = stages.run(EVERYTHING="1")
    before, after = ["set-up", "lint", "unit", "types"], ["drill", "drill", "benchmarks", "docs"]
    assert chores == [*before, *4 * ["notebooks"], *after]
    assert "Left out" not in end


def test_each_lesson_and_each_solution_is_in_one_of_four_parts() -> None:
    def lessons(part: str) -> list[str]:
        say = ["make", "--no-print-directory", "--eval", f"say: ; @echo $({part})", "say"]
        return subprocess.run(say, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()

    there = [*ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("exercises/solutions/*.ipynb")]
    again = list(ROOT.glob("notebooks/11_*.ipynb"))
    parts = ("ON_DOCKER", "LANE_1", "LANE_2", "ALONE")
    found = [lesson for part in parts for lesson in lessons(part)]
    assert sorted(found) == sorted(str(path.relative_to(ROOT)) for path in [*there, *again])


def test_nothing_is_checked_where_the_set_up_fails(stages: Stages) -> None:
    assert stages.run(fails="set-up")[:2] == (1, ["set-up"])


@pytest.mark.parametrize(("starts", "verdict"), [(True, "passed"), (False, "left out")])
def test_an_engine_that_does_not_start_is_left_out_and_one_that_did_is_stopped(
    stages: Stages, tmp_path: Path, starts: bool, verdict: str
) -> None:
    engine = tmp_path / "up"
    engine.write_text(f'echo "chore engine$1"\n{str(starts).lower()}\n')
    status, chores, end = stages.run(ENGINE=str(engine))
    assert (status, chores[0], chores[-1] == "engine--stop") == (0, "engine", starts)
    assert f"engine      {verdict}" in end


def test_bytecode_is_kept_where_the_environment_forbids_it(
    stages: Stages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    assert stages.run()[1] == ["set-up", "lint", "unit", "types", "first-lessons"]
    show = ["make", "--no-print-directory", "--eval", "show: ; @env", "show"]
    assert (
        "PYTHONDONTWRITEBYTECODE" not in subprocess.run(show, cwd=ROOT, capture_output=True, text=True).stdout
    )


def test_left_overs_are_named() -> None:
    began = time.time() - 1
    stays = [sys.executable, "-c", "print(flush=True); input()", "clipper_server of test_stages"]
    with subprocess.Popen(stays, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        look = [sys.executable, "-m", "tests.tools.left_overs", str(began)]
        done = subprocess.run(look, cwd=ROOT, capture_output=True, text=True)
        process.communicate("")
    assert done.returncode == 1
    assert f"{process.pid}  {' '.join(stays)}" in done.stderr


def test_another_checkouts_processes_are_not_left_overs(monkeypatch: pytest.MonkeyPatch) -> None:
    commands = {
        1: ["/other/.venv/bin/python", "-m", "clipper_server"],
        2: ["python", "-m", "clipper_container"],
    }
    infos = {pid: {"cmdline": command, "create_time": 10.0} for pid, command in commands.items()}
    found = [SimpleNamespace(pid=pid, info=info) for pid, info in infos.items()]
    monkeypatch.setattr(psutil, "process_iter", lambda _: found)
    assert list(left_overs(5.0)) == ["2  python -m clipper_container"]
    assert list(left_overs(15.0)) == []
