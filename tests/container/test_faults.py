from __future__ import annotations

import sys
from typing import Any

import pytest

from clipper_container import log, words
from clipper_container.faults import MOST, MOST_WORDS, safe, show, told, words_of


class Mute(Exception):
    def __str__(self) -> str:
        raise KeyboardInterrupt


class Shouting(str):
    """A text with a will of its own."""

    def __len__(self) -> int:
        raise SystemExit

    def encode(self, *_: Any) -> bytes:
        raise SystemExit


class Loud(Exception):
    def __str__(self) -> str:
        return Shouting("loud")


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


def test_a_text_is_cut_in_its_middle_and_its_half_characters_are_escaped() -> None:
    assert safe("caf\udce9") == "caf\\udce9"
    cut = safe("begin" + "x" * 1_000_000 + "end")
    assert len(cut) == MOST
    assert cut.startswith("begin")
    assert cut.endswith("end")
    assert len(safe("\udce9" * MOST)) == MOST


def test_every_exception_can_be_told() -> None:
    assert told(ValueError("no")) == "ValueError: no"
    assert told(ValueError()) == "ValueError"
    assert told(Mute()) == "Mute, which cannot say more: its text raises KeyboardInterrupt"
    assert told(Loud()) == "Loud: loud"
    assert len(told(type("N" * 10_000, (Exception,), {})())) <= MOST


@pytest.mark.parametrize("error", [Mute(), Loud(), ValueError("x" * 10_000_000), ValueError("caf\udce9")])
def test_every_traceback_can_be_told_and_is_short(
    error: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    words = words_of(raised(error))
    assert len(words) <= MOST_WORDS
    assert words.startswith("Traceback")
    assert "in raised" in words
    words.encode()
    show(error)
    assert type(error).__name__ in capsys.readouterr().err


def test_the_log_is_told_and_nothing_raised_where_standard_error_is_no_more(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    file = (tmp_path / "stderr").open("w")
    monkeypatch.setattr(sys, "stderr", file)
    file.close()
    show(raised(ValueError("no")))
    words.leave(words.IN_THE_LOG, "no")
    monkeypatch.setattr(sys, "stderr", None)
    log.say("no")


def test_last_words_are_of_any_text(tmp_path: Any) -> None:
    words.leave(str(tmp_path / "words"), "caf\udce9")
    assert (tmp_path / "words").read_text() == "caf\\udce9"
