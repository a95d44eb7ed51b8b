"""Guesses that a learner makes before a measurement, and is shown beside it."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import Any

from .. import draw
from ..draw.numbers import said, short
from .shown import GOOD, NEUTRAL, ask, box, show

NOTED = "Noted. The next cell says what it was."
Guess = float | str


class Guesses:
    """Those of one lesson, by name. Asked for anew, a guess that was made is still there."""

    def __init__(self) -> None:
        self._made: dict[str, Guess] = {}
        self._units: dict[str, str] = {}

    @property
    def asked(self) -> int:
        return len(self._units)

    @property
    def tried(self) -> int:
        return len(self._made)

    def __str__(self) -> str:
        return f"{self.tried} of {self.asked} guesses were made"

    def number(self, name: str, unit: str) -> None:
        """Ask for a number, in `unit`. With "%" it is kept as a share of 1."""
        self._units[name] = unit
        label = f"{name}, in {unit}:" if unit else f"{name}:"

        def typed(text: str) -> str:
            guess = number_in(text, unit)
            if guess is None:
                self._made.pop(name, None)
                return f"{text.strip()} is no number. Write one such as 20." if text.strip() else ""
            self._made[name] = guess
            return f"{said(guess, unit)}? {NOTED}"

        made = self._made.get(name)
        text = "" if made is None else f"{100 * float(made) if unit == '%' else float(made):.6g}"
        ask(f"Your guess: {label}", "Number", label, typed, text)

    def choice(self, name: str, options: Sequence[str], question: str) -> None:
        """Ask which of `options` it will be."""
        self._units[name] = ""

        def answered(place: int) -> str:
            self._made[name] = options[place]
            return f"{options[place]}? {NOTED}"

        chosen = next((place for place, option in enumerate(options) if option == self._made.get(name)), -1)
        words = "\n".join([question, *(f"- {option}" for option in options)])
        ask(words, "Choice", question, options, answered, chosen)

    def measured(self, name: str, value: Any) -> Guess | None:
        """Show what it was beside what was guessed, and return the guess, None where there is none."""
        unit, guess = self._units.get(name, ""), self._made.get(name)
        value = value if isinstance(value, str) else float(value)
        was = value if isinstance(value, str) else said(value, unit)
        if guess is None:
            show(*_page(NEUTRAL, name, f"Nothing was guessed; it was {was}."))
            return None
        if isinstance(guess, str) or isinstance(value, str):
            it_was = "and so it was" if guess == value else f"it was {was}"
            guessed = guess if isinstance(guess, str) else said(guess, unit)
            show(*_page(GOOD, name, f"You said {guessed}, {it_was}."))
            return guess
        page, words = _page(
            GOOD, name, f"You said {said(guess, unit)}, it was {was}. {how_far(guess, value, unit)}"
        )
        if min(guess, value) >= 0:
            page += draw.bars({"you said": guess, "it was": value}, title=name, unit=unit)._repr_html_()
        show(page, words)
        return guess


def _page(colour: str, name: str, words: str) -> tuple[str, str]:
    return box(colour, f"<b>{html.escape(name)}</b> · {html.escape(words)}"), f"{name}: {words}"


def number_in(text: str, unit: str) -> float | None:
    """The number in "20", "20 ms", "1,000" or "1,5"; None where there is none."""
    found = re.fullmatch(r"\s*(-?[\d.,]*\d)\s*", text.replace(unit, "") if unit else text)
    if found is None:
        return None
    digits = re.sub(r",(?=\d{3}(?:\D|$))", "", found[1]).replace(",", ".")
    try:
        return float(digits) / (100 if unit == "%" else 1)
    except ValueError:
        return None


def how_far(guess: float, value: float, unit: str) -> str:
    """How far a guess is from what was measured, in a kind sentence."""
    if guess == value or said(guess, unit) == said(value, unit):
        return "Exactly."
    if unit == "%":
        points = abs(100 * (guess - value))
        if points <= 5:
            return "Very close."
        return f"{points:.0f} points off{': not far.' if points <= 15 else ': what may have made it so?'}"
    if guess <= 0 or value <= 0:
        return f"{said(abs(guess - value), unit)} off."
    times = max(guess, value) / min(guess, value)
    if times <= 1.1:
        return "Very close."
    if times <= 2:
        return "Not far off."
    word = "more" if value > guess else "less"
    return f"That is {short(float(f'{times:.2g}'))} times {word}: what may have made it so?"
