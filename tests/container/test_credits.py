from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clipper_container import wire
from clipper_container.credits import CREDITS, Credits


class Frontend:
    """A frontend's connection: what it was sent, and what it holds."""

    def __init__(self, credits: Credits) -> None:
        self.sent: list[object] = []
        self.held = 0
        self.recalled = False
        self._credits = credits

    def send(self, message: object) -> None:
        self.sent.append(message)
        if isinstance(message, wire.Credit):
            self.held += message.credits
        elif isinstance(message, wire.Recall):
            self.recalled = True

    def yields(self) -> None:
        """Answers a recall."""
        if self.recalled:
            self.recalled = False
            given, self.held = self.held, 0
            self._credits.give_back(self, given)

    def batch(self) -> bool:
        """Sends a batch, where it has a credit."""
        if not self.held:
            return False
        self.held -= 1
        self._credits.spend(self)
        return True

    def answered(self) -> None:
        self.held += self._credits.finish(self)


def test_a_frontend_alone_has_both_and_gets_each_back_with_its_reply() -> None:
    credits = Credits()
    alone = Frontend(credits)
    credits.join(alone)
    assert alone.sent == [wire.Credit(CREDITS)]
    for _ in range(3):
        assert alone.batch()
        alone.answered()
    assert (alone.held, len(alone.sent)) == (CREDITS, 1)


def test_idle_credits_are_called_back_for_one_that_waits() -> None:
    credits = Credits()
    idle, busy = Frontend(credits), Frontend(credits)
    credits.join(idle)
    credits.join(busy)
    assert (idle.held, busy.held) == (2, 0)
    credits.want(busy)
    assert idle.recalled
    idle.yields()
    assert busy.held >= 1
    assert idle.held + busy.held == CREDITS


def test_those_that_always_want_more_take_turns() -> None:
    credits = Credits()
    frontends = [Frontend(credits) for _ in range(3)]
    for frontend in frontends:
        credits.join(frontend)
    served = [0, 0, 0]
    under_way: list[int] = []
    for _ in range(300):
        for i, frontend in enumerate(frontends):
            frontend.yields()
            while frontend.batch():
                under_way.append(i)
            if i not in under_way:
                credits.want(frontend)
        assert len(under_way) <= CREDITS
        if under_way:
            done = under_way.pop(0)
            frontends[done].answered()
            served[done] += 1
    assert max(served) - min(served) <= 3


def test_one_that_goes_takes_no_credit_with_it() -> None:
    credits = Credits()
    going, staying = Frontend(credits), Frontend(credits)
    credits.join(going)
    credits.join(staying)
    going.batch()
    credits.want(staying)
    credits.leave(going)
    assert staying.held == 1  # the other one is with the model, and comes back when that is done
    credits.finish(going)
    assert staying.held == 2


@given(
    st.lists(
        st.tuples(st.sampled_from(["join", "want", "batch", "answer", "yield", "leave"]), st.integers(0, 3))
    )
)
def test_there_are_never_more_than_two_and_none_is_ever_lost(steps: list[tuple[str, int]]) -> None:
    credits = Credits()
    frontends: dict[int, Frontend] = {}
    under_way: list[Frontend] = []
    for step, i in steps:
        frontend = frontends.get(i)
        if step == "join" and frontend is None:
            frontends[i] = Frontend(credits)
            credits.join(frontends[i])
        elif step == "want" and frontend is not None:
            credits.want(frontend)
        elif step == "batch" and frontend is not None and frontend.batch():
            under_way.append(frontend)
        elif step == "answer" and under_way:
            under_way.pop(0).answered()
        elif step == "yield" and frontend is not None:
            frontend.yields()
        elif step == "leave" and frontend is not None:
            credits.leave(frontends.pop(i))
        out = len(under_way) + sum(f.held for f in frontends.values())
        assert out == CREDITS if frontends else out <= CREDITS
    for frontend in frontends.values():
        credits.want(frontend)
    served: set[Frontend] = set()
    for _ in range(2 * len(frontends)):
        for frontend in frontends.values():
            if frontend not in served and frontend.batch():
                served.add(frontend)
                under_way.append(frontend)
            frontend.yields()
        if under_way:
            under_way.pop(0).answered()
    assert len(served) == len(frontends), "one that wants a credit gets none"


def test_of_many_credits_each_frontend_that_wants_them_comes_to_its_share() -> None:
    """One that came first has all of them at work, and another one asks for one at a time."""
    credits = Credits(16)
    first, second = Frontend(credits), Frontend(credits)
    credits.join(first)
    credits.join(second)
    under_way = {first: 0, second: 0}

    def work(frontend: Frontend) -> None:
        while frontend.batch():
            under_way[frontend] += 1
        credits.want(frontend)

    work(first)
    assert under_way[first] == 16
    for _ in range(20):
        for frontend in (first, second):
            work(frontend)
            if under_way[frontend]:
                under_way[frontend] -= 1
                frontend.answered()
    for frontend in (first, second):
        work(frontend)
    assert abs(under_way[first] - under_way[second]) <= 2
