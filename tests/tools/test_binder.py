"""binder/ holds what repo2docker reads, and its installation works in a bare container."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess

import pytest

from tests.support import parts
from tests.support.notebooks import ROOT
from tests.tools import binder

BINDER = ROOT / "binder"


def test_opens_on_a_lesson_that_is_there() -> None:
    workspace = json.loads((BINDER / "workspace.json").read_text())
    data = workspace["data"]
    shown = data["layout-restorer:data"]["main"]["current"]
    areas = data["layout-restorer:data"]["main"]["dock"]["children"]
    widgets = [widget for area in areas for widget in area["widgets"]]
    assert shown in widgets
    for widget in widgets:
        assert data[widget]["data"]["path"] == widget.partition(":")[2]
        assert (ROOT / data[widget]["data"]["path"]).exists()
    panel = re.search(r"panel\.id = '(.*)'", (ROOT / "clipperlab/frontend/src/index.ts").read_text())
    assert panel
    assert data["layout-restorer:data"]["left"]["current"] == panel[1]


def test_scripts_can_be_run_and_start_hands_over() -> None:
    for name in ("postBuild", "start"):
        assert os.access(BINDER / name, os.X_OK)
        subprocess.run(["bash", "-n", BINDER / name], check=True)
    assert (BINDER / "start").read_text().rstrip().endswith('exec "$@"')


@pytest.mark.slow
@pytest.mark.skipif(
    "CLIPPERLAB_TRY_BINDER" not in os.environ, reason="takes ten minutes: set CLIPPERLAB_TRY_BINDER"
)
@pytest.mark.timeout(binder.LONGEST_S)
def test_installs_and_runs_lessons_in_two_gigabytes() -> None:
    docker = shutil.which("docker")
    answers = docker and subprocess.run(
        [docker, "info"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    parts.need("docker", bool(answers and answers.returncode == 0), "Start an engine, or set DOCKER_HOST.")
    said = binder.try_it()
    assert said.count(": passed") == len(binder.LESSONS)
