from __future__ import annotations

import pytest

from clipper_server.management.autoscaler import CALM_S, COMES_S, IDLE_S, Autoscaler, Load
from clipper_server.management.state import Autoscaling, Version


class Scaled:
    """One version under a load, with a replica that answers 100 a second. Time is the test's."""

    def __init__(self, low: int, high: int, replicas: int = 1) -> None:
        self.now = 0.0
        self.bounds = Autoscaling(low, high)
        self.replicas = replicas
        self.asked = 0.0
        self.why: list[str] = []
        self.scaler = Autoscaler(lambda: self.now)

    def decide(self, capacity: float | None = 100.0, waiting: int = 0, ready: int | None = None) -> None:
        version = Version(
            *("m", "1", "doubles", "sha256:0", [], self.replicas), autoscaling=self.bounds, state="ready"
        )
        load = Load(int(self.asked), capacity, waiting)
        decision = self.scaler.decide(version, load, self.replicas if ready is None else ready)
        if decision is not None:
            self.replicas, why = decision
            self.why.append(why)

    def run(self, seconds: float, rate: float) -> None:
        for _ in range(int(2 * seconds)):
            self.now += 0.5
            self.asked += rate / 2
            self.decide()

    def wait(self, seconds: float) -> None:
        """No replica is ready, and nobody asks for it, as others answer meanwhile."""
        for _ in range(int(seconds)):
            self.now += 1
            self.decide(ready=0)


def test_replicas_follow_the_load_up_at_once_and_down_when_it_is_calm() -> None:
    scaled = Scaled(1, 8)
    scaled.run(10, rate=50)
    assert scaled.replicas == 1
    scaled.run(3, rate=300)
    assert scaled.replicas == 4  # three could just do it, and one is the reserve
    assert "300 inputs a second come, and one replica answers 100" in scaled.why[-1]
    scaled.run(CALM_S - 5, rate=50)
    assert scaled.replicas == 4
    scaled.run(10, rate=50)
    assert scaled.replicas == 1


def test_a_load_that_comes_and_goes_does_not_stop_and_start_replicas() -> None:
    scaled = Scaled(1, 8)
    scaled.run(5, rate=300)
    decisions = len(scaled.why)
    for _ in range(6):
        scaled.run(10, rate=20)
        scaled.run(10, rate=300)
    assert len(scaled.why) == decisions
    assert scaled.replicas == 4


def test_the_bounds_hold() -> None:
    scaled = Scaled(2, 3, replicas=1)
    scaled.decide()
    assert scaled.replicas == 2
    scaled.run(10, rate=1000)
    assert scaled.replicas == 3
    scaled.run(2 * CALM_S, rate=0)
    assert scaled.replicas == 2


def test_it_sleeps_when_nobody_asks_and_wakes_for_the_first_query() -> None:
    scaled = Scaled(0, 3)
    scaled.run(5, rate=10)
    scaled.run(IDLE_S - 2, rate=0)
    assert scaled.replicas == 1
    scaled.run(4, rate=0)
    assert scaled.replicas == 0
    assert scaled.why[-1] == "nobody has asked for 60 s"
    scaled.run(100, rate=0)
    assert scaled.replicas == 0
    scaled.decide(waiting=1)
    assert (scaled.replicas, scaled.why[-1]) == (1, "a query waits for it")
    scaled.decide(waiting=1, ready=0)
    scaled.run(5, rate=10)
    assert scaled.replicas == 1


def test_it_does_not_sleep_again_while_its_first_replica_is_still_on_its_way() -> None:
    scaled = Scaled(0, 3, replicas=0)
    scaled.run(5, rate=0)
    scaled.decide(waiting=1)
    scaled.wait(2.5 * IDLE_S)
    assert scaled.replicas == 1
    scaled.run(IDLE_S - 1, rate=0)  # it is there
    assert scaled.replicas == 1
    scaled.run(2, rate=0)
    assert scaled.replicas == 0


def test_one_that_never_comes_sleeps_again() -> None:
    scaled = Scaled(0, 3, replicas=0)
    scaled.run(5, rate=0)
    scaled.decide(waiting=1)
    scaled.wait(COMES_S + IDLE_S + 2)
    assert scaled.replicas == 0


def test_what_came_before_it_slept_is_no_load_when_it_wakes() -> None:
    scaled = Scaled(0, 5)
    scaled.run(5, rate=200)
    assert scaled.replicas == 3
    scaled.replicas = 0  # somebody's word
    scaled.asked += 1
    scaled.now += 0.1
    scaled.decide(waiting=1)  # and wakes at once
    scaled.run(3, rate=20)
    assert scaled.replicas == 1


def test_what_woke_it_is_no_load() -> None:
    scaled = Scaled(0, 5, replicas=0)
    scaled.run(5, rate=0)
    scaled.now += 0.5
    scaled.asked += 300
    scaled.decide(waiting=300)
    scaled.run(3, rate=20)
    assert scaled.replicas == 1
    scaled.run(3, rate=300)
    assert scaled.replicas == 4


@pytest.mark.parametrize(("capacity", "ready"), [(None, 1), (100.0, 0)])
def test_nothing_is_decided_before_it_is_measured(capacity: float | None, ready: int) -> None:
    scaled = Scaled(1, 8)
    for _ in range(10):
        scaled.now += 0.5
        scaled.asked += 1000
        scaled.decide(capacity=capacity, ready=ready)
    assert scaled.why == []


def test_a_frontend_that_counts_anew_is_no_load() -> None:
    scaled = Scaled(1, 8)
    scaled.run(5, rate=50)
    scaled.asked = 0
    scaled.run(5, rate=50)
    assert scaled.replicas == 1
