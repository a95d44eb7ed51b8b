"""A quiz says at once what is right and why, and counts first tries."""

from __future__ import annotations

import pytest

from clipperlab.lessons.quiz import Quiz
from tests.lessons.answering import Page, notebook

SUM = {"4": "Count.", "5": "One too many.", "22": "That is text."}
QUESTIONS = {"2 + 2?": SUM, "3 - 3?": {"0": "Nothing is left.", "6": "That is the sum."}}


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Page:
    return notebook(monkeypatch)


def test_it_says_right_or_wrong_and_why(page: Page) -> None:
    quiz = Quiz()
    quiz.ask({"2 + 2?": SUM})
    assert page.choice.question == "2 + 2?"
    assert sorted(page.choice.options) == ["22", "4", "5"]
    assert (page.choice.chosen, page.choice.said) == (-1, "")
    assert page.choose("5") == "Not so. One too many."
    assert page.choose("4") == "Right. Count."


def test_it_counts_what_was_right_at_the_first_try(page: Page) -> None:
    quiz = Quiz()
    quiz.ask(QUESTIONS)
    assert (quiz.asked, quiz.tried) == (2, 0)
    page.choose("0")
    page.widgets.pop()
    page.choose("5")
    page.choose("4")
    assert (quiz.asked, quiz.tried) == (2, 2)
    assert str(quiz) == "1 of 2 questions of the quiz were right at the first try"


def test_an_answer_outlives_running_the_cell_again(page: Page) -> None:
    quiz = Quiz()
    quiz.ask({"2 + 2?": SUM})
    order = page.choice.options
    page.choose("22")
    quiz.ask({"2 + 2?": SUM})
    assert page.choice.options == order
    assert order[page.choice.chosen] == "22"
    assert page.choice.said == "Not so. That is text."
    assert quiz.asked == 1


def test_the_right_choice_is_not_always_the_first(page: Page) -> None:
    quiz = Quiz()
    quiz.ask({f"{n}?": {"right": "", "a": "", "b": ""} for n in range(20)})
    places = {widget.options.index("right") for widget in page.widgets}
    assert places == {0, 1, 2}


def test_without_widgets_it_can_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    quiz = Quiz()
    quiz.ask({"2 + 2?": SUM})
    said = capsys.readouterr().out
    assert said.startswith("2 + 2?\n- ")
    assert "cannot be answered here" in said
    assert quiz.tried == 0
