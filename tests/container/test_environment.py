"""Environments with packages of a model's own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from clipper_container import environment
from tests.support.wheels import wheel

pytestmark = pytest.mark.slow


def make(place: Path, *packages: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "clipper_container.environment", str(place), *packages]
    return subprocess.run(command, capture_output=True, text=True, timeout=100)


def said(place: Path, code: str) -> str:
    return subprocess.check_output(
        [environment.python(place), "-P", "-c", code], text=True, timeout=50
    ).strip()


def test_it_has_what_was_asked_for_before_what_its_maker_has(tmp_path: Path) -> None:
    place = tmp_path / "environment"
    done = make(place, str(wheel(tmp_path)), str(wheel(tmp_path, "msgspec", "99.0")))
    assert done.returncode == 0, done.stderr
    assert said(place, "import tinywheel; print(tinywheel.version)") == "1.0"
    assert said(place, "import msgspec; print(msgspec.version)") == "99.0"
    assert Path(said(place, "import numpy; print(numpy.__file__)")).is_relative_to(sys.prefix)
    again = make(place, "/no/such.whl")  # as after a node's restart: what is there is there
    assert (again.returncode, again.stdout) == (0, "")


def test_what_a_failed_try_has_left_is_removed_by_the_next_one(tmp_path: Path) -> None:
    place = tmp_path / "environment"
    failed = make(place, "/no/such.whl")
    assert failed.returncode == 1
    assert "/no/such.whl" in failed.stderr
    (place / "left").touch()
    assert make(place, str(wheel(tmp_path))).returncode == 0
    assert not (place / "left").exists()
