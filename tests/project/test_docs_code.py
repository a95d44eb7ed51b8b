"""The code in the pages runs as it stands there, or the page's source says why not."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.home import own_home
from tests.support.pages import PAGES, blocks, program, promised, with_code

RUN = {"python", "console"}
SHOWN = {"", "text", "{toctree}", "{image}", "{eval-rst}"}
OLD = {"instructor.md", "scale.md"}  # their commands are for a workshop's machines, and take minutes


@pytest.mark.parametrize("page", PAGES)
def test_each_block_runs_or_says_why_not(page: str) -> None:
    for block in blocks(page):
        told = block.why_not or block.language in RUN | SHOWN or page in OLD
        assert told, f"Put `<!-- not run: why -->` above this block of {page}:\n{block.text}"
        if block.language in ("", "text"):
            assert not re.search(r"^(conn\.|from |import |\$ )", block.text, re.M), block.text


def test_most_pages_have_code_that_runs() -> None:
    assert len(with_code()) > 15


@pytest.mark.slow
@pytest.mark.timeout(900)  # a page takes ten seconds: this is for a machine that does much else besides
@pytest.mark.parametrize("page", [page for page in with_code() if page not in OLD])
def test_what_a_page_shows_runs(page: str, tmp_path: Path) -> None:
    script = tmp_path / "page.py"
    script.write_text(program(page))
    with own_home() as home:
        done = subprocess.run(
            [sys.executable, script],
            env={
                **os.environ,
                "CLIPPERLAB_HOME": str(home),
                "CLIPPERLAB_CLUSTER": "docs",
                "NO_PROXY": "127.0.0.1",
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "PYTHONUNBUFFERED": "1",
            },
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=800,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    said = iter(re.sub(r"'query_id': \d+", "'query_id': ...", done.stdout).splitlines())
    for line in promised(page):
        expected = re.sub(r"'query_id': \d+", "'query_id': ...", line)
        assert expected in said, f"{expected!r} is not among what was printed, in its order:\n{done.stdout}"
