"""What all feedback adds up to, whoever is killed meanwhile and however often it comes."""

from __future__ import annotations

import contextlib
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from clipper_server.features import DRAWS, pack
from clipper_server.feedback import UNIT, Decided, Delivery, FeedbackSpec, Item, Receipt, Rewarded, Row
from clipper_server.management.feedback import pages, sums
from clipper_server.management.feedback.database import Database
from clipper_server.management.feedback.known import Learned
from clipper_server.management.feedback.plan import Plan
from clipper_server.management.feedback.sums import GRACE_S, Sums
from clipper_server.management.learning import kinds, lints
from clipper_server.management.learning.memory import Memory
from clipper_server.policies import BanditSpec, Exp3Spec, LinTSSpec, ThompsonSpec, VoteSpec
from tests.support.connections import connections

NOW = 2_000_000_000.0
ARMS = {"a": "a:1", "b": "b:1"}


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def plan(feedback: FeedbackSpec = FeedbackSpec()) -> Plan:  # noqa: B008 - it is frozen
    return Plan(feedback, Exp3Spec(["a", "b"]), ARMS)


class World:
    """A file, and sums that are begun with it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "feedback.db"
        self.clock = Clock()
        self.applications = {"app": plan()}
        self.began = 0
        self.begin()

    def begin(self) -> None:
        self.sums = Sums(self.path, self.clock)
        self.sums.plan(self.applications, set(self.applications))

    def again(self) -> None:
        self.sums.close()
        self.begin()

    def take(self, *items: Item, decided: tuple[Decided, ...] = (), number: int = 0) -> Receipt:
        return self.sums.take([("0", Delivery(1.0, number, list(items), list(decided)))])[0]

    def arm(self, name: str, context: str = "") -> tuple[int, int, int]:
        arm = self.sums.learned("app").contexts[context][1][name]
        return arm.times, arm.reward, arm.loss


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.sums.close()


def query(number: int, frontend: int = 0) -> int:
    return (number << 6) + frontend


def item(number: int, reward: float = 1.0, **other: object) -> Item:
    fields = {
        "query_id": query(number),
        "application": "app",
        "context": "",
        "epoch": 0,
        "at": NOW,
        "rewards": [Rewarded("a:1", 0.5, reward)],
    }
    return Item(**{**fields, **other})  # type: ignore[arg-type]


def test_each_query_counts_once_also_after_a_restart(world: World) -> None:
    assert world.take(item(1, 0.25), item(2), item(1)) == Receipt([2], [], [])
    world.again()
    assert world.take(item(2), item(3, 0.5), number=1) == Receipt([0], [], [])
    assert world.arm("a:1") == (3, round(1.75 * UNIT), round(2.5 * UNIT))
    counts = world.sums.learned("app").counts
    assert (counts.joined, counts.duplicates) == (3, 2)


def test_ids_of_several_frontends_are_different_ones(world: World) -> None:
    same = [item(7, query_id=query(7, frontend)) for frontend in (0, 1, 63)]
    assert world.take(*same) == Receipt([], [], [])
    assert world.take(*same, number=1) == Receipt([0, 1, 2], [], [])


def test_what_came_after_the_window_counts_nowhere(world: World) -> None:
    late = item(1, at=NOW - 3600 - GRACE_S - 1)
    assert world.take(late, item(2, at=NOW - 3600)) == Receipt([], [0], [])
    assert world.arm("a:1")[0] == 1
    assert world.sums.learned("app").counts.expired == 1


def test_pages_go_when_their_window_is_past_and_nothing_in_them_is_taken_again(world: World) -> None:
    world.take(item(1))
    world.clock.now += 3600 + GRACE_S + 1
    world.sums.settle()
    assert len(world.sums._pages) == 0
    world.applications["app"] = plan(FeedbackSpec(window_s=86_400))
    world.sums.plan(world.applications, {"app"})
    assert world.take(item(1)) == Receipt([], [0], [])
    world.again()
    assert world.take(item(1), number=1) == Receipt([], [0], [])


def test_the_oldest_pages_go_where_there_are_too_many(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MAX_PAGES", 2)
    for i in range(4):
        world.take(item(i * pages.BITS, at=NOW + i), number=i)
    world.sums.settle()
    assert len(world.sums._pages) == 2
    again = [item(i * pages.BITS, at=NOW + i) for i in range(4)]
    assert world.take(*again, number=9) == Receipt([2, 3], [0, 1], [])
    assert world.take(item(1, at=NOW + 9), item(0), number=10) == Receipt([], [1], [])
    world.again()
    assert world.take(item(1, at=NOW + 9), item(0), number=11) == Receipt([0], [1], [])


def test_of_too_many_contexts_the_least_recently_used_is_forgotten_and_counted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sums, "MAX_CONTEXTS", 3)
    for i, context in enumerate(["w", "x", "y", "w"]):
        world.take(item(i, context=context), number=i)
    world.sums.rows(5, 200)
    world.again()
    world.take(item(9, context="z"), number=9)
    learned = world.sums.learned("app")
    assert set(learned.contexts) == {"w", "y", "z"}
    assert learned.counts.forgotten == 1
    rows = {row.context: row.weights for row, *_ in world.sums.rows(6, 200)}
    assert rows["x"] == {}
    assert set(rows["z"]) == {"a", "b"}
    world.again()
    assert set(world.sums.learned("app").contexts) == {"w", "y", "z"}


def test_rows_are_made_so_many_at_a_time_and_those_that_waited_longest_first(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sums, "ROWS_S", 60)
    world.take(*[item(i, context=str(i)) for i in range(250)])
    assert [row.context for row, *_ in world.sums.rows(5, 200)] == [str(i) for i in range(200)]
    world.take(item(300, context="0"), number=1)
    assert [row.context for row, *_ in world.sums.rows(6, 200)] == [*map(str, range(200, 250)), "0"]
    assert world.sums.rows(7, 200) == []


def test_a_context_of_which_no_row_can_be_made_keeps_its_last_and_others_have_theirs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["", "bad", "worse", "good"]
    world.take(*[item(i, context=name) for i, name in enumerate(names)])
    assert len(world.sums.rows(1, 200)) == 4
    before = world.sums.learned("app").contexts["bad"].row
    bad = [world.sums._contexts["app"][name].memory for name in ("bad", "worse")]
    learn = kinds.learn

    def fail(spec: BanditSpec, memory: Memory, arms: tuple[str, ...]) -> list[float]:
        if any(memory is each for each in bad):
            raise ZeroDivisionError("no reward")
        return learn(spec, memory, arms)

    monkeypatch.setattr(kinds, "learn", fail)
    world.take(*[item(10 + i, context=name) for i, name in enumerate(names)], number=1)
    assert [row.context for row, *_ in world.sums.rows(2, 200)] == ["", "good"]
    ((application, (context, error)),) = world.sums.take_failed().items()
    assert (application, context, str(error)) == ("app", "bad", "no reward")
    assert world.sums.learned("app").contexts["bad"].row == before
    assert (world.sums.rows(3, 200), world.sums.take_failed()) == ([], {}), "not until there is more of it"
    bad.clear()
    world.take(item(20, context="bad"), number=2)
    ((row, new, _),) = world.sums.rows(4, 200)
    assert (row.context, new) == ("bad", 2)


def test_a_row_of_which_no_draws_can_be_made_keeps_no_management_from_beginning(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.applications = {"app": by_numbers(), "other": plan()}
    world.sums.plan(world.applications, {*world.applications})
    for number in range(2):  # a row is written with what comes after it
        by = item(2 * number, features=pack([1.0, 0.5]))
        world.take(by, item(2 * number + 1, application="other"), number=number)
        assert len(world.sums.rows(number, 200)) == 2
        world.clock.now += sums.DRAWN_EVERY_S

    def fail(*_: object) -> list[bytes]:
        raise np.linalg.LinAlgError("Matrix is not positive definite")

    monkeypatch.setattr(lints, "draws", fail)
    world.again()
    assert [row.application for row in world.sums.published(world.applications, 2)] == ["other"]
    assert list(world.sums.take_failed()) == ["app"]


def test_a_removed_application_loses_its_sums_and_one_that_is_not_there_has_none(world: World) -> None:
    world.take(item(1))
    world.sums.forget("app")
    assert world.take(item(2), number=1) == Receipt([], [], [0])
    world.sums.plan(world.applications, {"app"})
    assert world.sums.learned("app").contexts == {}
    assert world.take(item(3), number=2) == Receipt([], [], [])
    assert world.arm("a:1")[0] == 1
    world.applications = {}
    world.again()
    assert world.sums.learned("app").contexts == {}


def test_counts_of_decisions_are_taken_once_by_their_number(world: World) -> None:
    decided = (Decided("app", "", "a:1", int(NOW), 0, 10, 20 * UNIT, 10),)
    world.take(decided=decided, number=3)
    world.take(decided=decided, number=3)
    world.again()
    world.take(decided=decided, number=2)
    assert world.sums.learned("app").counts.decided == 10
    world.take(decided=decided, number=4)
    assert world.sums.learned("app").counts.decided == 20
    world.sums.take([("0", Delivery(2.0, 0, [], list(decided)))])
    assert world.sums.learned("app").counts.decided == 30


def test_what_is_learned_goes_on_after_a_restart(world: World) -> None:
    for i in range(200):
        world.take(item(i, 1.0), item(1000 + i, 0.0, rewards=[Rewarded("b:1", 0.5, 0.0)]), number=i)
    before = world.sums.learned("app").contexts[""][1]
    world.again()
    assert world.sums.learned("app").contexts[""][1] == before
    ((row, *_),) = world.sums.rows(3, 200)
    assert row.weights["a"] > 0.9
    assert world.sums.rows(4, 200) == []


def test_sums_outlive_a_change_of_the_policy(world: World) -> None:
    for i in range(40):
        world.take(item(i, 0.5), number=i)
    before = world.arm("a:1")
    world.applications["app"] = Plan(FeedbackSpec(), Exp3Spec(["b", "c"]), {"b": "b:1", "c": "c:1"})
    world.sums.plan(world.applications, {"app"})
    ((row, *_),) = world.sums.rows(3, 200)
    assert set(row.weights) == {"b", "c"}
    world.applications["app"] = plan()
    world.sums.plan(world.applications, {"app"})
    assert world.arm("a:1") == before


def test_those_that_cannot_be_read_are_closed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(_: object) -> None:
        raise sqlite3.DatabaseError("database disk image is malformed")

    opened = connections(monkeypatch)
    monkeypatch.setattr(Database, "pages", damaged)
    with pytest.raises(sqlite3.DatabaseError, match="malformed"):
        Sums(world.path)
    (connection,) = opened
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


def test_a_delivery_that_cannot_be_written_has_changed_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.take(item(1))

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(world.sums._db, "put_pages", full)
        with pytest.raises(sqlite3.OperationalError):
            world.take(item(2), item(3), number=1)
    assert world.arm("a:1")[0] == 1
    assert world.take(item(2), item(3), number=1) == Receipt([], [], [])
    assert world.arm("a:1")[0] == 3


# Default rewards


def decided(times: int, at: float = NOW, arm: str = "a:1") -> Decided:
    return Decided("app", "", arm, int(at), 0, times, 2 * times * UNIT, times)


def test_queries_are_counted_as_they_were_decided_whatever_policy_there_is_now(world: World) -> None:
    world.take(decided=(decided(16), decided(27, arm="b:1")))
    world.applications["app"] = Plan(FeedbackSpec(), VoteSpec(["a", "b"], {}, learned=True), ARMS)
    world.again()
    assert world.sums.learned("app").counts.decided == 43
    world.take(decided=(decided(5), decided(5, arm="b:1")._replace(queries=0)), number=1)
    world.applications["app"] = plan()
    world.again()
    assert world.sums.learned("app").counts.decided == 48


def test_at_the_end_of_the_window_those_of_whom_nobody_spoke_get_the_default_reward(world: World) -> None:
    world.applications["app"] = plan(FeedbackSpec(window_s=60, default_reward=0.25))
    world.sums.plan(world.applications, {"app"})
    world.take(item(1, 1.0), decided=(decided(10),))
    world.take(item(2, 1.0, at=NOW + 0.5), number=1)
    world.clock.now += 60 + GRACE_S - 1
    world.sums.settle()
    assert world.arm("a:1")[0] == 2
    world.again()
    world.clock.now += 3
    world.sums.settle()
    world.sums.settle()
    assert world.arm("a:1") == (10, round((2 + 8 * 0.25) * UNIT), round(8 * 0.75 * 2 * UNIT))
    assert world.take(item(3, at=NOW), number=2) == Receipt([], [0], [])


def test_what_comes_of_the_sides_of_rollouts_is_told_once_each(world: World) -> None:
    world.applications["app"] = plan(FeedbackSpec(window_s=60, default_reward=0.25))
    world.sums.plan(world.applications, {"app"})
    asked = decided(10)._replace(dealt=7)
    side = item(1, rewards=[Rewarded("a:1", 0.5, 1.0, 7), Rewarded("b:1", 0.5, 1.0)])
    world.take(side, item(2), side, decided=(asked,))
    world.take(side, decided=(asked,))
    sides = world.sums.take_sides()
    assert sides.answers == {("a:1", 7): 10}
    assert sides.rewards == {("a:1", 7, 1.0): 1}
    assert not world.sums.take_sides()
    world.again()
    world.clock.now += 60 + GRACE_S + 2
    world.sums.settle()
    assert world.sums.take_sides().rewards == {("a:1", 7, 0.25): 9}


def test_of_what_could_not_be_written_no_side_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    side = item(1, rewards=[Rewarded("a:1", 0.5, 1.0, 7)])
    with monkeypatch.context() as full:
        full.setattr(world.sums._db, "put_pages", no_room)
        with pytest.raises(sqlite3.OperationalError):
            world.take(side)
    assert not world.sums.take_sides()
    world.take(side)
    assert world.sums.take_sides().rewards == {("a:1", 7, 1.0): 1}


def no_room(_pages: object) -> None:
    raise sqlite3.OperationalError("database or disk is full")


def test_without_a_default_reward_silence_is_no_reward(world: World) -> None:
    world.take(item(1, 1.0), decided=(decided(10),))
    world.clock.now += 3600 + GRACE_S + 5
    world.sums.settle()
    assert world.arm("a:1") == (1, UNIT, 0)


@pytest.mark.parametrize(("default_reward", "left"), [(None, True), (0.0, False)])
def test_an_arm_that_fails_is_noticed_where_rewards_come_as_they_are_decided(
    world: World, default_reward: float | None, left: bool
) -> None:
    feedback = FeedbackSpec(default_reward=default_reward)
    world.applications["app"] = Plan(feedback, ThompsonSpec(["a", "b"]), ARMS)
    world.again()
    half = [Rewarded("b:1", 0.5, float(i % 2)) for i in range(300)]
    rewarded = [*half, *[Rewarded("a:1", 0.5, 1.0)] * 300, *[Rewarded("a:1", 0.5, 0.0)] * 20]
    world.take(*(item(i, rewards=[each]) for i, each in enumerate(rewarded)))
    ((row, _, least),) = world.sums.rows(1, 200)
    assert (row.weights["a"] < 0.2) is left
    assert (least["a"] > 0) is left
    assert row.weights["a"] > 0.9 * least["a"]


def test_where_default_rewards_come_no_arm_is_asked_for_having_failed(world: World) -> None:
    world.applications["app"] = Plan(FeedbackSpec(), ThompsonSpec(["a", "b"]), ARMS)
    world.again()
    rewarded = [Rewarded("a:1", 0.5, float(i < 300)) for i in range(320)]
    world.take(*(item(i, rewards=[each]) for i, each in enumerate(rewarded)))
    ((_, _, least),) = world.sums.rows(1, 200)
    assert least["a"] > 0
    world.applications["app"] = Plan(FeedbackSpec(default_reward=0.0), ThompsonSpec(["a", "b"]), ARMS)
    world.sums.plan(world.applications, {"app"})
    ((_, _, least),) = world.sums.rows(2, 200)
    assert least == {"a": 0, "b": 0}


def test_a_default_reward_counts_from_when_there_is_one(world: World) -> None:
    world.take(decided=(decided(10),))
    world.clock.now += 10
    world.applications["app"] = plan(FeedbackSpec(window_s=60, default_reward=0))
    world.sums.plan(world.applications, {"app"})
    world.take(item(1), decided=(decided(5), decided(4, NOW + 11)), number=1)
    world.clock.now += 200
    world.sums.settle()
    assert world.arm("a:1")[0] == 1 + 4


def test_where_too_many_wait_for_a_default_reward_the_oldest_get_none_and_are_counted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sums, "MAX_UNANSWERED", 3)
    world.applications["app"] = plan(FeedbackSpec(window_s=60, default_reward=0))
    world.sums.plan(world.applications, {"app"})
    world.take(decided=tuple(decided(10, NOW + i) for i in range(5)))
    world.sums.settle()
    assert world.sums.learned("app").counts.no_room == 20
    world.clock.now += 200
    world.sums.settle()
    assert world.arm("a:1")[0] == 30


# Kills


WRITER = """
import sys
from pathlib import Path
import msgspec
from clipper_server.feedback import Delivery
from tests.management.feedback.test_sums import NOW, plan
from clipper_server.management.feedback.sums import Sums

sums = Sums(Path(sys.argv[1]), lambda: NOW)
sums.plan({"app": plan()}, {"app"})
while True:
    size = int.from_bytes(sys.stdin.buffer.read(4), "big")
    frontend, delivery = msgspec.msgpack.decode(sys.stdin.buffer.read(size), type=tuple[str, Delivery])
    sums.take([(frontend, delivery)])
    sys.stdout.buffer.write(b"k")
    sys.stdout.buffer.flush()
"""


class Killed(Exception):
    pass


class Writer:
    """A process that writes what it is sent, and says when it is written."""

    def __init__(self, path: Path) -> None:
        command = [sys.executable, "-c", WRITER, str(path)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def take(self, frontend: str, delivery: Delivery, kill: bool = False) -> None:
        assert self._process.stdin
        assert self._process.stdout
        body = msgspec.msgpack.encode((frontend, delivery))
        self._process.stdin.write(len(body).to_bytes(4, "big") + body)
        self._process.stdin.flush()
        if kill:
            self._process.send_signal(signal.SIGKILL)
        if self._process.stdout.read(1) != b"k" or kill:
            raise Killed

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdout.close()
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()


@pytest.mark.slow
def test_kills_and_what_is_sent_again_change_no_bit_of_the_sums(tmp_path: Path) -> None:
    rng = random.Random(5)
    items = [
        item(
            i,
            query_id=query(i, i % 3),
            context=rng.choice(["", "x"]),
            rewards=[Rewarded(rng.choice(["a:1", "b:1"]), rng.choice([0.3, 0.7]), rng.random())],
        )
        for i in range(1000)
    ]
    undisturbed = World(tmp_path)
    for i in range(0, 1000, 50):
        counted = decided(50)
        undisturbed.sums.take([("0", Delivery(1.0, i // 50, items[i : i + 50], [counted]))])
    wanted = undisturbed.sums.learned("app")
    undisturbed.sums.close()

    shuffled = rng.sample(items, 1000) + rng.sample(items, 300)
    folder = tmp_path / "disturbed"
    folder.mkdir()
    deliveries = []
    for of in range(3):
        own = [each for each in shuffled if each.query_id % 64 == of]
        for number, i in enumerate(range(0, len(own), 50)):
            extra = [decided(50)] if of == 0 and number < 7 else []
            deliveries.append((str(of), Delivery(1.0, number, own[i : i + 50], extra)))
    kills = set(rng.sample(range(len(deliveries)), 3))
    writer = Writer(folder / "feedback.db")
    try:
        for i, (frontend, delivery) in enumerate(deliveries):
            try:
                writer.take(frontend, delivery, kill=i in kills)
            except Killed:
                writer.end()
                writer = Writer(folder / "feedback.db")
                writer.take(frontend, delivery)
    finally:
        writer.end()
    found = Sums(folder / "feedback.db", lambda: NOW)
    learned = found.learned("app")
    found.close()

    def exact(known: Learned) -> dict[tuple[str, str], tuple[int, int, int]]:
        return {
            (context, name): (arm.times, arm.reward, arm.loss)
            for context, of in known.contexts.items()
            for name, arm in of.arms.items()
        }

    assert exact(learned) == exact(wanted)
    assert learned.counts.joined == 1000
    assert learned.counts.arms["a:1"].chosen == 7 * 50


def by_numbers(forget: float = 0.0) -> Plan:
    return Plan(FeedbackSpec(), LinTSSpec(["a", "b"], features=2, forget=forget), ARMS)


def weighed(world: World, count: int, start: int = 0) -> None:
    """Arm a is good where the first number is 1, and b where it is -1."""
    items = []
    for i in range(start, start + count):
        arm, sign = ("a:1", "b:1")[i % 2], (1.0, -1.0)[i // 2 % 2]
        reward = Rewarded(arm, 0.5, float((arm == "a:1") == (sign > 0)))
        items.append(item(i, rewards=[reward], features=pack([sign, 0.5])))
    world.take(*items, number=start)


def worth(row: Row, name: str) -> list[float]:
    """The mean of an arm's draws."""
    draws: list[float] = np.frombuffer(row.draws[name], "<f4").reshape(DRAWS, 3).mean(axis=0).tolist()
    return draws


def test_a_row_by_numbers_has_draws_of_what_they_are_worth_with_each_arm(world: World) -> None:
    world.applications["app"] = by_numbers()
    world.sums.plan(world.applications, {"app"})
    weighed(world, 2000)
    ((row, new, _),) = world.sums.rows(3, 200)
    assert (set(row.weights), set(row.draws), new) == ({"a", "b"}, {"a", "b"}, 2000)
    assert (worth(row, "a")[1], worth(row, "b")[1]) == pytest.approx((0.5, -0.5), abs=0.05)
    known = world.sums.learned("app").contexts[""]
    assert known.coefficients["a:1"][1] == pytest.approx(0.5, abs=0.01)
    assert set(known.coefficients) == {"a:1", "b:1"}


def test_an_application_has_new_draws_once_a_second_and_others_do_not_wait_for_it(world: World) -> None:
    world.applications = {"app": by_numbers(), "other": plan()}
    world.sums.plan(world.applications, {*world.applications})
    weighed(world, 10)
    assert len(world.sums.rows(1, 200)) == 1
    weighed(world, 10, start=10)
    world.take(item(500, application="other"), number=50)
    world.clock.now += sums.DRAWN_EVERY_S - 0.1
    assert [row.application for row, *_ in world.sums.rows(2, 200)] == ["other"]
    assert world.sums.due, "the other one waits"
    world.clock.now += 0.2
    ((row, new, _),) = world.sums.rows(3, 200)
    assert (row.application, new) == ("app", 10)
    assert world.sums.rows(4, 200) == []
    world.clock.now -= 3600
    weighed(world, 10, start=20)
    assert len(world.sums.rows(5, 200)) == 1, "a clock that is put back holds nobody up"


def test_of_many_applications_some_have_new_draws_at_a_time(world: World) -> None:
    count = 2 * sums.MAX_DRAWN + 1
    world.applications = {f"app {i}": by_numbers() for i in range(count)}
    world.sums.plan(world.applications, {*world.applications})
    rewarded = [item(i, application=f"app {i}", features=pack([1, 0])) for i in range(count)]
    world.take(*rewarded)
    seen = [[row.application for row, *_ in world.sums.rows(epoch, 200)] for epoch in range(1, 5)]
    assert [name for names in seen for name in names] == [*world.applications]
    assert max(map(len, seen)) <= sums.MAX_DRAWN


@pytest.mark.parametrize("forget", [0.0, 0.002])
def test_a_management_that_begins_anew_has_draws_at_once(world: World, forget: float) -> None:
    world.applications["app"] = by_numbers(forget)
    world.sums.plan(world.applications, {"app"})
    weighed(world, 400)
    ((before, *_),) = world.sums.rows(3, 200)
    world.sums.take([("0", Delivery(1.0, 9, [], [decided(1)]))])
    world.again()
    (row,) = world.sums.published(world.applications, 3)
    assert row == before
    assert world.sums.published({}, 3)[0].draws == {}


def test_what_the_policy_before_learned_has_no_rows_by_numbers(world: World) -> None:
    world.take(item(1, context="north"))
    world.sums.rows(1, 200)
    world.applications["app"] = by_numbers()
    world.sums.plan(world.applications, {"app"})
    assert [row for row, *_ in world.sums.rows(2, 200)] == [Row("app", "north", {})]
    world.take(item(2, features=pack([1.0] * 5)), number=2)
    assert world.arm("a:1")[0] == 1
    assert world.sums.learned("app").contexts[""].coefficients["a:1"] == [0.5, 0.0, 0.0]


def test_in_whatever_order_three_frontends_bring_it_sums_by_numbers_are_the_same_to_the_bit(
    tmp_path: Path,
) -> None:
    rng = random.Random(11)
    items = [
        item(
            *(i, rng.random()),
            query_id=query(i, i % 3),
            rewards=[Rewarded(rng.choice(["a:1", "b:1"]), 0.5, rng.random())],
            features=pack([rng.uniform(-1000, 1000), rng.gauss(0, 1)]),
        )
        for i in range(900)
    ]
    rows = []
    for seed in range(3):
        shuffled = random.Random(seed).sample(items, 900) + rng.sample(items, 200 * seed)
        (tmp_path / str(seed)).mkdir()
        world = World(tmp_path / str(seed))
        world.applications["app"] = by_numbers()
        world.sums.plan(world.applications, {"app"})
        for of in range(3):
            own = [each for each in shuffled if each.query_id % 64 == of]
            for number, i in enumerate(range(0, len(own), 70)):
                world.sums.take([(str(of), Delivery(1.0, number, own[i : i + 70], []))])
                if number == seed:
                    world.again()
        learned = world.sums.learned("app")
        assert learned.counts.joined == 900
        rows.append((world.sums.rows(5, 200)[0][0].draws, learned.contexts[""].coefficients))
        world.sums.close()
    assert rows[0] == rows[1] == rows[2]


def test_what_was_lost_is_of_choices_alone_and_since_the_policy_was_set(world: World) -> None:
    good, bad = [Rewarded("a:1", 0.5, 1.0)], [Rewarded("b:1", 0.5, 0.0)]
    world.take(item(1, rewards=[Rewarded("a:1", 1.0, 0.0)]))  # nothing was chosen
    assert world.sums.regrets() == {}
    world.take(*(item(10 + i, rewards=(good, bad)[i % 2]) for i in range(20)), item(10))
    world.take(item(11))
    assert world.sums.regrets() == {"app": (10, 10)}  # what comes twice is lost once
    assert world.sums.learned("app").regret == (10, 10)
    votes = Plan(FeedbackSpec(), VoteSpec(["a", "b"], {}, learned=True), ARMS)
    for plans, regrets in (
        ({"app": plan(FeedbackSpec(sample=0.5))}, {"app": (10, 10)}),
        ({"app": votes}, {}),
    ):
        world.sums.plan(plans, {"app"})
        assert world.sums.regrets() == regrets
    world.take(item(50, rewards=[*good, *bad]), number=1)
    assert world.sums.regrets() == {}  # a vote chooses none


def test_what_could_not_be_written_is_not_lost_twice(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    items = [item(i, rewards=[Rewarded("ab"[i % 2] + ":1", 0.5, float(i % 2))]) for i in range(20)]
    with monkeypatch.context() as broken:
        broken.setattr(
            world.sums._db, "put_counts", lambda _: (_ for _ in ()).throw(sqlite3.OperationalError)
        )
        with pytest.raises(sqlite3.OperationalError):
            world.take(*items)
    assert world.sums.regrets() == {}
    world.take(*items)
    assert world.sums.regrets() == {"app": (10, 10)}


def test_the_contexts_that_were_used_last_are_told_first(world: World) -> None:
    for number, context in enumerate("abca"):
        world.take(item(number, context=context), number=number)
    assert [*world.sums.learned("app").contexts] == ["a", "c", "b"]
    assert [*world.sums.learned("app", 2).contexts] == ["a", "c"]
