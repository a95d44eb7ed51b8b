"""A CLIPPERLAB_HOME of one's own, in a short folder, whose clusters end with it whatever happens.

As a pytest plugin (`-p tests.support.home`) it gives one to the whole run: so the lessons never touch a
learner's own clusters, and a lesson that fails half-way leaves no process behind.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest


@contextmanager
def own_home() -> Iterator[Path]:
    # Not the system's own choice: macOS gives a path that is too long for the sockets in it.
    with tempfile.TemporaryDirectory(prefix="clipper-", dir="/tmp") as folder:
        home = Path(folder)
        try:
            yield home
        finally:
            end_clusters(home)


def end_clusters(home: Path) -> None:
    for cluster in home.iterdir():
        down = [sys.executable, "-m", "clipper_server", "down", "process", "--purge"]
        subprocess.run([*down, "--folder", cluster], check=True, stdout=subprocess.DEVNULL)


def pytest_configure(config: pytest.Config) -> None:
    stack = ExitStack()
    os.environ["CLIPPERLAB_HOME"] = str(stack.enter_context(own_home()))
    config.add_cleanup(stack.close)
