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


def _without_ids(lines: list[str]) -> list[str]:
    return [re.sub(r"'query_id': \d+", "'query_id': ...", line) for line in lines]


@pytest.mark.parametrize("link", re.findall(r"\]\((?!https?:)([^)#]+)", README))
def test_links_lead_to_files(link: str) -> None:
    assert (ROOT / link).exists()
