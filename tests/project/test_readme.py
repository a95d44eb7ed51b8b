"""The README's example runs as it stands there, and its links lead somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.home import own_home

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.timeout(900)  # it takes ten seconds: this is for a machine that does much else besides
def test_the_example_runs() -> None:
    code = "\n".join(re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL))
    with own_home() as home:
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "CLIPPERLAB_HOME": str(home), "NO_PROXY": "127.0.0.1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=800,
        )
    assert done.returncode == 0, done.stderr
    promised = re.findall(r"^# ([{\[].*)$", code, re.MULTILINE)
    assert promised
    assert _without_ids(done.stdout.splitlines()) == _without_ids(promised)


def test_the_figures_are_those_of_the_comparison() -> None:
    page = (ROOT / "docs" / "explanation" / "compared.md").read_text(encoding="utf-8")
    heads, _, *rows = [_cells(line) for line in README.splitlines() if line.startswith("|")]
    assert len(rows) == 2
    for name, *told in rows:
        (table,) = re.findall(rf"^### {name} at 32\n\n((?:\|.*\n)+)", page, re.MULTILINE)
        found = {cells[0]: cells[1] for cells in map(_cells, table.splitlines()[2:])}
        assert dict(zip(heads[1:], told, strict=True)) == found
    (alone,) = re.findall(r"\*\*single at 1\*\*: (.*?) answers the most", page)
    assert f"is served quicker\nby {alone}." in README


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def _without_ids(lines: list[str]) -> list[str]:
    return [re.sub(r"'query_id': \d+", "'query_id': ...", line) for line in lines]


@pytest.mark.parametrize("link", re.findall(r"\]\((?!https?:)([^)#]+)", README))
def test_links_lead_to_files(link: str) -> None:
    assert (ROOT / link).exists()
