from __future__ import annotations

import sys
from pathlib import Path

import pytest

from clipperlab import BadRequest, ClusterError, NotFound, ProcessContainerManager


def test_a_cluster_name_is_a_dns_label() -> None:
    with pytest.raises(BadRequest, match="The cluster name 'My cluster' cannot be used: take lower-case"):
        ProcessContainerManager("My cluster")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLIPPERLAB_HOME", str(tmp_path))
    return tmp_path


def test_a_cluster_without_a_record_does_not_run(home: Path) -> None:
    assert ProcessContainerManager("quiet").record() is None


def test_a_record_that_cannot_be_read(home: Path) -> None:
    (home / "torn").mkdir()
    (home / "torn" / "cluster.json").write_text("{")
    with pytest.raises(ClusterError, match=r"cannot be read.*fresh=True"):
        ProcessContainerManager("torn").record()


@pytest.mark.parametrize(
    ("script", "says"),
    [
        (
            "echo noise >&2; echo 'Port 1337 is taken. Free it.' >&2; exit 1",
            r"^Port 1337 is taken\. Free it\.$",
        ),
        ("echo 'python: No module named clipper_server' >&2; exit 1", r'pip install "clipperlab\[server\]"'),
        ("exit 1", "failed and said nothing"),
        ("""echo 'Gone.' >&2; echo '{"error": "OSError"}'; exit 1""", r"^Gone\.$"),
        ("echo 'Gone.' >&2; echo '[]'; exit 1", r"^Gone\.$"),
    ],
)
def test_a_failing_runtime_is_quoted(
    script: str, says: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = home / "python"
    runtime.write_text(f"#!/bin/sh\n{script}\n")
    runtime.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(runtime))
    with pytest.raises(ClusterError, match=says):
        ProcessContainerManager("c").up(fresh=False)


@pytest.mark.parametrize(
    ("protocols", "error", "says"),
    [
        ("t", NotFound, "There is no protocol 't'"),
        ("clipper", BadRequest, "always on"),
        ("azureml:x", BadRequest, "'azureml:x' is no protocol with its ports"),
    ],
)
@pytest.mark.usefixtures("home")
def test_a_refusal_of_the_runtime_is_the_error_that_it_was(
    protocols: str, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        ProcessContainerManager("c").up(fresh=False, settings={"protocols": protocols})


def test_the_runtime_is_told_what_to_do(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = home / "python"
    runtime.write_text('#!/bin/sh\necho "$@" >> "$0.calls"\necho \'{"started": true, "stopped": 3}\'\n')
    runtime.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(runtime))
    manager = ProcessContainerManager("c", clipper_query_port=7000)
    assert manager.up(fresh=True)
    assert manager.down(purge=True) == 3
    assert (home / "python.calls").read_text().splitlines() == [
        f"-P -m clipper_server up process --folder {home}/c --query-port 7000 --management-port 1338 --fresh",
        f"-P -m clipper_server down process --folder {home}/c --purge",
    ]
