from __future__ import annotations

import io
import logging

import pytest

from clipperlab.progress import Progress, told_to


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


def test_a_pipeline_sees_nothing_and_its_log_each_change_once(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "clipperlab"), Progress("Deploying digits:1") as progress:
        for how_far in ("building the environment", "building the environment", "1 of 2 replicas ready"):
            progress.say(how_far)
        progress.ends("digits:1 is ready, and current.")
    assert capsys.readouterr() == ("", "")
    assert [record.getMessage().rpartition(",")[0] for record in caplog.records] == [
        "Deploying digits:1: ...",
        "Deploying digits:1: building the environment",
        "Deploying digits:1: 1 of 2 replicas ready",
        "Deploying digits:1: digits:1 is ready, and current",
    ]


def test_who_is_told_otherwise_has_it_in_no_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "clipperlab"):
        told: list[str] = []
        with told_to(told.append), Progress("Deploying digits:1") as progress:
            progress.say("uploading")
        monkeypatch.setattr("sys.stderr", Terminal())
        with Progress("Deploying digits:1") as progress:
            progress.say("uploading")
    assert len(told) == 3
    assert caplog.records == []
