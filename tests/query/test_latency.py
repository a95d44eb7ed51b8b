from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipper_server.query.latency import LatencyTable, bin_of


def table_of(*seen: tuple[float, float]) -> LatencyTable:
    table = LatencyTable()
    for cost, seconds in seen:
        for _ in range(5):
            table.observe(cost, seconds)
    return table


def test_nothing_is_known_before_anything_was_seen() -> None:
    table = LatencyTable()
    assert table.mean(1) is None
    assert table.p99(1) is None
    assert table.largest(1) == 0


def test_between_what_was_seen_it_interpolates_and_beyond_it_goes_on() -> None:
    table = table_of((1, 0.010), (11, 0.020), (21, 0.030))
    assert table.mean(6) == pytest.approx(0.015)
    assert table.mean(31) == pytest.approx(0.040)
    assert table.mean(0.5) == pytest.approx(0.010)


@given(
    seen=st.lists(st.tuples(st.floats(1, 1000), st.floats(1e-5, 1)), min_size=1, max_size=50),
    costs=st.tuples(st.floats(1, 2000), st.floats(1, 2000)),
    budget=st.floats(1e-4, 2),
)
def test_more_never_takes_less_and_the_largest_fits(
    seen: list[tuple[float, float]], costs: tuple[float, float], budget: float
) -> None:
    table = LatencyTable()
    for cost, seconds in seen:
        table.observe(cost, seconds)
    low, high = (table.mean(cost) for cost in sorted(costs))
    assert low is not None
    assert high is not None
    assert low <= high * (1 + 1e-9)
    largest = table.largest(budget)
    if largest:
        p99 = table.p99(min(largest, 1e6))
        assert p99 is not None
        assert p99 <= budget * (1 + 1e-6)


def test_one_accident_changes_little() -> None:
    table = table_of((1, 0.01), (8, 0.02))
    table.observe(8, 0.5)
    assert table.mean(8) == pytest.approx(0.02)


@pytest.mark.parametrize("factor", [3.0, 1 / 3])
def test_several_in_a_row_change_the_whole_table(factor: float) -> None:
    table = table_of((1, 0.01), (8, 0.02), (64, 0.1))
    for _ in range(3):
        table.observe(8, 0.02 * factor)
    for cost, seconds in [(1, 0.01), (8, 0.02), (64, 0.1)]:
        assert table.mean(cost) == pytest.approx(seconds * factor, rel=0.3)


def test_noise_at_one_size_does_not_carry_the_others_away() -> None:
    chance = random.Random(1)
    table = table_of((1, 0.001), (128, 0.004))
    for _ in range(20_000):
        table.observe(1, 0.001 * chance.choice([0.4, 1, 1, 2.5]))
    mean = table.mean(128)
    assert mean is not None
    assert 0.0005 <= mean <= 2 * 128 * 0.002


def test_what_varies_has_a_longer_tail() -> None:
    chance = random.Random(1)
    steady, wild = LatencyTable(), LatencyTable()
    for _ in range(500):
        steady.observe(1, 0.01)
        wild.observe(1, 0.01 * chance.uniform(0.75, 1.3))
    tails = [(table.p99(1) or 0) / (table.mean(1) or 1) for table in (steady, wild)]
    assert tails[0] < 1.1 < 1.2 < tails[1]


def test_small_costs_are_told_apart_and_large_ones_by_the_quarter_octave() -> None:
    assert len({bin_of(cost) for cost in range(1, 9)}) == 8
    assert bin_of(1000) == bin_of(1010)
    assert bin_of(1000) + 4 == bin_of(2000)
