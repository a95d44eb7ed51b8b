"""Lessons and exercises have one shape, and are committed clean. `make notebooks` checks that they run."""

from __future__ import annotations

import re
from itertools import groupby
from pathlib import Path

import pytest

from clipperlab.lessons.checks import checks_of
from tests.support.notebooks import (
    EXERCISES,
    LESSONS,
    NOTEBOOKS,
    SOLUTIONS,
    Cell,
    cells_of,
    checked,
    code,
    head,
    objectives,
    read,
    source,
    text,
)
from tests.tools.overview import README, with_table

SOLVED = sorted(SOLUTIONS.glob("*.ipynb"))
ALL = [*LESSONS, *SOLVED, *sorted(EXERCISES.glob("*.ipynb"))]
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
CELLS = 50
LINES = 25
LETTERS = 88
PREDICTIONS = 4
WITHOUT_EXERCISE = ["00"]  # nothing to solve: it looks at the machine

lessons = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
solutions = pytest.mark.parametrize("path", SOLVED, ids=lambda path: path.stem)
notebooks = pytest.mark.parametrize("path", ALL, ids=lambda path: f"{path.parent.name}/{path.stem}")


def _tags(cell: Cell) -> list[str]:
    tags: list[str] = cell["metadata"].get("tags", [])
    return tags


def test_there_are_lessons() -> None:
    assert LESSONS


def test_the_overview_says_what_the_lessons_say_of_themselves() -> None:
    readme = README.read_text(encoding="utf-8")
    assert all(f"({path.name})" in readme for path in LESSONS)
    assert readme == with_table(readme), "run `make exercises`"


@notebooks
def test_holds_no_outputs(path: Path) -> None:
    for cell in code(path):
        assert not cell["outputs"], f"cell {cell['id']!r} has an output: {CLEAR}"
        assert cell["execution_count"] is None, f"cell {cell['id']!r} has an execution count: {CLEAR}"


@notebooks
def test_runs_on_whichever_python_is_there(path: Path) -> None:
    notebook = read(path)
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)


@notebooks
def test_cells_have_ids_that_say_what_they_are(path: Path) -> None:
    ids = [cell["id"] for cell in cells_of(path)]
    assert len(set(ids)) == len(ids)
    made_up = [i for i in ids if not re.fullmatch(r"[a-z]+(-[a-z0-9]+)*", i)]
    assert not made_up, "give these cells names instead"


@notebooks
def test_is_short(path: Path) -> None:
    assert len([c for c in cells_of(path) if "check" not in _tags(c)]) <= CELLS
    long = [c["id"] for c in code(path) if len(source(c).splitlines()) > LINES]
    assert not long, f"these cells have more than {LINES} lines"


@notebooks
def test_names_no_path_of_one_machine(path: Path) -> None:
    found = [
        m
        for c in cells_of(path)
        for m in re.findall(r"(?:/home|/Users|/root|/tmp|[A-Z]:\\)[\w/\\]*", source(c))
    ]
    assert not found


@notebooks
def test_links_lead_somewhere(path: Path) -> None:
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)[^)]*\)", text(path))
    missing = [link for link in links if not (path.parent / link).exists()]
    assert not missing


@notebooks
def test_waits_for_events_and_ends_what_it_started(path: Path) -> None:
    cells = code(path)
    assert _tags(cells[-1])[-1:] == ["cleanup"]
    assert re.search(r"^wb\.close\(\)$", source(cells[-1]), re.M)


@lessons
def test_has_the_headings_of_a_lesson_in_order(path: Path) -> None:
    headings = re.findall(r"^##? (.*)$", text(path), re.MULTILINE)
    kinds = [next((h for h in HEADINGS if re.fullmatch(h, heading)), heading) for heading in headings]
    assert [kind for kind, _ in groupby(kinds)] == HEADINGS
    assert headings[0].startswith(path.stem[:2])
    assert len([h for h in headings if h.startswith("Predict, then run")]) <= PREDICTIONS


@lessons
def test_says_how_long_it_takes_and_what_it_needs(path: Path) -> None:
    said = head(path)
    assert said.number == path.stem[:2]
    assert 0 < said.teaching + said.exercises <= 50


@lessons
def test_begins_like_every_other_lesson(path: Path) -> None:
    """Each lesson has a cluster of its own, so that no lesson is in another's way."""
    number, first = path.stem[:2], source(code(path)[0])
    assert "from clipperlab.lessons import" in first
    assert f'wb = lesson("{number}"' in first
    if "conn = ClipperConnection(" in first:  # lesson 01 shows what the others do in one line
        assert f'cluster_name="lesson-{number}"' in first or f'("lesson-{number}"' in first


@lessons
def test_each_objective_has_a_check_that_the_lesson_calls(path: Path) -> None:
    promised = objectives(path)
    assert 3 <= len(promised) <= 5
    assert [id for _, id in promised if not id] == [], "end each with the id of its check: (`some-check`)"
    assert {id for _, id in promised} <= set(checked(path))


@lessons
def test_calls_the_checks_that_are_registered_for_it(path: Path) -> None:
    assert set(checked(path)) == set(checks_of(path.stem[:2]))


@lessons
def test_is_read_at_the_width_of_a_notebook_beside_another_one(path: Path) -> None:
    lines = [line for cell in read(path)["cells"] for line in source(cell).splitlines()]
    unbreakable = re.compile(r"^\||https?://|\]\(")  # tables, addresses and links
    assert [line for line in lines if len(line) > LETTERS and not unbreakable.search(line)] == []


@lessons
def test_is_looked_at_and_answered(path: Path) -> None:
    cells = code(path)
    written = "\n".join(map(source, cells))
    if path.stem[:2] not in WITHOUT_EXERCISE:
        assert len(re.findall(r"\bdraw\.\w+\(|\.compare\(|\bconn\.(?:batching|why)\(", written)) >= 3
        assert len(re.findall(r"\bwb\.(?:guess|choose)\(", written)) >= 2
    (quiz,) = [cell for cell in cells if "wb.quiz(" in source(cell)]
    assert quiz["metadata"]["jupyter"]["source_hidden"]  # which gives the answers away


@lessons
def test_hides_its_guesses(path: Path) -> None:
    """Whoever is asked to guess must not see the answer first."""
    sections = re.findall(r"^## Predict, then run: (.*?)(?=^## |\Z)", text(path), re.M | re.S)
    open_ = [s.splitlines()[0] for s in sections if not re.search(r"<details>.*</details>", s, re.S)]
    assert not open_


@lessons
def test_has_an_exercise_and_leads_to_it(path: Path) -> None:
    if path.stem[:2] in WITHOUT_EXERCISE:
        assert not (SOLUTIONS / path.name).exists()
        return
    assert (SOLUTIONS / path.name).exists()
    assert f"](../exercises/{path.name})" in text(path)


@solutions
def test_belongs_to_a_lesson(path: Path) -> None:
    assert (NOTEBOOKS / path.name).exists()
    assert f'wb = lesson("{path.stem[:2]}", exercise=True' in "\n".join(map(source, code(path)[:2]))


@solutions
def test_a_solution_calls_all_checks_of_the_exercise_and_ends_complete(path: Path) -> None:
    called = set(checked(path))
    assert called == set(checks_of(path.stem[:2], exercise=True))
    assert 2 <= len(called) <= 4
    complete = [c for c in code(path) if "assert wb.progress.complete" in source(c)]
    assert [_tags(c) for c in complete] == [["solution"]]
    assert len([c for c in code(path) if re.search(r"^\s*# solution$", source(c), re.M)]) >= 2
