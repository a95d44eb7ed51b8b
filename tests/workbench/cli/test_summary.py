from __future__ import annotations

import io

import pytest
from rich.console import Console

from clipperlab.cli.summary import table


@pytest.mark.parametrize(
    ("width", "lines"),
    [(80, ["application   linked models", "digits        digits and more"]), (16, ["application", "digits"])],
)
def test_a_row_that_is_too_long_for_the_terminal_is_lines_of_its_own(width: int, lines: list[str]) -> None:
    shown = table("application", "linked models")
    shown.add_row("digits", "digits and more")
    out = io.StringIO()
    Console(file=out, width=width).print(shown)
    said = [line.strip() for line in out.getvalue().splitlines() if line.strip()]
    assert said[: len(lines)] == lines
