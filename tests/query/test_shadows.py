"""Shadows are asked after the answer, shed first, and nobody waits for them; on a virtual clock."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from clipper_container.tensors import Tensor
from clipper_server.query import shadows
from clipper_server.query.alike import alike
from clipper_server.query.application import Application
from clipper_server.query.configuration import Configuration
from clipper_server.query.request import Answer, Request
from clipper_server.query.shadows import Busy
from clipper_server.querylog import Pair, Record, Shed
from clipper_server.shadows import ShadowSpec
from clipper_server.snapshot import ApplicationSpec, Snapshot
from tests.support.fakes import FakeReplica, version_spec
from tests.support.virtual_time import run

OBJECTIVE_S = 0.1


class World:
    """One application with a model of two versions: the first is current, the second its shadow."""

    def __init__(
        self,
        fraction: float = 1.0,
        cache: int = 0,
        objective_s: float = OBJECTIVE_S,
        tolerance: float = 0.0,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.configuration = Configuration("0", lambda: None, loop, loop.time)
        spec = ApplicationSpec("app", "strings", "?", int(1e6 * objective_s), ["m"])
        versions = [version_spec(model="m", version=version, input_type="strings") for version in "12"]
        shadow = [ShadowSpec(7, "m", "2", fraction, tolerance)]
        self.snapshot = Snapshot(1, [spec], versions, {"m": "1"}, cache, shadows=shadow)
        self.configuration.apply(self.snapshot)
        self.configuration.shadows.busy = lambda: False

    @property
    def application(self) -> Application:
        return self.configuration.applications["app"]

    def replica(
        self, version: str, cost_s: float, answer: Callable[[bytes], bytes] = lambda text: text
    ) -> FakeReplica:
        queue = self.configuration.queue("m", version)
        assert queue is not None
        return FakeReplica(queue, cost_s=cost_s, answer=lambda inputs: [answer(bytes(t)) for t in inputs])

    async def ask(self, *texts: str, raw: bool = False) -> Sequence[Answer]:
        answered: asyncio.Future[Sequence[Answer]] = asyncio.get_running_loop().create_future()
        tensors = [Tensor(text.encode(), (len(text),), "str") for text in texts]
        self.application.ask(Request("test", tensors, raw=raw), answered.set_result)
        return await answered

    async def records(self) -> list[Record]:
        """After everything has had its time."""
        await asyncio.sleep(2 * self.application.objective_s)
        return self.configuration.records.take()


def pairs(records: Sequence[Record]) -> list[Pair]:
    return [record for record in records if isinstance(record, Pair)]


def shed(records: Sequence[Record]) -> dict[str, int]:
    return {
        reason: count
        for record in records
        if isinstance(record, Shed)
        for reason, count in record.reasons.items()
    }


def test_what_both_said_stands_side_by_side() -> None:
    async def main() -> list[Record]:
        world = World()
        world.replica("1", 0.01)
        world.replica("2", 0.02, lambda text: text.upper() if text == b'"b"' else text)
        for text in ('"a"', '"b"'):
            (answer,) = await world.ask(text)
            assert answer.output == text.encode()
            assert answer.choice is None, "an answer says nothing of a shadow"
        return await world.records()

    first, second = pairs(run(main()))
    assert (first.same, first.before.output, first.after.output) == (True, b'"a"', b'"a"')
    assert (second.same, second.before.output, second.after.output) == (False, b'"b"', b'"B"')
    assert (first.shadow, first.application, first.control) == (7, "app", "m:1")
    assert (first.data, first.dtype, first.shape) == (b'"a"', "str", (3,))
    assert first.before.ms == pytest.approx(10)
    assert first.after.ms == pytest.approx(20)


@pytest.mark.parametrize(
    ("after", "same"),
    [
        (b'{"a": [1.000000001, null], "b": true}', True),
        (b'{"b": true, "a": [1.0, null]}', True),
        (b'{"a": [1.01, null], "b": true}', False),
        (b'{"a": [1.0, null], "b": 1}', False),
        (b'{"a": [1.0], "b": true}', False),
        (b'{"a": [1.0, null]}', False),
    ],
)
def test_numbers_within_the_tolerance_are_the_same(after: bytes, same: bool) -> None:
    async def main(tolerance: float) -> list[Record]:
        world = World(tolerance=tolerance)
        world.replica("1", 0.01, lambda _: b'{"a": [1.0, null], "b": true}')
        world.replica("2", 0.01, lambda _: after)
        await world.ask("x")
        return await world.records()

    assert [pair.same for pair in pairs(run(main(1e-6)))] == [same]
    assert [pair.same for pair in pairs(run(main(0.0)))] == [False]


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ([1.0, math.nan], [1.0 + 1e-9, math.nan], True),
        ([1.0, math.nan], [math.nan, 1.0], False),
        ([1.0], [1.0, 1.0], False),
        ([1.0] * 9000, [1.0 + 1e-9] * 9000, False),  # too large to be looked at
    ],
)
def test_tensors_are_compared_by_number(before: list[float], after: list[float], same: bool) -> None:
    def tensor(values: list[float]) -> Tensor:
        return Tensor(np.array(values).tobytes(), (len(values),), "<f8")

    assert alike(tensor(before), tensor(after), 1e-6) is same


@pytest.mark.parametrize("levels", [10, 900])
def test_what_is_nested_deeply_is_compared_too(levels: int) -> None:
    """A replica may say what is nested nearly as deeply as Python calls go."""
    outputs = [b"[" * levels + number + b"]" * levels for number in (b"1", b"1.5", b"9")]
    assert alike(outputs[0], outputs[1], 1.0)
    assert not alike(outputs[0], outputs[2], 1.0)


def test_the_answer_goes_first_and_does_not_wait() -> None:
    async def main() -> tuple[float, int, int]:
        world = World()
        world.replica("1", 0.01)
        slow = world.replica("2", 0.09)
        asked_by_then = len(slow.dispatches)
        began = asyncio.get_running_loop().time()
        await world.ask("a")
        took = asyncio.get_running_loop().time() - began
        asked_by_then = len(slow.dispatches)
        records = await world.records()
        return took, asked_by_then, len(pairs(records))

    took, asked_by_then, seen = run(main())
    assert took == pytest.approx(0.01)
    assert asked_by_then == 0
    assert seen == 1


def test_of_many_inputs_each_has_its_pair() -> None:
    async def main() -> list[Record]:
        world = World(objective_s=10.0)
        world.replica("1", 0.01)
        world.replica("2", 0.01, lambda text: text + b"!")
        answers = await world.ask(*(f"{i}" for i in range(300)))
        records = await world.records()
        assert [pair.query_id for pair in pairs(records)] == [answer.query_id for answer in answers]
        return records

    seen = pairs(run(main()))
    assert len(seen) == 300
    assert {pair.before.output + b"!" == pair.after.output for pair in seen} == {True}


def test_of_more_than_can_be_open_some_are_asked_and_all_are_counted() -> None:
    async def main() -> tuple[int, int]:
        world = World(objective_s=10.0)
        world.replica("1", 0.01)
        world.replica("2", 0.01)
        await world.ask(*(f"{i}" for i in range(2000)))
        records = await world.records()
        return len(pairs(records)), shed(records)["too_many"]

    compared, too_many = run(main())
    assert compared == shadows.MAX_OPEN
    assert compared + too_many == 2000


def test_much_that_is_due_is_asked_a_little_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadows, "TURN_S", 0)

    async def main() -> tuple[int, int]:
        world = World()
        world.replica("1", 0.01)
        await world.ask(*"abcdefgh")
        loop = asyncio.get_running_loop()
        turns: list[int] = []

        def turn() -> None:
            turns.append(len(world.configuration.shadows._due))
            if turns[-1]:
                loop.call_soon(turn)

        turn()
        asked = shed(await world.records())["not_ready"]
        return len(turns), asked

    turns, asked = run(main())
    assert turns > 5
    assert asked == 8


def test_a_fraction_of_the_inputs_is_asked_again() -> None:
    async def main() -> int:
        world = World(fraction=0.2)
        world.configuration.shadows._chance = iter([0.1, 0.2, 0.5, 0.19, 0.9]).__next__
        world.replica("1", 0.01)
        world.replica("2", 0.01)
        for i in range(5):
            await world.ask(f"{i}")
        return len(pairs(await world.records()))

    assert run(main()) == 2


def test_what_the_cache_knew_is_compared_too() -> None:
    async def main() -> list[Pair]:
        world = World(cache=1 << 20)
        world.replica("1", 0.01)
        shadow = world.replica("2", 0.01)
        for _ in range(2):
            await world.ask("a")
            await asyncio.sleep(OBJECTIVE_S)
        assert sum(dispatch.size for dispatch in shadow.dispatches) == 2, "the shadow computes each"
        return pairs(await world.records())

    computed, known = run(main())
    assert computed.before.ms == pytest.approx(10)
    assert known.before.ms is None
    assert known.same


def test_what_is_late_is_not_begun_any_more() -> None:
    async def main() -> tuple[list[Record], int, int]:
        world = World()
        world.replica("1", 0.001)
        shadow = world.replica("2", 10.0)
        for i in range(20):
            await world.ask(f"{i}")
        records = await world.records()
        queue = world.configuration.queue("m", "2")
        assert queue is not None
        assert world.configuration.shadows.open == world.configuration.shadows.open_bytes == 0
        return records, queue.waiting.count, sum(dispatch.size for dispatch in shadow.dispatches)

    records, waiting, begun = run(main())
    reasons = [pair.after.reason for pair in pairs(records)]
    assert waiting == 0
    assert begun < 20
    assert reasons
    assert set(reasons) == {"deadline"}


def test_where_one_fails_the_pair_says_why() -> None:
    async def main() -> list[Pair]:
        world = World()
        good = world.replica("1", 0.01)
        world.replica("2", 10.0)
        await world.ask("late")
        seen = await world.records()
        good.cost_s = lambda _: 1.0
        (answer,) = await world.ask("late, too")
        assert answer.fault is not None
        return pairs([*seen, *await world.records()])

    after, both = run(main())
    assert (after.same, after.before.reason, after.after.reason) == (False, "", "deadline")
    assert "did not answer within the" in after.after.text
    assert (both.before.reason, both.after.reason) == ("deadline", "deadline")


def test_without_time_or_room_or_replicas_it_is_left_out_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> list[dict[str, int]]:
        world = World()
        world.replica("1", 0.001)
        await world.ask("a")
        seen = [shed(await world.records())]
        world.replica("2", 0.05)
        world.configuration.shadows.busy = lambda: True
        await world.ask("a")
        seen.append(shed(await world.records()))
        world.configuration.shadows.busy = lambda: False
        monkeypatch.setattr(shadows, "MAX_OPEN", 1)
        await asyncio.gather(world.ask("a"), world.ask("b"), world.ask("c"))
        seen.append(shed(await world.records()))
        monkeypatch.setattr(shadows, "MAX_OPEN", 100)
        monkeypatch.setattr(shadows, "MAX_OPEN_BYTES", 10)
        await asyncio.gather(world.ask("a" * 9), world.ask("b" * 9))
        seen.append(shed(await world.records()))
        return seen

    nobody, busy, many, large = run(main())
    assert nobody == {"not_ready": 1}
    assert busy == {"busy": 1}
    assert many == {"too_many": 2}
    assert large == {"too_many": 1}


def test_large_inputs_and_outputs_are_compared_and_not_kept() -> None:
    async def main() -> list[Pair]:
        world = World()
        world.replica("1", 0.01)
        world.replica("2", 0.01)
        await world.ask("a" * 5000)
        return pairs(await world.records())

    (pair,) = run(main())
    assert pair.same
    assert pair.data is None
    assert (pair.before.output, pair.before.size) == (b"", 5000)


def test_a_version_that_has_become_current_is_no_shadow_of_itself() -> None:
    async def main() -> list[Record]:
        world = World()
        world.replica("1", 0.01)
        world.replica("2", 0.01)
        moved = Snapshot(2, world.snapshot.applications, world.snapshot.versions, {"m": "2"})
        world.configuration.apply(moved)
        await world.ask("a")
        return await world.records()

    assert run(main()) == []


def test_busy_is_a_core_that_is_used() -> None:
    now, used = [0.0], [0.0]
    busy = Busy(lambda: now[0], lambda: used[0])
    assert not busy()
    now[0], used[0] = 0.2, 0.19
    assert busy()
    now[0], used[0] = 0.25, 0.19
    assert busy(), "it looks now and then only"
    now[0], used[0] = 0.4, 0.2
    assert not busy()
    now[0], used[0] = 60.0, 60.0
    assert not busy(), "of so long a time nobody knows when it was used"
