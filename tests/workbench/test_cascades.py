"""How sure a cheap model has to be: found by pairs, and never by luck."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from clipper_container.errors import BadRequest
from clipperlab.cascades import TRIED, Compared, Found, at_most_as_few, compare, confidence_of, find, upper
from clipperlab.display.tuned import Tuned
from clipperlab.policies import Cascade

MAX_LOSS = 0.01


def drawn(seed: int, count: int) -> list[Compared]:
    """Of a model that is right as often as it is sure, from a half to always: half of 1 - c^2 is lost."""
    chance = np.random.default_rng(seed)
    confidences = chance.uniform(0.5, 1.0, count)
    same = chance.uniform(size=count) < confidences
    return [Compared(float(c), bool(s)) for c, s in zip(confidences, same, strict=True)]


def truly_lost(below: float) -> float:
    """The integral of (1 - c) over the density 2, from there to 1."""
    return (1 - max(below, 0.5)) ** 2


def test_what_is_found_loses_no_more_than_it_may() -> None:
    """95 times in 100 at least, and it is no empty promise: the best one is 0.9."""
    found = [find(drawn(seed, 4000), MAX_LOSS) for seed in range(100)]
    too_much = sum(truly_lost(each.below) > MAX_LOSS + 1e-12 for each in found)
    assert too_much <= 5
    assert all(each.at_most <= MAX_LOSS + 1e-9 for each in found)
    assert np.median([each.below for each in found]) <= 0.93
    assert all(each.asked == pytest.approx(2 * (each.below - 0.5), abs=0.03) for each in found)


def test_the_bound_holds_where_the_loss_is_on_the_edge() -> None:
    """As much is lost as may be: a bound that is none would often pass it."""
    chance = np.random.default_rng(7)
    passed = 0
    for _ in range(200):
        lost = chance.uniform(size=1000) < MAX_LOSS
        compared = [Compared(1.0, not each) for each in lost]
        try:
            find(compared, MAX_LOSS)
            passed += 1
        except BadRequest:
            pass
    assert passed <= 20  # of 200, 10 are expected at most: 3 sigma


def test_the_smallest_confidence_is_found_that_loses_little_enough() -> None:
    compared = [Compared(0.9, True)] * 400 + [Compared(0.6, False)] * 40 + [Compared(0.3, True)] * 100
    assert find(compared, 0.01) == Found(0.61, 0.0, upper(0, 540), 140 / 540)
    assert find(compared, 0.2) == Found(TRIED[-1], 40 / 540, upper(40, 540), 0.0)


def test_too_few_pairs_say_how_many_are_missing() -> None:
    with pytest.raises(BadRequest, match=r"There are 298 pairs.* takes 299 at least.*: 1 are missing"):
        find([Compared(1.0, True)] * 298, 0.01)
    assert find([Compared(1.0, True)] * 299, 0.01).below == TRIED[-1]


def test_a_model_that_is_sure_and_wrong_has_no_confidence_that_helps() -> None:
    with pytest.raises(BadRequest, match="something else in 100 of 1,000 pairs"):
        find([Compared(1.0, True)] * 900 + [Compared(1.0, False)] * 100, 0.01)


@pytest.mark.parametrize("max_loss", [0.0, 1.0, -0.1])
def test_a_loss_is_a_part(max_loss: float) -> None:
    with pytest.raises(BadRequest, match="max_loss is a part of the inputs"):
        find([Compared(1.0, True)] * 1000, max_loss)


def test_the_bound_is_the_exact_one() -> None:
    assert upper(0, 299) == pytest.approx(1 - 0.05 ** (1 / 299), abs=1e-8)
    assert upper(2, 10) == pytest.approx(0.50690, abs=1e-5)  # Clopper and Pearson's
    assert at_most_as_few(2, 10, 0.5) == pytest.approx(56 / 1024)
    assert upper(10, 10) == 1.0


@pytest.mark.parametrize(
    ("cheap", "dear", "compared"),
    [
        ({"output": 3, "confidence": 0.8}, 3, Compared(0.8, True)),
        ({"output": 3, "confidence": 0.8}, {"output": 4, "confidence": 1}, Compared(0.8, False)),
        ({"output": 3, "confidence": 0.8}, {"output": 3, "confidence": 1}, Compared(0.8, True)),
        ({"output": 3, "confidence": True}, 3, Compared(0.0, False)),
        (3, 3, Compared(0.0, False)),
    ],
)
def test_outputs_are_compared_as_clients_get_them(cheap: Any, dear: Any, compared: Compared) -> None:
    assert compare(cheap, dear, "field") == compared


def test_probabilities_are_compared_by_the_likeliest() -> None:
    assert compare([0.7, 0.3], [0.99, 0.01], "max") == Compared(0.7, True)
    assert compare([0.7, 0.3], [0.4, 0.6], "max") == Compared(0.7, False)
    assert compare([0.7, 0.3], "a", "max") is None
    assert confidence_of([7.0, 3.0], "max") is None


def test_what_was_found_says_itself() -> None:
    tuned = Tuned("app", Cascade(["m:1", "m:2"], 0.87), 1234, Found(0.87, 0.004, 0.0093, 0.25))
    for text in (repr(tuned), tuned._repr_html_()):
        assert "confidence below 0.87" in text
        assert "0.40%, surely 0.93% at most" in text
        assert "1,234 pairs" in text
        assert "25.0% of the inputs" in text
        assert "set_policy(" in text
