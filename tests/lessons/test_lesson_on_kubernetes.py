"""Lesson 13 and its solution on the stand-in, every cell of them: `make notebooks` finds no Kubernetes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.lessons.test_lesson_runs import run_notebooks
from tests.support.notebooks import NOTEBOOKS, SOLUTIONS
from tests.support.parts import MUST
from tests.support.places import ON_THE_STAND_IN
from tests.tools import kubernetes_stand_in

NAME = "13_scale_out_on_kubernetes.ipynb"
KIND: dict[str, Any] = {"nodes": 1}
BARE: dict[str, Any] = {"dns": False, "storage_class": False, "nodes": 1}

pytestmark = ON_THE_STAND_IN


@pytest.mark.parametrize(
    ("folder", "options"),
    [(NOTEBOOKS, KIND), (SOLUTIONS, BARE)],
    ids=["lesson-kind", "solution-bare"],
)
def test_it_runs_from_top_to_bottom_and_leaves_nothing(folder: Path, options: dict[str, Any]) -> None:
    """On a cluster as kind makes it, and on one node without DNS and storage."""
    with kubernetes_stand_in.StandIn(**options) as cluster:
        code, said = run_notebooks(folder / NAME, **{MUST: "kubernetes", **cluster.environment})
        assert code == pytest.ExitCode.OK, said
        assert f"{NAME}: passed\n" in said
        for prefix in ("lesson", "exercise"):
            assert cluster.pods(f"clipper-{prefix}-13") == []


def test_without_a_cluster_it_says_so_in_its_first_cell_and_is_left_out(tmp_path: Path) -> None:
    nowhere = {"KUBECONFIG": str(tmp_path / "none"), MUST: ""}
    code, said = run_notebooks(NOTEBOOKS / NAME, **nowhere)
    assert code == pytest.ExitCode.OK, said
    assert f"{NAME}: left out: There is no kubernetes here, and this lesson needs it. No Kubern" in said
