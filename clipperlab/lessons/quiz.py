"""The quiz at a lesson's end: questions, each with a few choices, and why each is right or wrong."""

from __future__ import annotations

import random
from collections.abc import Mapping

from .shown import ask

Questions = Mapping[str, Mapping[str, str]]


class Quiz:
    """The questions of one lesson that were asked. What was answered outlives asking again.

    Right is a question whose first answer was right: with three choices, the third one is no art.
    """

    def __init__(self) -> None:
        self._asked: set[str] = set()
        self._first: dict[str, bool] = {}
        self._chosen: dict[str, str] = {}

    @property
    def asked(self) -> int:
        return len(self._asked)

    @property
    def tried(self) -> int:
        return len(self._first)

    def __str__(self) -> str:
        right = sum(self._first.values())
        return f"{right} of {self.asked} questions of the quiz were right at the first try"

    def ask(self, questions: Questions) -> None:
        """Show them. Each has its choices with a sentence why; the first one is right, and they are mixed."""
        for question, choices in questions.items():
            self._ask(question, choices)

    def _ask(self, question: str, choices: Mapping[str, str]) -> None:
        self._asked.add(question)
        right, mixed = next(iter(choices)), list(choices)
        random.Random(question).shuffle(mixed)  # the same each time

        def answered(place: int) -> str:
            chosen = mixed[place]
            self._chosen[question] = chosen
            self._first.setdefault(question, chosen == right)
            return f"{'Right.' if chosen == right else 'Not so.'} {choices[chosen]}"

        chosen = self._chosen.get(question)
        place = mixed.index(chosen) if chosen in mixed else -1
        words = "\n".join([question, *(f"- {choice}" for choice in mixed)])
        ask(words, "Choice", question, mixed, answered, place)
