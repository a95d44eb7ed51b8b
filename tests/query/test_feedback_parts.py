"""Tokens, decisions, scores and the outbox, each by itself."""

from __future__ import annotations

import asyncio
import math
import secrets
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest

from clipper_container.tensors import Tensor
from clipper_server.feedback import MAX_TOKEN, UNIT, Decided, Delivery, FeedbackSpec, Item, Receipt, Rewarded
from clipper_server.query.feedback import answered, outbox
from clipper_server.query.feedback.answered import Answered, Raw, kept
from clipper_server.query.feedback.decisions import KEPT, Decisions
from clipper_server.query.feedback.outbox import Outbox
from clipper_server.query.feedback.scores import Unfit, score
from clipper_server.query.feedback.tokens import Tokens
from tests.support.virtual_time import run

OLD, NOW, NEXT = (secrets.token_hex(32) for _ in range(3))


def tokens(*keys: str) -> Tokens:
    found = Tokens()
    found.configure(keys)
    return found


def made(query_id: int = 64, **changes: object) -> Answered:
    fields: dict[str, object] = {
        "query_id": query_id,
        "application": "app",
        "arms": ("a:1",),
        "propensity": 0.25,
        "epoch": 3,
        "context": "",
        "at": 1_700_000_000.5,
        "combined": False,
        "raw": False,
        "outputs": (b"7",),
    }
    return Answered(**{**fields, **changes})  # type: ignore[arg-type]


def test_a_token_is_taken_as_it_was_given_and_says_what_was_signed() -> None:
    decision = made(outputs=(b"7", Raw(b"\0" * 8, (1,), "<f8")), arms=("a:1", "b:2"))
    token = tokens(NOW).make(answered.encode(decision))
    assert token is not None
    text = tokens(NOW).check(token)
    assert text is not None
    assert answered.decode(text) == decision


def test_a_token_that_is_tampered_with_at_any_letter_is_none() -> None:
    mine = tokens(NOW)
    for outputs in ((b"7",), (b"77",), (b"777",)):  # which end in another way
        token = mine.make(answered.encode(made(outputs=outputs)))
        assert token is not None
        for place in range(len(token)):
            for letter in "AB-_z":
                if letter != token[place]:
                    assert mine.check(token[:place] + letter + token[place + 1 :]) is None
        for other in (
            token[:-1],
            token + "A",
            token + "=",
            f" {token}",
            f"{token}\n",
            token + "\0",
            "",
            "ä",
            "A",
        ):
            assert mine.check(other) is None
    assert mine.check("A" * MAX_TOKEN) is None
    assert mine.check("A" * 10_000_000) is None


def test_the_last_key_but_one_signs_and_all_that_are_known_are_taken() -> None:
    text = answered.encode(made())
    by_now, by_next = tokens(OLD, NOW).make(text), tokens(NOW, NEXT).make(text)
    assert by_now == tokens(OLD).make(text)
    assert by_next == tokens(NOW).make(text)
    assert by_now is not None
    assert by_next is not None
    assert tokens(OLD, NOW, NEXT).check(by_now) == text
    assert tokens(NOW, NEXT).check(by_now) is None  # yesterday's
    assert tokens(OLD, NOW).check(by_next) == text  # of one that has heard of a key before this one
    assert tokens().check(by_now) is None
    assert tokens().make(text) is None


def test_no_token_has_more_than_1024_letters() -> None:
    mine = tokens(NOW)
    assert mine.make(bytes(752)) is not None
    assert len(mine.make(bytes(752)) or "") == MAX_TOKEN
    assert mine.make(bytes(753)) is None


def test_outputs_are_kept_while_they_are_small_together() -> None:
    assert kept([b"1" * 128, Tensor(memoryview(bytes(128)), (16,), "<f8")]) == (
        b"1" * 128,
        Raw(bytes(128), (16,), "<f8"),
    )
    assert kept([b"1" * 128, b"1" * 129]) is None


def test_decisions_are_known_by_their_query_for_a_while() -> None:
    decisions = Decisions(64)
    assert decisions.find(64) is None
    for query_id in range(3, 64 * (KEPT + 2), 64):
        decision = made(query_id)
        decisions.add(answered.encode(decision), decision)
    assert decisions.find(3) is None
    assert decisions.find(3 + 64) is None
    assert decisions.find(3 + 2 * 64) == made(3 + 2 * 64)
    assert decisions.find(4 + 2 * 64) is None  # of another frontend


def test_a_vote_is_one_query_of_several_arms() -> None:
    decisions = Decisions(64)
    for query in range(2):
        decision = made(query * 64, at=1.0, arms=("a:1", "b:1"), propensity=1.0)
        decisions.add(answered.encode(decision), decision)
    assert [(d.arm, d.times, d.queries) for d in decisions.take(9, 2)] == [("a:1", 2, 2), ("b:1", 2, 0)]


def test_each_second_it_is_counted_how_often_an_arm_was_chosen() -> None:
    decisions = Decisions(64)
    for at, arm, propensity in (
        (1.1, "a:1", 0.25),
        (1.9, "a:1", 0.75),
        (1.5, "b:1", 0.75),
        (2.0, "a:1", 1.0),
    ):
        decision = made(at=at, arms=(arm,), propensity=propensity)
        decisions.add(answered.encode(decision), decision)
    thrice = round(UNIT / 0.75)
    assert decisions.take(100, 2) == [
        ("app", "", "a:1", 1, 0, 2, 4 * UNIT + thrice, 2),
        ("app", "", "b:1", 1, 0, 1, thrice, 1),
    ]
    assert decisions.take(100, 2) == []  # the second is not over
    assert decisions.take(100, 3) == [("app", "", "a:1", 2, 0, 1, UNIT, 1)]


def test_what_is_counted_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clipper_server.query.feedback.decisions.MAX_COUNTED", 2)
    decisions = Decisions(64)
    for context in ("x", "y", "z", "x"):
        decision = made(context=context)
        decisions.add(answered.encode(decision), decision)
    assert decisions.uncounted == 1
    assert [(d.context, d.times) for d in decisions.take(1, 2_000_000_000)] == [("x", 2)]
    assert [(d.context, d.times) for d in decisions.take(9, 2_000_000_000)] == [("y", 1)]


def test_a_probability_that_is_next_to_nothing_spoils_no_delivery() -> None:
    decisions = Decisions(64)
    for propensity in (1e-12, 1e-9, 1e-9, 1e-9):
        decision = made(propensity=propensity)
        decisions.add(answered.encode(decision), decision)
    (counted,) = decisions.take(9, 2_000_000_000)
    assert counted.times == 2
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(counted.inverse)) == counted.inverse
    assert decisions.uncounted == 2


EQUAL = FeedbackSpec()
WITHIN = FeedbackSpec(score="within", tolerance=0.5)
DISTANCE = FeedbackSpec(score="distance", tolerance=2.0)


def raw(values: Sequence[float], dtype: str) -> Raw:
    return Raw(np.array(values, dtype).tobytes(), (len(values),), dtype)


@pytest.mark.parametrize(
    ("spec", "label", "output", "reward"),
    [
        (EQUAL, 7, b"7", 1),
        (EQUAL, 7, b"7.0", 1),
        (EQUAL, 7, b"8", 0),
        (EQUAL, "cat", b'"cat"', 1),
        (EQUAL, True, b"true", 1),
        (EQUAL, [1, 2], b"[1,2]", 1),
        (EQUAL, {"a": 1}, b'{"a":1}', 1),
        (EQUAL, 7, raw([7], "<i4"), 1),
        (EQUAL, [7], raw([7], "<i4"), 1),
        (EQUAL, "cat", Raw(b"cat", (3,), "str"), 1),
        (EQUAL, "cat", Raw(b'"cat"', (5,), "json"), 1),
        (WITHIN, 1, b"1.5", 1),
        (WITHIN, 1, b"1.51", 0),
        (WITHIN, [1, 2], b"[1.5,2.6]", 0),
        (DISTANCE, 1, b"1", 1),
        (DISTANCE, 1, b"1.5", 0.75),
        (DISTANCE, 1, b"9", 0),
        (DISTANCE, [1, 2], raw([1, 3], "<f8"), 0.5),
        (DISTANCE, 1, raw([math.nan], "<f8"), 0),
        (FeedbackSpec(score="distance"), 1, b"1", 1),
        (FeedbackSpec(score="distance"), 1, b"1.1", 0),
    ],
)
def test_a_label_and_an_output_make_a_reward(
    spec: FeedbackSpec, label: object, output: bytes | Raw, reward: float
) -> None:
    assert score(spec, label, output) == reward


@pytest.mark.parametrize(
    ("spec", "label", "output"),
    [
        (EQUAL, "7", b"7"),
        (EQUAL, True, b"1"),
        (EQUAL, None, b"1"),
        (EQUAL, 7, b"[7,8]"),
        (WITHIN, "cat", b'"cat"'),
        (WITHIN, [1, 2], b"[1,2,3]"),
        (WITHIN, [1, [2]], b"[1,2]"),
        (DISTANCE, ["1"], b'["1"]'),
        (DISTANCE, 10**400, b"1"),
    ],
)
def test_what_cannot_be_compared_makes_none(spec: FeedbackSpec, label: object, output: bytes) -> None:
    with pytest.raises(Unfit):
        score(spec, label, output)


class Played:
    """Management, played by the test: it writes what comes, knows what came twice, and may be silent."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.written: dict[int, Item] = {}
        self.answers: list[str] = []  # what it does with the next ones: later, lost or refused
        self.expired: set[int] = set()

    async def __call__(self, body: bytes) -> Receipt | str:
        delivery = msgspec.msgpack.decode(body, type=Delivery)
        self.deliveries.append(delivery)
        answer = self.answers.pop(0) if self.answers else ""
        if answer in ("later", "refused"):
            return answer
        expired = [i for i, item in enumerate(delivery.items) if item.query_id in self.expired]
        for item in delivery.items:
            if item.query_id not in self.expired:
                self.written.setdefault(item.query_id, item)
        return "later" if answer == "lost" else Receipt(expired=expired)


def item(query_id: int) -> Item:
    return Item(query_id, "app", "", 0, 1.0, [Rewarded("a:1", 0.5, 1.0)])


def new_outbox(said: list[str], counts: Sequence[object] = ()) -> Outbox:
    left = list(counts)

    def take(_most: int, _before: int) -> list[object]:
        found = left[:]
        left.clear()
        return found

    return Outbox(5.0, take, said.append)  # type: ignore[arg-type]


def test_items_go_again_with_the_same_number_until_there_is_a_receipt() -> None:
    async def main() -> None:
        played, said = Played(), list[str]()
        box = new_outbox(said)
        played.answers = ["later", "lost", "later"]
        fates: list[str] = []
        assert box.put(item(1), fates.append)
        for number in range(3):
            await box.turn(played)  # type: ignore[arg-type]
            assert box.waiting == number + 1
            assert not fates
            assert box.put(item(number + 2))
        await box.turn(played)  # type: ignore[arg-type]
        assert fates == ["written"]
        await box.turn(played)  # type: ignore[arg-type]
        assert [(d.began, d.number, [i.query_id for i in d.items]) for d in played.deliveries] == [
            *[(5.0, 1, [1])] * 4,
            (5.0, 2, [2, 3, 4]),
        ]
        assert sorted(played.written) == [1, 2, 3, 4]
        assert box.waiting == box.dropped == 0
        assert not said

    run(main())


def test_a_delivery_has_a_bound_and_they_do_not_come_more_than_ten_times_a_second() -> None:
    async def main() -> None:
        played = Played()
        box = new_outbox([])
        for number in range(outbox.MAX_ITEMS + 1):
            box.put(item(number))
        began = asyncio.get_running_loop().time()
        for _ in range(2):
            await box.turn(played)  # type: ignore[arg-type]
        assert [len(delivery.items) for delivery in played.deliveries] == [outbox.MAX_ITEMS, 1]
        assert asyncio.get_running_loop().time() - began == pytest.approx(0.2)

    run(main())


def test_items_with_many_arms_make_smaller_deliveries() -> None:
    async def main() -> None:
        played = Played()
        box = new_outbox([])
        arms = [Rewarded(f"{'m' * 60}{number}:{'1' * 60}", 1.0, 1.0) for number in range(20)]
        for number in range(outbox.MAX_ITEMS):
            box.put(Item(number, "app", "x" * 64, 0, 1.0, arms))
        await box.close(played)  # type: ignore[arg-type]
        sizes = [len(msgspec.msgpack.encode(delivery)) for delivery in played.deliveries]
        assert max(sizes) < 2 << 20
        assert sum(len(delivery.items) for delivery in played.deliveries) == outbox.MAX_ITEMS

    run(main())


def test_counts_go_without_items_too() -> None:
    async def main() -> None:
        played = Played()
        box = new_outbox([], [("app", "", "a:1", 1, 0, 2, 3, 2)])
        await box.turn(played)  # type: ignore[arg-type]
        await box.turn(played)  # type: ignore[arg-type]
        assert [list(map(tuple, delivery.decided)) for delivery in played.deliveries] == [
            [("app", "", "a:1", 1, 0, 2, 3, 2)]
        ]

    run(main())


def test_where_there_is_no_room_items_are_refused_counted_and_told_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        monkeypatch.setattr(outbox, "MAX_WAITING", 3)
        played, said = Played(), list[str]()
        box = new_outbox(said)
        played.answers = ["later"]
        assert box.put(item(1))
        await box.turn(played)  # type: ignore[arg-type]
        assert [box.put(item(number)) for number in (2, 3, 4, 5)] == [True, True, False, False]
        assert box.dropped == 2
        assert "1 so far" in said[0]
        assert "2 so far" in said[1]
        await box.close(played)  # type: ignore[arg-type]
        assert sorted(played.written) == [1, 2, 3]

    run(main())


def test_what_management_refuses_is_lost_and_told_of_and_the_next_goes() -> None:
    async def main() -> None:
        played, said = Played(), list[str]()
        box = new_outbox(said)
        played.answers = ["refused"]
        box.put(item(1))
        await box.turn(played)  # type: ignore[arg-type]
        box.put(item(2))
        await box.turn(played)  # type: ignore[arg-type]
        assert sorted(played.written) == [2]
        assert box.dropped == 1
        assert "1 items are lost" in said[0]

    run(main())


def test_at_the_end_what_is_left_is_brought_once_and_nobody_waits_long_for_it() -> None:
    async def main() -> None:
        played = Played()
        box = new_outbox([])
        for number in range(outbox.MAX_ITEMS + 1):
            box.put(item(number))
        await box.close(played)  # type: ignore[arg-type]
        assert len(played.written) == outbox.MAX_ITEMS + 1
        box.put(item(-1))

        async def silent(_body: bytes) -> Receipt:
            await asyncio.get_running_loop().create_future()
            raise AssertionError("nobody answers")

        began = asyncio.get_running_loop().time()
        await box.close(silent)
        assert asyncio.get_running_loop().time() - began == pytest.approx(outbox.CLOSE_S)

    run(main())


def test_the_counts_of_a_second_go_when_it_is_over_or_at_the_end() -> None:
    async def main() -> None:
        asked: list[int] = []

        def take(_most: int, before: int) -> list[Decided]:
            asked.append(before)
            return []

        box = Outbox(5.0, take, lambda _: None, lambda: 12.5)
        await box.turn(Played())  # type: ignore[arg-type]
        await box.close(Played())  # type: ignore[arg-type]
        assert asked == [12, 13]

    run(main())
