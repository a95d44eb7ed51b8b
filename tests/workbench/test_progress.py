from __future__ import annotations

import io

import pytest

from clipperlab.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_one_line_that_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with Progress("Deploying digits:1") as progress:
        progress.say("1 of 2 replicas ready")
    lines = terminal.getvalue().split("\r\x1b[K")[1:]
    assert [line.rpartition(",")[0] for line in lines] == [
        "Deploying digits:1: ...",
        "Deploying digits:1: 1 of 2 replicas ready",
        "Deploying digits:1: done",
    ]
    assert terminal.getvalue().endswith(" s\n")


def test_a_failure_is_not_called_done(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with pytest.raises(ValueError, match="no"), Progress("Deploying digits:1"):
        raise ValueError("no")
    assert "digits:1: not done" in terminal.getvalue()


def test_a_pipeline_sees_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("Deploying digits:1") as progress:
        progress.say("1 of 2 replicas ready")
    assert capsys.readouterr() == ("", "")
