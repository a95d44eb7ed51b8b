"""Writes the table of the lessons in notebooks/README.md, from what the lessons say of themselves."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.notebooks import LESSONS, NOTEBOOKS, SOLUTIONS, head, objectives

README = NOTEBOOKS / "README.md"
TABLE = re.compile(r"(?<=<!-- lessons -->\n).*(?=<!-- end -->)", re.DOTALL)


def table(lessons: list[Path]) -> str:
    """Number, title, what one can do afterwards, minutes with the exercise, and needs: a row a lesson."""
    rows = ["| | lesson | afterwards you can | minutes | needs |", "|---|---|---|---|---|"]
    for path in lessons:
        said = head(path)
        able = "; ".join(objective.replace("*", "") for objective, _ in objectives(path))
        minutes = f"{said.teaching} + {said.exercises}" if said.exercises else f"{said.teaching}"
        title = f"[{said.title}]({path.name})"
        if (SOLUTIONS / path.name).exists():
            title += f", [exercise](../exercises/{path.name})"
        rows.append(f"| {said.number} | {title} | {able} | {minutes} | {said.needs} |")
    return "\n" + "\n".join(rows) + "\n\n"


def with_table(readme: str) -> str:
    return TABLE.sub(lambda _: table(LESSONS), readme)


def main() -> None:
    README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
