"""Parts that a machine may lack: tests that need one skip there, and fail where it must be.

`python -m tests.support.parts` says which are missing here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from clipperlab.lessons.live.installed import postgres_programs, redis_server
from clipperlab.lessons.live.servers import PostgresServer, RedisServer

MUST = "CLIPPERLAB_TESTS_NEED"


def need(part: str, there: bool, how: str) -> None:
    """Skip where the part is not there; fail where CLIPPERLAB_TESTS_NEED, a list with commas, names it."""
    if there:
        return
    if part in os.environ.get(MUST, "").split(","):
        pytest.fail(f"There is no {part} here, and {MUST} says that there must be. {how}")
    pytest.skip(f"There is no {part} here. {how}")


def missing() -> list[str]:
    """The parts that are not here."""

    def docker() -> bool:
        program = shutil.which("docker")
        return program is not None and subprocess.run([program, "info"], capture_output=True).returncode == 0

    parts: dict[str, Callable[[], object]] = {
        "chromium": _chromium,
        "redis": redis_server,
        "postgresql": postgres_programs,
        "npm": lambda: shutil.which("npm"),
        "pyright": _pyright,
        "boto3": _boto3,
        "docker": docker,
        "docker-registry": lambda: shutil.which("docker-registry"),
        "kubectl": lambda: shutil.which("kubectl"),
    }
    return [part for part, find in parts.items() if not find()]


def _installed(*path: str) -> Path | None:
    """What the Makefile puts under build/."""
    found = Path(__file__).parents[2].joinpath("build", *path)
    return found if found.exists() else None


def _pyright() -> Path | None:
    return _installed("pyright", "node_modules", ".bin", "pyright")


def pyright() -> Path:
    """The path of pyright, which runs with Node."""
    path = _pyright()
    need("pyright", path is not None, "With npm: make set-up EVERYTHING=1")
    assert path is not None
    return path


def _boto3() -> Path | None:
    return _installed("peers", "sagemaker", "bin", "python")


def boto3() -> Path:
    """The path of a Python that has boto3, in an environment of its own."""
    path = _boto3()
    need("boto3", path is not None, "make build/peers/sagemaker/.made installs it.")
    assert path is not None
    return path


def _chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser")


def chromium() -> str:
    """The path of Debian's Chromium."""
    path = _chromium()
    need("chromium", path is not None, "On Debian: apt install chromium")
    assert path is not None
    return path


@contextmanager
def a_redis() -> Iterator[RedisServer]:
    """A throw-away one."""
    need("redis", redis_server() is not None, "On Debian: apt install redis-server")
    with closing(RedisServer()) as server:
        yield server


@contextmanager
def a_postgresql() -> Iterator[PostgresServer]:
    """A throw-away one."""
    need("postgresql", postgres_programs() is not None, "On Debian: apt install postgresql")
    with closing(PostgresServer()) as server:
        yield server


if __name__ == "__main__":
    if lacks := missing():
        sys.stdout.write(f"Left out, too, what needs a part that is not here: {', '.join(lacks)}.\n")
