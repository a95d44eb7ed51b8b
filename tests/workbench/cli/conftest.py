"""The command line, run in this process, which is quicker."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from typer.testing import CliRunner, Result

from clipperlab import ClipperConnection
from clipperlab.cli.commands import app

Run = Callable[..., Result]


@pytest.fixture
def run(cluster: ClipperConnection, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("CLIPPERLAB_CLUSTER", cluster.cm.cluster_name)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: str, code: int = 0) -> Result:
        result = CliRunner().invoke(app, words)
        assert result.exit_code == code, (words, result.output, result.exception)
        return result

    return run
