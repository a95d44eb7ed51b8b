"""`python -m clipper_server`: each place's words and arguments, and what each needs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from clipper_server import __main__ as command_line
from clipper_server.cluster import ClusterFolder, ClusterRecord
from clipper_server.identity import Identity


def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object) -> object:
    monkeypatch.setattr(sys, "argv", ["clipper_server", *map(str, arguments)])
    assert command_line.main() == 0
    return json.loads(capsys.readouterr().out)


def test_the_record_of_a_cluster_of_processes_says_how_to_reach_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    record = ("record", "process", "--folder", tmp_path)
    assert run(monkeypatch, capsys, *record) == {"record": None}
    ClusterFolder(tmp_path).write_record(ClusterRecord("c", "q:1", "m:2", "t", 1, Identity(1, "", "")))
    reach = {"cluster_name": "c", "query": "q:1", "management": "m:2", "token": "t"}
    assert run(monkeypatch, capsys, *record) == {"record": reach}


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["manifests", "process", "--folder", "x"], "invalid choice: 'process'"),
        (["up", "process", "--folder", "x", "--cluster-name", "c"], "unrecognized arguments: --cluster-name"),
        (["down", "docker"], "required: --cluster-name"),
        (["up", "process"], "required: --folder"),
        (["up", "process", "--folder", "x", "--num-frontends", "0"], "invalid number value: '0'"),
    ],
)
def test_a_place_has_its_own_words_and_arguments(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], why: str
) -> None:
    with pytest.raises(SystemExit):
        run(monkeypatch, capsys, *arguments)
    assert why in capsys.readouterr().err


@pytest.mark.parametrize(
    ("names", "why"),
    [("open-inference-grpc,corba", "There is no protocol 'corba'."), ("clipper", "clipper is always on")],
)
def test_a_protocol_that_there_is_not_is_said_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, names: str, why: str
) -> None:
    arguments = ["up", "process", "--folder", str(tmp_path / "none"), "--protocols", names]
    monkeypatch.setattr(sys, "argv", ["clipper_server", *arguments])
    assert command_line.main() == 1
    assert why in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_what_management_of_processes_stands_on_needs_no_other_place_s_packages() -> None:
    """Nor does the rest of the command line: it does not even load management, unless that is to run."""
    code = """
import sys
sys.modules["docker"] = sys.modules["kubernetes"] = None
import clipper_server.__main__
assert "clipper_server.management" not in sys.modules
import clipper_server.management.server
"""
    subprocess.run([sys.executable, "-c", code], check=True)
