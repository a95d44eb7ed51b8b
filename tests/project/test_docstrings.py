"""Every public name says what it is, with an example; and each example runs, in a cluster as it was."""

from __future__ import annotations

import doctest
import importlib.util
import inspect
from pathlib import Path
from typing import Any

import pytest

import clipperlab
from clipperlab import ClipperConnection
from tests.support.clusters import Attach
from tests.support.examples import BEFORE, Saved, write_files, write_onnx
from tests.tools.site.python_api import BEGINNING, found_by, names

NAMES = names()
ELSEWHERE = {
    "build_model": "it needs an engine",
    "build_and_deploy_model": "it needs an engine",
}
"""Examples that are read here, and not run."""
PACKAGES = {
    "clipperlab.deployers.lightgbm": ["lightgbm"],
    "clipperlab.deployers.mlflow": ["mlflow"],
    "clipperlab.deployers.onnx": ["torch", "onnx", "onnxscript", "onnxruntime"],
    "clipperlab.deployers.pytorch": ["torch"],
    "clipperlab.deployers.tensorflow": ["tensorflow"],
    "clipperlab.deployers.xgboost": ["xgboost"],
}
"""What the examples of a module need besides."""


def _of(name: str) -> list[doctest.Example]:
    return doctest.DocTestParser().get_examples(inspect.getdoc(found_by(name)) or "", name)


WITH_EXAMPLES = [name for name in NAMES if _of(name)]


def test_every_public_name_says_what_it_is() -> None:
    assert len(NAMES) >= 150
    public = [*NAMES, *(f"clipperlab.{name}" for name in clipperlab.__all__)]
    assert [name for name in public if not inspect.getdoc(found_by(name))] == []


def test_every_public_name_has_an_example() -> None:
    assert [name for name in NAMES if name not in WITH_EXAMPLES] == []


def test_examples_that_run_elsewhere_can_be_read() -> None:
    for name in WITH_EXAMPLES:
        for example in _of(name):
            compile(example.source, name, "exec")


@pytest.fixture(scope="module")
def world(attach: Attach) -> dict[str, Any]:
    """What the page begins with, by its names. The cluster ends with the module's home."""
    pytest.importorskip("sklearn", reason="the examples need scikit-learn, which is not installed here")
    head, line, rest = BEGINNING.partition("conn = ")
    found: dict[str, Any] = {}
    exec(head, found)
    exec(line + rest, found, here := {"ClipperConnection": attach})
    return {**found, **here, "ClipperConnection": ClipperConnection}


@pytest.fixture(scope="module")
def saved(world: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Saved:
    return Saved(world["conn"], tmp_path_factory.mktemp("saved"))


def _why_not(name: str) -> str:
    """Why an example does not run here; "" where it does."""
    module, _, last = name.rpartition(".")
    lacks = [each for each in PACKAGES.get(module, []) if importlib.util.find_spec(each) is None]
    return ELSEWHERE.get(last, "") or ", ".join(f"{each} is not installed here" for each in lacks)


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_the_example_runs(
    name: str, world: dict[str, Any], saved: Saved, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if why_not := _why_not(name):
        pytest.skip(why_not)
    monkeypatch.chdir(tmp_path)
    write_files(tmp_path)
    if ".onnx." in name:
        write_onnx(tmp_path)
    example = doctest.DocTest(_of(name), {**world, "__name__": "__main__"}, name, None, None, None)
    said: list[str] = []
    try:
        if name in BEFORE:
            BEFORE[name](world)
        runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS)
        found = runner.run(example, out=said.append)
    finally:
        saved.restore()
    assert found.failed == 0, "".join(said)
