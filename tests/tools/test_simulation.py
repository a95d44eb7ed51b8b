"""The simulation of scale, small."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.tools.simulation.table import table

pytestmark = pytest.mark.slow

pytest.importorskip("aiohttp", reason="needs aiohttp, which comes with Kubernetes' client")


def test_a_small_simulation_answers_every_query_and_prints_its_tables() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.tools.simulation", "--smoke"],
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert ran.returncode == 0, ran.stderr
    titles = [line[4:] for line in ran.stdout.splitlines() if line.startswith("### ")]
    assert [title.split(",")[0] for title in titles] == [
        "Whole clusters",
        "One replica",
        "Management",
        "Snapshots",
        "The arithmetic",
    ]
    whole = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in ran.stdout.partition("### One replica")[0].splitlines()
        if line.startswith("|") and "---" not in line
    ]
    heads, *rows = whole
    assert [row[:3] for row in rows] == [["20", "1", "20"], ["20", "2", "40"]]
    for row in rows:
        assert int(row[heads.index("answers")].replace(",", "")) > 0
        assert row[heads.index("other answers")] == "0"


def test_tables() -> None:
    assert table(["a", "long"], [["1", "2"]]) == "|   a | long |\n| --: | ---: |\n|   1 |    2 |"
