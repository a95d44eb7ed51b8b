"""Exercises are made from their solutions, and say "not yet" until they are solved."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from tests.support import parts
from tests.support.home import own_home
from tests.support.kernels import at_ports_of_their_own
from tests.support.notebooks import EXERCISES, SOLUTIONS, checked, read
from tests.tools import kubernetes_stand_in
from tests.tools.exercises import GAP, exercise_of, written

MADE = sorted(EXERCISES.glob("*.ipynb"))


def _solution(*cells: dict[str, Any]) -> dict[str, Any]:
    return {"nbformat": 4, "cells": [{"metadata": {}, "cell_type": "code", **cell} for cell in cells]}


def _sources(notebook: dict[str, Any]) -> list[str]:
    return ["".join(cell["source"]) for cell in notebook["cells"]]


def test_what_follows_the_mark_is_left_to_the_learner() -> None:
    cell = {"source": ["def f():\n", "    # solution\n", "    return 1\n", "\n", "f()"]}
    assert _sources(exercise_of(_solution(cell))) == [f"def f():\n    {GAP}"]


def test_a_solutions_own_cells_are_left_out() -> None:
    kept, dropped = {"source": ["x = 1"]}, {"source": ["x = 2"], "metadata": {"tags": ["solution"]}}
    assert _sources(exercise_of(_solution(kept, dropped))) == ["x = 1"]


def test_links_hold_of_the_folder_above() -> None:
    cell = {"cell_type": "markdown", "source": ["[01](../../notebooks/01.ipynb)"]}
    assert _sources(exercise_of(_solution(cell))) == ["[01](../notebooks/01.ipynb)"]


def test_each_solution_has_its_exercise_and_no_other_is_there() -> None:
    assert [path.name for path in MADE] == sorted(path.name for path in SOLUTIONS.glob("*.ipynb"))


@pytest.mark.parametrize("path", MADE, ids=lambda path: path.stem)
def test_was_made_from_its_solution(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == written(exercise_of(read(SOLUTIONS / path.name))), (
        "run `make exercises`"
    )


@pytest.fixture
def home(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """And the stand-in for Kubernetes where the exercise is about that."""
    at_ports_of_their_own()
    with ExitStack() as stack:
        monkeypatch.setenv("CLIPPERLAB_HOME", str(stack.enter_context(own_home())))
        if path.stem.startswith("13"):
            cluster = stack.enter_context(kubernetes_stand_in.StandIn())
            for variable, value in cluster.environment.items():
                monkeypatch.setenv(variable, value)
        yield


@pytest.mark.slow
@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("path", MADE, ids=lambda path: path.stem)
def test_says_not_yet_until_it_is_solved(path: Path) -> None:
    """Every cell runs as it is, with no error, and no check passes."""
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    try:
        NotebookClient(notebook, timeout=250, resources={"metadata": {"path": str(path.parent)}}).execute()
    except CellExecutionError as error:
        lacks = re.match(r"There is no (.+?) here, (.*)", error.evalue) if error.ename == "NotHere" else None
        if lacks is None:
            raise
        parts.need(lacks[1], False, lacks[2])
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    said = [output["data"].get("text/plain", "") for output in outputs if "data" in output]
    for id in checked(path):
        verdicts = [text for text in said if text.partition("\n")[0].endswith(f" · {id}")]
        assert [text.startswith("Not yet") for text in verdicts] == [True], f"{id}: {verdicts}"
