"""A guess is made before a measurement, and stands beside it."""

from __future__ import annotations

import pytest

from clipperlab.lessons.bench import Bench
from clipperlab.lessons.guesses import Guesses, how_far, number_in
from tests.lessons.answering import Page, notebook

SIZES = ["none", "some", "all"]


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Page:
    return notebook(monkeypatch)


def test_a_number_is_typed_with_its_unit_and_shown_beside_what_was_measured(page: Page) -> None:
    guesses = Guesses()
    guesses.number("p50", "ms")
    assert page.number.box.description == "p50, in ms:"
    assert page.number.note.value == '<div role="status"></div>'
    page.number.box.value = "20"
    assert "20 ms? Noted." in page.number.note.value
    assert guesses.measured("p50", 1.5) == 20
    assert page.words[-1] == (
        "p50: You said 20 ms, it was 1.5 ms. That is 13 times less: what may have made it so?"
    )
    assert "You said 20 ms, it was 1.5 ms." in page.html[-1]
    assert "you said 20 ms; it was 1.5 ms" in page.html[-1]  # the picture's words
    guesses.measured("p50", "never answered")
    assert page.words[-1] == "p50: You said 20 ms, it was never answered."
    assert str(guesses) == "1 of 1 guesses were made"


def test_without_an_answer_it_says_that_nothing_was_guessed(page: Page) -> None:
    guesses = Guesses()
    guesses.number("p50", "ms")
    guesses.choice("how many", SIZES, "How many are lost?")
    assert guesses.measured("p50", 1.5) is None
    assert guesses.measured("how many", "none") is None
    assert page.words[-2:] == [
        "p50: Nothing was guessed; it was 1.5 ms.",
        "how many: Nothing was guessed; it was none.",
    ]
    assert guesses.measured("never asked", 3) is None
    assert (guesses.asked, guesses.tried) == (2, 0)


def test_a_choice_is_noted_and_shown_beside_what_was_measured(page: Page) -> None:
    guesses = Guesses()
    guesses.choice("how many", SIZES, "How many are lost?")
    assert page.words[-1] == "How many are lost?\n- none\n- some\n- all"
    assert page.choose("some").startswith("some? Noted.")
    assert guesses.measured("how many", "none") == "some"
    assert page.words[-1] == "how many: You said some, it was none."
    guesses.measured("how many", "some")
    assert page.words[-1] == "how many: You said some, and so it was."


def test_a_guess_outlives_running_the_cell_again_and_may_be_taken_back(page: Page) -> None:
    guesses = Guesses()
    guesses.number("hits", "%")
    page.number.box.value = "68"
    guesses.number("hits", "%")
    assert page.number.box.value == "68"
    assert guesses.measured("hits", 0.66) == 0.68
    assert page.words[-1] == "hits: You said 68%, it was 66%. Very close."
    page.number.box.value = "a lot"
    assert "a lot is no number" in page.number.note.value
    assert guesses.measured("hits", 0.66) is None

    guesses.choice("how many", SIZES, "How many?")
    page.choose("all")
    guesses.choice("how many", SIZES, "How many?")
    assert page.choice.chosen == 2
    assert guesses.measured("how many", "all") == "all"


def test_a_bench_asks_and_says_at_the_end_what_was_tried(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    wb = Bench("04", exercise=False, conn=None, cluster=False)
    wb.guess("p50", unit="ms")
    wb.choose("how many", SIZES)
    wb.quiz({"2 + 2?": {"4": "Count.", "5": "One too many."}})
    wb.close()
    assert page.words[-1].endswith("Nothing was tried: no guess was made, and no question answered.")
    page.choose("4")
    wb.close()
    assert page.words[-1].endswith(
        "0 of 2 guesses were made; 1 of 1 questions of the quiz were right at the first try."
    )


def test_without_widgets_the_question_is_text(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    guesses = Guesses()
    guesses.choice("how many", SIZES, "How many are lost?")
    guesses.measured("how many", "none")
    said = capsys.readouterr().out
    assert said.startswith("How many are lost?\n- none\n- some\n- all\n(It cannot be answered here")
    assert said.endswith("Nothing was guessed; it was none.\n")


@pytest.mark.parametrize(
    ("text", "unit", "number"),
    [
        ("20", "ms", 20),
        (" 20 ms ", "ms", 20),
        ("1,000", "", 1000),
        ("1,5", "", 1.5),
        ("12,000.5", "", 12000.5),
        ("-3", "", -3),
        ("68%", "%", 0.68),
        ("", "ms", None),
        ("-", "ms", None),
        ("1.2.3", "", None),
        ("nan", "", None),
        ("two", "", None),
    ],
)
def test_a_number_is_read_as_people_write_it(text: str, unit: str, number: float | None) -> None:
    assert number_in(text, unit) == number


@pytest.mark.parametrize(
    ("guess", "value", "unit", "said"),
    [
        (10, 10.01, "ms", "Exactly."),
        (10, 10.8, "ms", "Very close."),
        (10, 18, "ms", "Not far off."),
        (10, 180, "ms", "That is 18 times more: what may have made it so?"),
        (0.001, 1000, "ms", "That is 1,000,000 times more: what may have made it so?"),
        (0, 3, "", "3 off."),
        (5, 0, "", "5 off."),
        (0.5, 0.6, "%", "10 points off: not far."),
        (0.9, 0.5, "%", "40 points off: what may have made it so?"),
        (0, 0.02, "%", "Very close."),
    ],
)
def test_it_says_kindly_how_far_a_guess_is(guess: float, value: float, unit: str, said: str) -> None:
    assert how_far(guess, value, unit) == said
