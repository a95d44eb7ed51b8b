"""The lessons have one shape, and are committed clean. `make notebooks` checks that they run."""

from __future__ import annotations

import json
import re
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

LESSONS = sorted(Path(__file__).parent.parent.joinpath("notebooks").glob("*.ipynb"))
CLEAR = "`make format` takes it out"
HEADINGS = [
    r"\d\d · \w.*",
    "Questions",
    "After this lesson you can",
    "Before you start",
    "See it work",
    "Predict, then run: .*",
    "Break it",
    "Exercise",
    "Troubleshooting",
    "Key points",
    "Clean up",
]
CELLS = 40
LINES = 25

Cell = dict[str, Any]


@pytest.fixture(params=LESSONS, ids=lambda path: path.stem)
def path(request: pytest.FixtureRequest) -> Path:
    lesson: Path = request.param
    return lesson


@pytest.fixture
def notebook(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


@pytest.fixture
def cells(notebook: dict[str, Any]) -> list[Cell]:
    found: list[Cell] = notebook["cells"]
    return found


def _source(cell: Cell) -> str:
    return "".join(cell["source"])


def _code(cells: list[Cell]) -> list[Cell]:
    return [c for c in cells if c["cell_type"] == "code"]


def test_there_are_lessons() -> None:
    assert LESSONS


def test_holds_no_outputs(cells: list[Cell]) -> None:
    for cell in _code(cells):
        assert not cell["outputs"], f"cell {cell['id']!r} has an output: {CLEAR}"
        assert cell["execution_count"] is None, f"cell {cell['id']!r} has an execution count: {CLEAR}"


def test_runs_on_whichever_python_is_there(notebook: dict[str, Any]) -> None:
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)


def test_cells_have_ids_that_say_what_they_are(cells: list[Cell]) -> None:
    ids = [cell["id"] for cell in cells]
    assert len(set(ids)) == len(ids)
    made_up = [i for i in ids if not re.fullmatch(r"[a-z]+(-[a-z0-9]+)*", i)]
    assert not made_up, "give these cells names instead"


def test_has_the_headings_of_a_lesson_in_order(path: Path, cells: list[Cell]) -> None:
    text = "\n".join(_source(c) for c in cells if c["cell_type"] == "markdown")
    headings = re.findall(r"^##? (.*)$", text, re.MULTILINE)
    kinds = [next((h for h in HEADINGS if re.fullmatch(h, heading)), heading) for heading in headings]
    assert [kind for kind, _ in groupby(kinds)] == HEADINGS
    assert headings[0].startswith(path.stem[:2])


def test_says_how_long_it_takes(cells: list[Cell]) -> None:
    assert re.search(r"^\*Teaching \d+ min · Exercises? \d+ min · ", _source(cells[0]), re.MULTILINE)


def test_is_short(cells: list[Cell]) -> None:
    assert len(cells) <= CELLS
    long = [c["id"] for c in _code(cells) if len(_source(c).splitlines()) > LINES]
    assert not long, f"these cells have more than {LINES} lines"


def test_names_no_path_of_one_machine(cells: list[Cell]) -> None:
    found = [
        m for c in cells for m in re.findall(r"(?:/home|/Users|/root|/tmp|[A-Z]:\\)[\w/\\]*", _source(c))
    ]
    assert not found


def test_ends_what_it_started(path: Path, cells: list[Cell]) -> None:
    """Each lesson has a cluster of its own, so that no lesson is in another's way."""
    code = _code(cells)
    assert f'cluster_name="lesson-{path.stem[:2]}"' in _source(code[0])
    assert code[-1]["metadata"].get("tags") == ["cleanup"]
    assert "stop_all(purge=True)" in _source(code[-1])
