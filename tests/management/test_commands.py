"""`python -m clipper_server`: what the command line loads."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("command", "loads"), [("main._parser()", False), ("main._manage(None, None)", True)]
)
def test_only_management_loads_management(command: str, loads: bool) -> None:
    """Whoever starts or stops a cluster waits for what is loaded."""
    code = f"""
import contextlib, sys
from clipper_server import __main__ as main
with contextlib.suppress(AttributeError):
    {command}
print("fastapi" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"{loads}\n"
