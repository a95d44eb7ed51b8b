"""Tests that may be looked at at any time: their vectors, false alarms, and how soon they see what is so."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from clipper_server.management.evidence import BadEvents, LowerMean, Value, half_width, sample_ratio

ALPHA = 0.01


@pytest.mark.parametrize(
    ("counts", "shares", "log"),
    [
        ((5000, 5000), (0.5, 0.5), -2.310),
        ((5100, 4900), (0.5, 0.5), -0.330),
        ((5200, 4800), (0.5, 0.5), 5.614),
        ((9500, 500), (0.95, 0.05), -2.324),
        ((9400, 600), (0.95, 0.05), 7.419),
    ],
)
def test_the_sample_ratio_has_its_known_values(
    counts: tuple[int, int], shares: tuple[float, float], log: float
) -> None:
    assert sample_ratio(counts, shares) == pytest.approx(log, abs=5e-4)


@pytest.mark.parametrize(
    ("count", "width"), [(500, 0.0862), (1000, 0.0532), (5000, 0.0215), (20_000, 0.0111)]
)
def test_the_confidence_sequence_has_its_known_values(count: int, width: float) -> None:
    assert half_width(0.5, count) == pytest.approx(width, abs=5e-5)


def rolled_back_after(
    seed: int, share: float, control: float, canary: float, queries: int, tolerance: float = 1.0
) -> int | None:
    """After how many queries the canary is found to be worse, looked at after each bad event."""
    chance = random.Random(seed)
    events = BadEvents(tolerance)
    for query in range(1, queries + 1):
        is_canary = chance.random() < share
        if chance.random() < (canary if is_canary else control):
            events.add(is_canary, not is_canary, share)
            if events.worse(ALPHA):
                return query
    return None


@pytest.mark.parametrize(
    ("share", "rate"),
    [
        (0.05, 0.05),
        pytest.param(0.2, 0.02, marks=pytest.mark.slow),
        pytest.param(0.5, 0.3, marks=pytest.mark.slow),
    ],
)
def test_a_canary_that_is_no_worse_is_hardly_ever_rolled_back(share: float, rate: float) -> None:
    found = [rolled_back_after(seed, share, rate, rate, 5000) for seed in range(100)]
    assert sum(each is not None for each in found) <= 4


def test_what_is_worse_within_the_tolerance_is_let_through() -> None:
    found = [rolled_back_after(seed, 0.5, 0.1, 0.12, 5000, tolerance=1.2) for seed in range(100)]
    assert sum(each is not None for each in found) <= 4


@pytest.mark.parametrize(
    ("share", "control", "canary", "p95"),
    [(0.05, 0.01, 0.05, 7167), (0.05, 0.001, 0.1, 1634), (0.05, 0.02, 0.5, 409), (0.2, 0.01, 0.05, 2444)],
)
def test_a_canary_that_is_worse_is_seen_soon(share: float, control: float, canary: float, p95: int) -> None:
    allowed = int(1.3 * p95)
    found = [rolled_back_after(seed, share, control, canary, allowed) for seed in range(100)]
    assert sum(each is None for each in found) <= 5


def test_an_outage_of_both_arms_is_no_fault_of_the_canary() -> None:
    for seed in range(100):
        chance = random.Random(seed)
        events = BadEvents()
        for query in range(4000):
            is_canary = chance.random() < 0.1
            failing = 1000 <= query < 2000
            if chance.random() < (0.9 if failing else 0.01):
                events.add(is_canary, not is_canary, 0.1)
        assert not events.worse(ALPHA)


def test_a_share_that_grows_needs_no_new_test() -> None:
    events = BadEvents()
    for share in (0.05, 0.2, 0.5):
        events.add(int(1000 * share), int(1000 * (1 - share)), share)
    assert events.log_evidence < 0
    assert (events.canary, events.control) == (750, 2250)


def test_the_evidence_of_many_events_does_not_overflow() -> None:
    events = BadEvents()
    events.add(10**9, 0, 0.5)
    assert math.isfinite(events.log_evidence)
    assert events.until_enough(ALPHA) == 1.0


def lower_after(
    seed: int,
    share: float,
    control: float,
    canary: float,
    feedbacks: int,
    by: float = 0.02,
    lost: Callable[[int], float] = lambda _: 0.0,
) -> int | None:
    """After how much feedback, of which 25 come at a time, the canary's rewards are found to be lower."""
    chance = random.Random(seed)
    test = LowerMean(by)
    for begin in range(0, feedbacks, 25):
        values = []
        for feedback in range(begin, begin + 25):
            is_canary = chance.random() < share
            mean = (canary if is_canary else control) - lost(feedback)
            values.append(Value(is_canary, share, float(chance.random() < mean)))
        test.add(values)
        if test.worse(ALPHA):
            return begin + 25
    return None


@pytest.mark.parametrize(
    ("share", "mean", "by"),
    [
        (0.05, 0.9, 0.02),
        pytest.param(0.2, 0.5, 0.02, marks=pytest.mark.slow),
        pytest.param(0.05, 0.99, 0.0, marks=pytest.mark.slow),
        pytest.param(0.5, 0.02, 0.0, marks=pytest.mark.slow),
    ],
)
def test_a_canary_with_the_same_rewards_is_hardly_ever_rolled_back(
    share: float, mean: float, by: float
) -> None:
    found = [lower_after(seed, share, mean, mean, 5000, by) for seed in range(100)]
    assert sum(each is not None for each in found) <= 4


@pytest.mark.slow
def test_rewards_that_are_lower_by_what_is_allowed_are_let_through() -> None:
    found = [lower_after(seed, 0.5, 0.9, 0.8, 5000, by=0.1) for seed in range(100)]
    assert sum(each is not None for each in found) <= 4


@pytest.mark.parametrize(("share", "p95"), [(0.05, 2650), (0.2, 725), (0.5, 600)])
def test_lower_rewards_are_seen_soon(share: float, p95: int) -> None:
    found = [lower_after(seed, share, 0.9, 0.7, int(1.3 * p95)) for seed in range(100)]
    assert sum(each is None for each in found) <= 5


@pytest.mark.parametrize(
    "share", [0.05, pytest.param(0.2, marks=pytest.mark.slow), pytest.param(0.5, marks=pytest.mark.slow)]
)
def test_a_drop_of_both_arms_is_no_fault_of_the_canary(share: float) -> None:
    def lost(feedback: int) -> float:
        return 0.8 if 1000 <= feedback < 2000 else 0.0

    assert not any(lower_after(seed, share, 0.9, 0.9, 4000, lost=lost) for seed in range(100))


def test_rewards_that_fall_while_the_share_grows_are_no_lower() -> None:
    """Of all that came, the canary's mean is .62, and the control's .87: each is of another time."""
    chance = random.Random(1)
    test = LowerMean(0.02)
    for share, mean in ((0.05, 0.9), (0.95, 0.6)):
        for _ in range(80):
            asked = [chance.random() < share for _ in range(25)]
            test.add([Value(is_canary, share, float(chance.random() < mean)) for is_canary in asked])
    assert not test.worse(ALPHA)


def test_rewards_between_0_and_1_count_as_they_are() -> None:
    test, coarse = LowerMean(0.02), LowerMean(0.02)
    for _ in range(100):
        test.add([Value(True, 0.5, 0.3, 5), Value(False, 0.5, 0.7, 5)])
        coarse.add([Value(True, 0.5, 0.0, 5), Value(False, 0.5, 1.0, 5)])
    assert 10 < test.log_evidence < coarse.log_evidence
    assert test.until_enough(ALPHA) == 1.0
