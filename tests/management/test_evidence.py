"""Tests that may be looked at at any time: their vectors, false alarms, and how soon they see what is so."""

from __future__ import annotations

import math
import random

import pytest

from clipper_server.management.evidence import BadEvents, half_width, sample_ratio

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


@pytest.mark.parametrize(("share", "rate"), [(0.05, 0.05), (0.2, 0.02), (0.5, 0.3)])
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
