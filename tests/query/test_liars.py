"""Whatever replicas say, an honest neighbour misses no answer, and nothing is left behind."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.support.liars import MOST_LIARS, OBJECTIVE_S, World, frames, step

STEPS = 2000
randoms = st.randoms(use_true_random=False)


class Liars(RuleBasedStateMachine):
    @initialize(concurrency=st.sampled_from((1, 4)))
    def begins(self, concurrency: int) -> None:
        self.world = World(concurrency)

    @rule()
    def comes(self) -> None:
        self.world.come()

    @precondition(lambda self: self.world.liars)
    @rule(random=randoms, which=st.integers(0, MOST_LIARS))
    def says(self, random: Random, which: int) -> None:
        liar = self.world.liars[which % len(self.world.liars)]
        self.world.tell(liar, frames(random, liar))

    @precondition(lambda self: self.world.liars)
    @rule(which=st.integers(0, MOST_LIARS))
    def leaves(self, which: int) -> None:
        self.world.leave(self.world.liars[which % len(self.world.liars)])

    @rule(inputs=st.integers(1, 20), timeout_s=st.sampled_from((0.01, 0.1, OBJECTIVE_S)), raw=st.booleans())
    def is_asked(self, inputs: int, timeout_s: float, raw: bool) -> None:
        self.world.ask_liar(inputs, timeout_s, raw)

    @rule()
    def neighbour_is_asked(self) -> None:
        self.world.ask_honest()

    @rule(seconds=st.sampled_from((0.0, 0.001, 0.05, 6.0)))
    def time_passes(self, seconds: float) -> None:
        self.world.wait(seconds)

    @rule()
    def somebody_looks(self) -> None:
        self.world.look()

    @invariant()
    def all_is_well(self) -> None:
        self.world.check()

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.end()


TestLiars = Liars.TestCase
TestLiars.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_long_walk_among_liars(concurrency: int) -> None:
    world, random = World(concurrency), Random(1)
    for _ in range(STEPS):
        step(world, random)
    world.end()
    assert world.answered > STEPS / 20
