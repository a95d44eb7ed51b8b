"""Lesson 19's other server is a real MLServer where `make peers` made one, and the lesson passes with it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx2
import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB

from clipperlab.lessons.live.theirs import MLServer
from tests.support.parts import need

ROOT = Path(__file__).parents[3]
PROGRAMS = ROOT / "build" / "peers" / "mlserver" / "bin"
RUN = ["-p", "tests.support.home", "-p", "tests.support.lesson_runs", "--nbval-lax", "--nbval-current-env"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(autouse=True)
def _needs_mlserver() -> None:
    need("MLServer", (PROGRAMS / "mlserver").exists(), "Run `make peers`.")


def test_it_serves_a_model_and_leaves_nothing() -> None:
    rows = np.array([[0.0, 0.0], [5.0, 5.0]])
    inputs = [{"name": "row", "datatype": "FP64", "shape": [-1, 2]}]
    server = MLServer(
        PROGRAMS / "mlserver", "m", GaussianNB().fit(rows.repeat(3, 0), [4] * 3 + [7] * 3), inputs
    )
    try:
        tensor = {"name": "row", "datatype": "FP64", "shape": [2, 2], "data": rows.ravel().tolist()}
        with httpx2.Client(base_url=server.url, trust_env=False, verify=False) as web:
            described = web.get("/v2/models/m").json()
            said = web.post("/v2/models/m/infer", json={"inputs": [tensor]}).json()
    finally:
        server.close()
    assert described["inputs"][0]["shape"] == [-1, 2]
    assert said["outputs"][0]["data"] == [4, 7]
    assert not server.folder.exists()


def test_the_lesson_passes_with_it() -> None:
    (lesson,) = (ROOT / "notebooks").glob("19_*.ipynb")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *RUN, "--nbval-cell-timeout=120", lesson],
        cwd=ROOT,
        env={**os.environ, "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stdout
