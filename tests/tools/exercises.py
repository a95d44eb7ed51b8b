"""Makes the exercises from their solutions, which are the only source: `make exercises`.

In a code cell, what follows a line `# solution` gives way to `# Your code goes here.`; a cell with the tag
`solution` is left out. Links hold of the folder that a notebook is in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.support.notebooks import EXERCISES, SOLUTIONS, Cell, read

GAP = "# Your code goes here."


def exercise_of(solution: dict[str, Any]) -> dict[str, Any]:
    """The exercise notebook that a solution notebook makes."""
    kept = [cell for cell in solution["cells"] if "solution" not in cell["metadata"].get("tags", [])]
    return {**solution, "cells": [{**cell, "source": list(_source(cell))} for cell in kept]}


def _source(cell: Cell) -> Iterator[str]:
    for line in cell["source"]:
        if cell["cell_type"] == "markdown":
            yield line.replace("](../../", "](../")
        elif mark := re.fullmatch(r"(\s*)# solution\s*", line):
            yield mark[1] + GAP
            return
        else:
            yield line


def written(notebook: dict[str, Any]) -> str:
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    for solution in sorted(SOLUTIONS.glob("*.ipynb")):
        (EXERCISES / solution.name).write_text(written(exercise_of(read(solution))), encoding="utf-8")


if __name__ == "__main__":
    main()
