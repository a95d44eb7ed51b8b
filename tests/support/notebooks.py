"""Notebooks as the tests and the generators read them: their cells, and what a lesson says of itself."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
NOTEBOOKS = ROOT / "notebooks"
EXERCISES = ROOT / "exercises"
SOLUTIONS = EXERCISES / "solutions"
RECORDED = ROOT / "build" / "lessons"  # `make notebooks` keeps what cells put out here
LESSONS = sorted(NOTEBOOKS.glob("*.ipynb"))
TITLE = re.compile(r"# (\d\d) · ([^\n]+)\n")
TIMES = re.compile(r"^\*Teaching (\d+) min · Exercises? (\d+) min · (\w+) · Needs: (.+)\*$", re.MULTILINE)

Cell = dict[str, Any]


@dataclass(frozen=True)
class Head:
    """What a lesson's first cell says. Times are in minutes."""

    number: str
    title: str
    teaching: int
    exercises: int
    level: str
    needs: str


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def cells_of(path: Path) -> list[Cell]:
    cells: list[Cell] = read(path)["cells"]
    return cells


def source(cell: Cell) -> str:
    return "".join(cell["source"])


def code(path: Path) -> list[Cell]:
    return [cell for cell in cells_of(path) if cell["cell_type"] == "code"]


def text(path: Path) -> str:
    """Everything that is not code."""
    return "\n\n".join(source(cell) for cell in cells_of(path) if cell["cell_type"] == "markdown")


def head(path: Path) -> Head:
    """Raises AssertionError where the first cell is not that of a lesson."""
    first = source(cells_of(path)[0])
    title, times = TITLE.match(first), TIMES.search(first)
    assert title, f"{path.name} should begin with a line like `# 04 · Batch queries`"
    line = "*Teaching 15 min · Exercises 10 min · Beginner · Needs: 01*"
    assert times, f"the first cell of {path.name} needs a line like `{line}`"
    return Head(title[1], title[2], int(times[1]), int(times[2]), times[3], times[4])


def objectives(path: Path) -> list[tuple[str, str]]:
    """What one can do after a lesson, and the id of the check of it, "" where there is none."""
    section = re.search(r"^## After this lesson you can\n(.*?)(?=^## |\Z)", text(path), re.M | re.S)
    assert section
    bullets = [" ".join(bullet.split()) for bullet in re.split(r"^- ", section[1], flags=re.M)]
    parts = [re.fullmatch(r"(.*?)(?: \(`([a-z0-9-]+)`\))?", bullet) for bullet in bullets if bullet]
    return [(part[1], part[2] or "") for part in parts if part]


def checked(path: Path) -> list[str]:
    """The ids of the checks that a notebook calls, in order."""
    return [id for cell in code(path) for id in re.findall(r'wb\.check\(\s*"([\w-]+)"', source(cell))]
