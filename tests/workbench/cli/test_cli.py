"""The `clipperlab` script's errors. None of these tests starts a cluster."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from clipper_container.errors import BadRequest, ClusterError
from clipperlab import cli
from clipperlab.cli.commands import app


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLIPPERLAB_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("command", ["start", "stop", "status", "demo"])
def test_every_command_has_help(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.output


@pytest.mark.parametrize("command", ["start", "stop", "status"])
def test_a_bad_cluster_name_is_refused(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--cluster-name", "My cluster"])
    assert result.exit_code == 1
    assert isinstance(result.exception, BadRequest)


def test_status_of_what_does_not_run() -> None:
    result = CliRunner().invoke(app, ["status", "--cluster-name", "quiet"])
    assert result.exit_code == 1
    assert isinstance(result.exception, ClusterError)


def test_status_of_what_does_not_answer_leaves_it_alone(home: Path) -> None:
    (home / "dead").mkdir()
    record = home / "dead" / "cluster.json"
    record.write_text('{"cluster_name":"dead","query":"127.0.0.1:1","management":"127.0.0.1:1","token":"t"}')
    result = CliRunner().invoke(app, ["status", "--cluster-name", "dead"])
    assert isinstance(result.exception, ClusterError)
    assert "does not answer" in str(result.exception)
    assert list(home.rglob("*")) == [home / "dead", record]


def test_an_error_is_one_sentence_on_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["clipperlab", "status", "--cluster-name", "quiet"])
    assert cli.main() == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        "Cluster 'quiet' is not running. `clipperlab start --cluster-name quiet` starts it.\n"
    )


@pytest.mark.parametrize("missing", ["typer", "rich", "httpx2"])
def test_says_what_to_install(missing: str) -> None:
    lacking = f"import sys; sys.modules[{missing!r}] = None"
    command = f"{lacking}; from clipperlab.cli import main; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == f'The command line needs {missing}: pip install "clipperlab[client]"\n'
