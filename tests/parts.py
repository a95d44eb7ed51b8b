"""Parts that a machine may lack: tests that need one skip there, and fail where it must be."""

from __future__ import annotations

import os
import shutil

import pytest

MUST = "CLIPPERLAB_TESTS_NEED"


def need(part: str, there: bool, how: str) -> None:
    """Skip where the part is not there; fail where CLIPPERLAB_TESTS_NEED, a list with commas, names it."""
    if there:
        return
    if part in os.environ.get(MUST, "").split(","):
        pytest.fail(f"There is no {part} here, and {MUST} says that there must be. {how}")
    pytest.skip(f"There is no {part} here. {how}")


def chromium() -> str:
    """The path of Debian's Chromium."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    need("chromium", path is not None, "On Debian: apt install chromium")
    assert path is not None
    return path
