"""The command line, run in this process, which is quicker."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

import pytest
import typer.main
from typer.testing import CliRunner, Result

from clipperlab import ClipperConnection
from clipperlab.cli.commands import app

Run = Callable[..., Result]


@pytest.fixture(scope="session", autouse=True)
def commands_made_once() -> Iterator[None]:
    """typer makes all commands anew for each that is run, which takes longer than most of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.testing._get_command", functools.cache(typer.main.get_command))
        yield


@pytest.fixture
def run(cluster: ClipperConnection, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("CLIPPERLAB_CLUSTER", cluster.cm.cluster_name)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: str, code: int = 0) -> Result:
        result = CliRunner().invoke(app, words)
        assert result.exit_code == code, (words, result.output, result.exception)
        return result

    return run
