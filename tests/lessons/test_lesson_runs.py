"""`make notebooks` names a lesson that fails, and why."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import chain, repeat
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from tests.support import lesson_runs, usage
from tests.support.lesson_runs import CPU_S, MIB, Run
from tests.support.parts import MUST
from tests.support.usage import Watch
from tests.support.waiting import wait_for

PLUGINS = [
    f"-p{name}"
    for name in ("nbval.plugin", "pytest_timeout", "tests.support.home", "tests.support.lesson_runs")
]
LACKS = 'from clipperlab.lessons import need\nneed("moon", False, "Wait for the night.")'
LEAVES = """
from clipperlab.places.process import home
(home() / "lesson-77").mkdir()
(home() / "lesson-77" / "state.db").touch()
"""
INCOMPLETE = """
from clipperlab.lessons import lesson
wb = lesson("01", cluster=False)
wb.check("first-measure", 3)
wb.check("first-serve")
wb.check("first-measure", 0.9)
wb.close()
"""


def _notebook(path: Path, *sources: str) -> Path:
    cells = [new_code_cell(source, id=f"cell-{n}") for n, source in enumerate(sources)]  # type: ignore[no-untyped-call]
    path.parent.mkdir(exist_ok=True)
    nbformat.write(new_notebook(cells=cells), path)  # type: ignore[no-untyped-call]
    return path


def run_notebooks(*notebooks: Path | str, **environment: str) -> tuple[int, str]:
    """Also with options of the run's own among them."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        *PLUGINS,
        "--nbval-lax",
        "--nbval-current-env",
        *map(str, notebooks),
    ]
    inherited = {name: value for name, value in os.environ.items() if name != MUST}
    inherited |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    root = Path(__file__).parents[2]
    done = subprocess.run(
        command, cwd=root, env=inherited | environment, capture_output=True, text=True, timeout=250
    )
    return done.returncode, done.stdout


@pytest.mark.slow
def test_each_lesson_has_a_verdict(tmp_path: Path) -> None:
    """One that fails does not keep the others from running."""
    code, said = run_notebooks(
        _notebook(tmp_path / "fails.ipynb", "1", "1 / 0", "1 / 0"),
        _notebook(tmp_path / "lacks.ipynb", LACKS, "1 / 0"),
        _notebook(tmp_path / "leaves.ipynb", LEAVES),
        _notebook(tmp_path / "incomplete.ipynb", INCOMPLETE),
        _notebook(tmp_path / "good.ipynb", "1"),
    )
    assert code == pytest.ExitCode.TESTS_FAILED
    assert "fails.ipynb: FAILED: cell 'cell-1' failed\n" in said
    assert "lacks.ipynb: left out: There is no moon here, and this lesson needs it. Wait for" in said
    assert "leaves.ipynb: FAILED: left running: lesson-77\n" in said
    assert "incomplete.ipynb: FAILED: cell 'cell-0' failed; Not yet · first-serve TypeError" in said
    assert "Not yet · first-measure" not in said
    assert "good.ipynb: passed\n" in said
    assert "5 runs; 3 failed" in said


@pytest.mark.slow
def test_what_cells_put_out_is_kept_of_a_lesson_that_passes(tmp_path: Path) -> None:
    home = "import os\nprint(os.environ['CLIPPERLAB_HOME'])"
    good = _notebook(tmp_path / "lessons" / "good.ipynb", home, "6 * 7")
    fails = _notebook(tmp_path / "lessons" / "fails.ipynb", "1", "1 / 0")
    run_notebooks(good, fails, f"--recorded={tmp_path / 'recorded'}")
    assert [path.name for path in (tmp_path / "recorded" / "lessons").iterdir()] == ["good.ipynb"]
    kept = nbformat.read(tmp_path / "recorded" / "lessons" / "good.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    first, second = kept.cells
    assert first.outputs[0].text == "~/.clipperlab\n"
    assert second.outputs[0].data["text/plain"] == "42"


@pytest.mark.slow
def test_a_lesson_that_lacks_something_fails_where_it_must_be_there(tmp_path: Path) -> None:
    code, said = run_notebooks(_notebook(tmp_path / "lacks.ipynb", LACKS), **{MUST: "docker,moon"})
    assert code == pytest.ExitCode.TESTS_FAILED
    assert "lacks.ipynb: FAILED: cell 'cell-0' failed" in said


@pytest.mark.slow
def test_a_cluster_that_is_left_fails_the_run_though_every_cell_passed(tmp_path: Path) -> None:
    assert run_notebooks(_notebook(tmp_path / "leaves.ipynb", LEAVES))[0] == pytest.ExitCode.TESTS_FAILED


def test_a_lesson_may_take_neither_too_much_work_nor_too_much_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLIPPERLAB_HOME", str(tmp_path))
    monkeypatch.setattr(lesson_runs, "CPU_S", -100.0)
    monkeypatch.setattr(lesson_runs, "MIB", -1.0)
    run = Run("04.ipynb")
    run.end()
    assert run.wrong == ["kept a core busy for 0 s, more than -100", "took 0 MiB, more than -1"]
    assert (CPU_S, MIB) == (150.0, 1024.0)


def test_memory_is_that_of_all_processes_of_one_home(tmp_path: Path) -> None:
    """Of those that a process starts too, and of no other's."""
    hold = "import sys; held = b'x' * (80 << 20); print('held', flush=True); sys.stdin.read()"
    both = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hold!r}], check=True)"
    processes: list[subprocess.Popen[bytes]] = []
    watch = Watch(str(tmp_path))
    try:
        for home, source in [(tmp_path, both), (tmp_path, hold), (tmp_path / "other", hold)]:
            environment = {**os.environ, "CLIPPERLAB_HOME": str(home)}
            command = [sys.executable, "-c", source]
            pipe = subprocess.PIPE
            processes.append(subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe))
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == b"held\n"
        before = watch.looks
        wait_for("the watch to look twice", lambda: watch.looks >= before + 2)
    finally:
        for process in processes:
            process.communicate()
    taken = watch.end()
    assert 160 < taken.mib < 240
    assert 0 < taken.cpu_s < 10


def test_whose_a_process_is_is_looked_up_again_while_it_is_young(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it runs its program, Linux shows the environment of who started it, or none."""
    with subprocess.Popen(
        [sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as child:
        shown = chain([False], repeat(True))
        monkeypatch.setattr(usage, "is_of", lambda process, _: process.pid == child.pid and next(shown))
        watch = Watch("a home")
        wait_for("the watch to look three times", lambda: watch.looks >= 3)
        assert watch.end().mib > 1
        child.communicate(b"\n")
