"""What is told of a name that nobody knows."""

from __future__ import annotations

import pytest

from clipper_container.near import meant, near, unknown


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            unknown("model", "digts", "Models", ["digits", "norm"]),
            "There is no model 'digts'. Did you mean 'digits'? Models: digits, norm.",
        ),
        (
            unknown("log", "digit.1", "Logs", iter(["digits.1.0", "management"])),
            "There is no log 'digit.1'. Did you mean 'digits.1.0'? Logs: digits.1.0, management.",
        ),
        (unknown("model", "x", "Models", ["digits"]), "There is no model 'x'. Models: digits."),
        (
            unknown("application", "x", "Applications", []),
            "There is no application 'x'. Applications: none yet.",
        ),
    ],
)
def test_a_misspelt_name_is_suggested(said: str, told: str) -> None:
    assert said == told


def test_what_is_far_is_not_suggested() -> None:
    assert meant("2", ["1", "3"]) == ""


def test_what_is_long_or_many_is_looked_at_in_part() -> None:
    assert len(unknown("model", "d" * 10_000, "Models", ["digits"])) < 150
    assert near("digits", (f"m{i}" for i in range(10_000)), 3) == []
