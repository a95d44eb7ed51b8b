"""Rollouts step, wait and go back by what frontends report; a test plays the frontends and the clock."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from clipper_container.errors import BadRequest
from clipper_server.changes import Changes
from clipper_server.feedback import FeedbackSpec
from clipper_server.management.control.rollouts import Rollouts as Control
from clipper_server.management.events import Events
from clipper_server.management.feedback.sides import Sides
from clipper_server.management.feedback.sums import GRACE_S
from clipper_server.management.rollouts import WARM_UP_S, Rollouts
from clipper_server.management.state import Guardrail, Rollout, State, Version
from clipper_server.query.policies import Arm, Decision
from clipper_server.query.rollouts import Rollouts as Deal
from clipper_server.rollouts import ArmCounts, RolloutReport, RolloutSpec
from clipper_server.snapshot import LATENCIES_S, ApplicationSpec, Report

NONE = [0] * (len(LATENCIES_S) + 1)
RAILS = [Guardrail("errors"), Guardrail("late", 1.2), Guardrail("latency_p95", 1.3)]


class World:
    """A frontend that asks by the shares that it is dealt, and the management that deals them."""

    def __init__(self, folder: Path, seed: int = 1, **options: Any) -> None:
        self.now = 1000.0
        self.state = State(folder / "state.db")
        for number in "12":
            version = Version("m", number, "doubles", None, [], 1, state="ready")
            self.state.add_version(version)
        self.state.move("m", "1", "set", "", "")
        self.state.add_application(ApplicationSpec("asks", "doubles", -1, 100_000, []))
        self.state.link("asks", "m")
        fields: dict[str, Any] = {"steps": [0.05, 0.5, 1.0], "hold_s": 10.0, "guardrails": RAILS}
        fields |= options
        self.rollout = self.state.add_rollout(
            Rollout(
                id=0,
                model="m",
                control="1",
                canary="2",
                observe=fields.pop("observe", False),
                sticky=fields.pop("sticky", False),
                state="running",
                step=0,
                verdict="",
                who="me",
                message="better",
                at=0.0,
                ended_at=None,
                **fields,
            )
        )
        self.chance = random.Random(seed)
        self.counts: dict[int, tuple[ArmCounts, ArmCounts]] = {}
        self.reward: Callable[[bool], float | None] | None = None
        """What is said of an answer, of the canary's or not; None: nothing."""
        self.frontends = ["0"]  # which all tell the same
        self.lost = 0.0  # of what the canary was dealt
        self.replicas: dict[str, set[str]] = {}
        self.begin()

    def begin(self) -> None:
        """As management does when it starts, also after a crash."""
        changes = Changes()
        self.crashing: dict[str, str] = {}
        self.rollouts = Rollouts(
            *(self.state, self, changes, Events(self.state, changes)),  # type: ignore[arg-type]
            crash_loop=lambda _model, version: self.crashing.get(version),
            clock=lambda: self.now,
        )
        self.rollouts.look()

    def serving(self) -> bool:
        return True

    def ready_replicas(self, _model: str, version: str) -> set[str]:
        return self.replicas.get(version, {"0"})

    def waking(self, _model: str, _version: str) -> bool:
        return False

    def live(self) -> list[Report]:
        # A report is a value: what is counted later must not change what was told before.
        told = [
            RolloutReport(self.rollout.id, epoch, _copy(control), _copy(canary))
            for epoch, (control, canary) in self.counts.items()
        ]
        return [Report(name, 1, True, 1, "", [], [], rollouts=told) for name in self.frontends]

    def ask(self, count: int, bad: Callable[[bool], bool], slow: float = 0.0) -> None:
        """So many queries in a quarter of a second; `bad` says what is an error, of the canary or not."""
        table = self.rollouts.shares
        share = table.shares.get(self.rollout.id, 0.0)
        sides = self.counts.setdefault(
            table.epoch, (ArmCounts(latencies=[*NONE]), ArmCounts(latencies=[*NONE]))
        )
        said = Sides()
        for _ in range(count):
            is_canary = self.chance.random() < share
            side = sides[is_canary]
            side.chosen += 1
            side.dealt += not (is_canary and self.chance.random() < self.lost)
            is_slow = is_canary and self.chance.random() < slow
            if bad(is_canary):
                side.errors += 1
                side.defaults += 1
            else:
                side.latencies[12 if is_slow else 5 if self.chance.random() < 0.5 else 6] += 1
                if self.reward is not None:
                    said.answered(f"m:{1 + is_canary}", table.epoch, 1)
                    if (reward := self.reward(is_canary)) is not None:
                        said.rewarded(f"m:{1 + is_canary}", table.epoch, reward)
        self.rollouts.hear(said)
        self.now += 0.25
        self.rollouts.look()

    def run(self, bad: Callable[[bool], bool], until: int, slow: float = 0.0, at_once: int = 25) -> int:
        """Queries until the rollout has ended, at most so many."""
        asked = 0
        while self.ended() is None and asked < until:
            self.ask(at_once, bad, slow)
            asked += at_once
        return asked

    def ended(self) -> str | None:
        state = self.state.rollouts("m")[-1].state
        return None if state in ("running", "paused") else state

    @property
    def texts(self) -> list[str]:
        return [event.text for event in self.state.events(0, 1000) if event.kind == "rollout"]


def _copy(counts: ArmCounts) -> ArmCounts:
    return ArmCounts(
        *(counts.chosen, counts.errors, counts.late, counts.defaults, [*counts.latencies], counts.dealt)
    )


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    found = World(tmp_path)
    yield found
    found.state.close()


def none_bad(_canary: bool) -> bool:
    return False


def test_a_version_that_is_no_worse_gets_step_after_step_and_becomes_current(world: World) -> None:
    assert world.rollouts.shares.shares == {world.rollout.id: 0.05}
    world.run(none_bad, 100_000)
    assert world.ended() == "passed"
    assert world.state.current() == {"m": "2"}
    assert [(move.move, move.who, move.message) for move in world.state.history("m")][-1] == (
        "rollout",
        "me",
        "better",
    )
    assert world.rollouts.shares.shares == {}
    assert [text.split(" ", 1)[0] for text in world.texts] == ["m:2", "m:2"]
    assert "gets 50% of the queries" in world.texts[0]
    assert world.now - 1000 >= WARM_UP_S + 2 * 10


def test_a_version_that_is_worse_is_taken_back_with_its_numbers(world: World) -> None:
    world.run(lambda canary: canary and world.chance.random() < 0.5, 10_000)
    assert world.ended() == "failed"
    assert world.state.current() == {"m": "1"}
    assert world.rollouts.shares.shares == {}
    (text,) = world.texts
    assert text.startswith("m:1 answers all again: the rollout of m:2 has failed. Too many errors: ")
    assert "in 1 of" in text
    move = world.state.history("m")[-1]
    assert (move.move, move.version, move.message) == ("failed", "2", world.state.rollouts("m")[-1].verdict)
    world.rollouts.look()  # it is judged no more, and what it was judged by is still known
    (ended,) = world.state.last_rollouts()
    evidence: Any = world.rollouts.evidence(ended)
    canary, chosen = evidence["guardrails"][0]["canary"], evidence["canary"]["chosen"]
    assert f"{canary:,} in {chosen:,} inputs" in text
    assert evidence["guardrails"][0]["reached"] == 1


def test_a_version_that_only_crashes_is_taken_back_without_waiting_for_its_answers(world: World) -> None:
    world.run(none_bad, 1000)
    world.crashing = {"2": "Killed, out of memory."}
    world.ask(0, none_bad)
    assert world.ended() == "failed"
    assert "those of the version before do not. Last words: Killed, out of memory." in world.texts[-1]


def test_one_that_cannot_be_judged_holds_up_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in "12":
        world.state.add_version(Version("n", number, "doubles", None, [], 1, state="ready"))
    world.state.move("n", "1", "set", "", "")
    world.state.add_rollout(msgspec.structs.replace(world.rollout, model="n"))
    world.rollouts.look()

    def fail(*_: object) -> None:
        raise ZeroDivisionError("no answers")

    monkeypatch.setattr(world.rollouts._judges[world.rollout.id], "verdict", fail)
    world.rollouts._crash_loop = lambda model, version: "No disk." if (model, version) == ("n", "2") else None
    world.now += WARM_UP_S
    with pytest.raises(ExceptionGroup) as failed:
        world.rollouts.look()
    assert [str(error) for error in failed.value.exceptions] == ["no answers"]
    assert [rollout.state for rollout in world.state.rollouts("n")] == ["failed"]
    assert world.rollouts.shares.shares == {world.rollout.id: 0.05}, "what has ended gets no more queries"


def test_one_stall_of_its_replica_is_no_trend(tmp_path: Path) -> None:
    """Twenty bad answers at once are one event, and not twenty that know nothing of each other."""
    world = World(tmp_path, steps=[0.5])
    world.run(none_bad, 1000)
    for _ in range(2):
        world.ask(40, lambda canary: canary)
    world.run(none_bad, 200)
    assert world.ended() is None
    evidence: Any = world.rollouts.evidence(world.state.rollouts("m")[-1])
    assert evidence["guardrails"][0]["canary"] > 10
    assert evidence["guardrails"][0]["reached"] < 1
    for _ in range(4):
        world.ask(40, lambda canary: canary)
    assert world.ended() == "failed"
    world.state.close()


def test_where_both_crash_it_is_nobodys_fault(world: World) -> None:
    world.crashing = {"1": "No disk.", "2": "No disk."}
    world.run(none_bad, 1000)
    assert world.ended() is None


def test_a_slow_version_is_taken_back_for_its_latency(world: World) -> None:
    world.run(none_bad, 40_000, slow=0.5)
    assert world.ended() == "failed"
    assert "Too many answers over 7.5 ms" in world.texts[-1]


def test_an_outage_of_both_is_no_reason_to_go_back(world: World) -> None:
    world.run(lambda _canary: 1010 < world.now < 1014, 100_000)
    assert world.ended() == "passed"


def test_without_queries_it_waits_and_says_what_is_missing(world: World) -> None:
    for _ in range(400):
        world.ask(0, none_bad)
    assert world.ended() is None
    assert (
        world.state.rollouts("m")[-1].verdict
        == "50 more inputs of the new version are to be seen at this share."
    )


def test_where_nobody_asks_any_more_it_waits_and_says_so(world: World) -> None:
    world.run(none_bad, 300)
    world.state.remove_application("asks")
    world.ask(0, none_bad)
    assert verdict(world).startswith("Nobody asks for the current version of m any more")
    world.state.add_application(ApplicationSpec("again", "doubles", -1, 100_000, []))
    world.state.link("again", "m")
    world.ask(0, none_bad)
    assert "more inputs of the new version are to be seen" in verdict(world)


@pytest.mark.parametrize("observe", [False, True])
def test_where_requests_are_not_dealt_by_the_share_it_waits_and_says_so(
    tmp_path: Path, observe: bool
) -> None:
    world = World(tmp_path, observe=observe, steps=[0.5, 1.0], hold_s=20.0)
    world.lost = 0.5
    world.run(none_bad, 6000)
    assert world.ended() is None
    told = re.fullmatch(
        r"The new version was dealt ([\d,]+) of ([\d,]+) requests, where its share is 50%: both cannot be "
        r"compared\. Promote or abort it\.",
        verdict(world),
    )
    assert told is not None
    canary, whole = (int(number.replace(",", "")) for number in told.groups())
    assert canary / whole == pytest.approx(1 / 3, abs=0.02)
    (text,) = world.texts
    assert text.startswith("The rollout of m:2 takes no step. The new version was dealt ")
    found: Any = world.rollouts.evidence(world.rollout)
    assert (found["sample_ratio"], found["canary"]["dealt"]) == (1, canary)
    world.state.close()


@pytest.mark.parametrize("sticky", [False, True])
def test_units_that_two_frontends_know_are_no_evidence_together(tmp_path: Path, sticky: bool) -> None:
    """Requests are drawn for anew by each."""
    world = World(tmp_path, sticky=sticky, steps=[0.5])
    world.run(none_bad, 1000)
    world.frontends = ["1", "2"]
    epoch = world.rollouts.shares.epoch
    world.counts[epoch] = ArmCounts(latencies=[*NONE], dealt=557), ArmCounts(latencies=[*NONE], dealt=443)
    world.ask(0, none_bad)
    reached = cast(Any, world.rollouts.evidence(world.rollout))["sample_ratio"]
    assert (reached < 1) == sticky
    world.state.close()


def test_a_version_that_is_worse_is_taken_back_whatever_was_dealt(tmp_path: Path) -> None:
    world = World(tmp_path, steps=[0.5])
    world.lost = 0.5
    world.run(lambda canary: canary and world.chance.random() < 0.5, 10_000)
    assert world.ended() == "failed"
    world.state.close()


@pytest.mark.parametrize("observe", [False, True])
def test_without_a_replica_that_could_answer_it_waits_and_says_so(tmp_path: Path, observe: bool) -> None:
    world = World(tmp_path, observe=observe)
    world.run(none_bad, 500)
    world.replicas = {"2": set()}
    world.run(none_bad, 3000)
    assert verdict(world) == (
        "m:2 runs elsewhere, and no replica of it has dialed in: start it there. Or abort the rollout."
    )
    assert world.rollouts.shares.shares == {world.rollout.id: 0.05}
    world.replicas = {}
    world.run(none_bad, 100_000)
    assert world.ended() == "passed"
    world.state.close()


def test_without_a_replica_that_could_answer_it_is_not_promoted(world: World) -> None:
    control = Control(world.state, cast(Any, world), cast(Any, None))
    world.replicas = {"2": set()}
    with pytest.raises(BadRequest, match="no replica of it has dialed in"):
        asyncio.run(control.promote("m", "", ""))
    assert world.state.current() == {"m": "1"}


def test_one_that_only_observes_tells_once_and_goes_on(tmp_path: Path) -> None:
    world = World(tmp_path, observe=True)
    world.run(lambda canary: canary, 100_000)
    assert world.ended() == "passed"
    assert sum("would have failed" in text for text in world.texts) == 1
    world.state.close()


def test_without_a_step_to_all_it_goes_on_until_somebody_ends_it(tmp_path: Path) -> None:
    world = World(tmp_path, steps=[0.5])
    world.run(none_bad, 20_000)
    assert world.ended() is None
    assert "promote or abort ends it" in world.state.rollouts("m")[-1].verdict
    world.state.close()


def test_one_that_is_paused_keeps_its_share_and_does_nothing(world: World) -> None:
    world.state.set_rollout_state(world.rollout, "paused")
    for _ in range(200):
        world.ask(50, lambda canary: canary)
    assert world.ended() is None
    assert world.rollouts.shares.shares == {world.rollout.id: 0.05}


def test_what_comes_while_it_is_cold_is_not_judged(world: World) -> None:
    for _ in range(int(WARM_UP_S / 0.25) - 1):
        world.ask(500, lambda canary: canary)
    assert world.ended() is None
    world.run(none_bad, 100_000)
    assert world.ended() == "passed"


def test_what_was_seen_of_frontends_stays_as_small_as_what_they_tell(tmp_path: Path) -> None:
    world = World(tmp_path, hold_s=1e6)
    world.now += WARM_UP_S
    for turn in range(300):  # each time another table of shares
        world.state.set_step(world.rollout, turn % 2)
        world.rollouts.look()
        world.counts = {epoch: world.counts[epoch] for epoch in sorted(world.counts)[-3:]}  # as frontends do
        world.ask(4, none_bad)
    seen: Any = world.rollouts.evidence(world.rollout)
    assert seen["control"]["chosen"] + seen["canary"]["chosen"] == 1200
    assert sum(len(told) for _, told in world.rollouts._seen.values()) <= 4
    world.state.close()


def test_a_management_that_is_killed_goes_on_where_it_was(world: World) -> None:
    while world.rollouts.shares.shares != {world.rollout.id: 0.5}:
        world.ask(100, none_bad)
    epoch = world.rollouts.shares.epoch
    world.begin()
    assert world.rollouts.shares.epoch > epoch
    assert world.rollouts.shares.shares == {world.rollout.id: 0.5}
    world.run(none_bad, 100_000)
    assert world.ended() == "passed"


@pytest.mark.parametrize("rate", [0.01, pytest.param(0.2, marks=pytest.mark.slow)])
def test_a_version_that_is_alike_is_hardly_ever_taken_back(tmp_path: Path, rate: float) -> None:
    ended = []
    for seed in range(40):
        folder = tmp_path / str(seed)
        folder.mkdir()
        world = World(folder, seed, guardrails=[Guardrail("errors")], hold_s=5.0)
        world.run(lambda _canary, world=world: world.chance.random() < rate, 30_000, at_once=100)  # type: ignore[misc]
        ended.append(world.ended())
        world.state.close()
    assert ended.count("failed") <= 2
    assert ended.count("passed") >= 38


REWARD = [Guardrail("reward", by=0.02)]


def mean_rewards(world: World, control: float, canary: float) -> None:
    """Each is 0 or 1."""
    world.reward = lambda is_canary: float(world.chance.random() < (canary if is_canary else control))


def rewarded(folder: Path, seed: int = 1, **options: Any) -> World:
    folder.mkdir(exist_ok=True)
    return World(folder, seed, **{"guardrails": REWARD, "steps": [0.2, 0.5, 1.0], "hold_s": 5.0, **options})


def test_a_version_with_lower_rewards_is_taken_back_with_its_numbers(tmp_path: Path) -> None:
    world = rewarded(tmp_path)
    mean_rewards(world, 0.9, 0.7)
    asked = world.run(none_bad, 10_000)
    assert world.ended() == "failed"
    assert world.state.current() == {"m": "1"}
    assert asked < WARM_UP_S * 100 + 1.3 * 725
    (ended,) = world.state.last_rollouts()
    assert world.texts[-1].endswith(ended.verdict)
    (rail,) = cast(Any, world.rollouts.evidence(ended)["guardrails"])
    assert ended.verdict.startswith(
        f"Rewards are lower by more than 0.02: {rail['canary']:.3g} on average in "
        f"{rail['rewards']['canary']} of the new version, {rail['control']:.3g} in "
        f"{rail['rewards']['control']} of the one before. Were they not, it would be so in 1 of "
    )
    assert rail["canary"] < rail["control"] - 0.1
    assert rail["reached"] == 1
    world.state.close()


@pytest.mark.slow
def test_a_version_with_the_same_rewards_gets_all_and_is_hardly_ever_taken_back(tmp_path: Path) -> None:
    ended, verdicts = [], []
    for seed in range(100):
        world = rewarded(tmp_path / str(seed), seed)
        mean_rewards(world, 0.9, 0.9)
        world.run(none_bad, 30_000, at_once=100)
        ended.append(world.ended())
        verdicts.append(verdict(world))
        world.state.close()
    assert ended.count("failed") <= 4
    assert ended.count("passed") >= 96
    passed = re.compile(r"No worse in [\d,]+ inputs and [\d,]+ rewards at this share\.")
    assert sum(passed.fullmatch(each) is not None for each in verdicts) >= 96


def verdict(world: World) -> str:
    return world.state.rollouts("m")[-1].verdict


def test_a_drop_of_all_rewards_is_no_reason_to_go_back(tmp_path: Path) -> None:
    world = rewarded(tmp_path)
    world.reward = lambda _: float(world.chance.random() < (0.1 if 1006 < world.now < 1012 else 0.9))
    world.run(none_bad, 100_000)
    assert world.ended() == "passed"
    world.state.close()


def test_without_feedback_it_waits_and_says_how_much_is_missing(tmp_path: Path) -> None:
    world = rewarded(tmp_path)
    world.reward = lambda _: None
    world.run(none_bad, 10_000)
    assert world.ended() is None
    assert verdict(world) == "0 of 100 rewards of the new version have come at this share."
    told = iter([1.0] * 37)
    world.reward = lambda is_canary: next(told, None) if is_canary else 1.0
    world.ask(300, none_bad)
    assert verdict(world).startswith("37 of 100 rewards of the new version")
    assert world.rollouts.shares.shares == {world.rollout.id: 0.2}
    world.state.close()


def test_rewards_of_an_earlier_share_are_none_of_this_one(tmp_path: Path) -> None:
    world = rewarded(tmp_path)
    mean_rewards(world, 1.0, 1.0)
    while world.rollouts.shares.shares != {world.rollout.id: 0.5}:
        world.ask(100, none_bad)
    before = world.rollouts.shares.epoch - 1
    world.reward = None
    for _ in range(100):
        world.ask(100, none_bad)
    late = Sides()
    late.rewarded("m:2", before, 1.0, 500)
    world.rollouts.hear(late)
    world.ask(1, none_bad)
    assert verdict(world) == "0 of 100 rewards of the new version have come at this share."
    world.state.close()


def test_where_feedback_comes_more_often_for_one_version_nothing_is_compared(tmp_path: Path) -> None:
    """Nobody speaks of the canary's good answers: of those that are spoken of, its are worse."""
    world = rewarded(tmp_path)

    def said(is_canary: bool) -> float | None:
        good = float(world.chance.random() < 0.8)
        spoken = world.chance.random() < (0.5 if is_canary and good else 0.95)
        return good if spoken else None

    world.reward = said
    world.run(none_bad, 10_000)
    assert world.ended() is None
    assert re.fullmatch(
        r"Feedback comes for \d+% of the new version's answers and 9\d% of those of the one before: rewards "
        r"cannot be compared\. See that it comes for both alike; or promote or abort it\.",
        verdict(world),
    )
    (rail,) = cast(Any, world.rollouts.evidence(world.rollout)["guardrails"])
    assert rail["reached"] == 1, "it is no roll-back for that"
    world.state.close()


def test_only_feedback_of_its_own_decisions_counts(tmp_path: Path) -> None:
    world = rewarded(tmp_path)
    mean_rewards(world, 1.0, 1.0)
    cold = world.rollouts.shares.epoch
    world.run(none_bad, 1000)
    counted = world.rollouts.shares.epoch
    others = Sides()
    for arm, epoch in (("m:2", cold), ("m:2", counted + 7), ("m:3", counted), ("n:2", counted)):
        others.rewarded(arm, epoch, 0.0, 1000)
    before = world.rollouts.evidence(world.rollout)["guardrails"]
    world.rollouts.hear(others)
    assert world.rollouts.evidence(world.rollout)["guardrails"] == before
    others.rewarded("m:2", counted, 0.0, 1000)
    world.rollouts.hear(others)
    assert world.rollouts.evidence(world.rollout)["guardrails"] != before
    world.state.close()


def test_with_a_default_reward_a_step_waits_for_those_of_whom_nobody_spoke(tmp_path: Path) -> None:
    world = rewarded(tmp_path)
    spec = ApplicationSpec("app", "doubles", 0, 10**5, ["m"])
    world.state.add_application(spec)
    world.state.link("app", "m")
    world.state.set_feedback("app", FeedbackSpec(window_s=40, default_reward=0.0))
    world.reward = lambda is_canary: 1.0 if world.chance.random() < (0.3 if is_canary else 0.6) else None
    while world.now < 1000 + WARM_UP_S + 5 + 40 + GRACE_S - 1:
        world.ask(50, none_bad)
    assert re.fullmatch(
        r"Answers of which nobody speaks .* at the end of the window: [1-3] s left\.", verdict(world)
    )
    silent = Sides()
    silent.rewarded("m:2", world.rollouts.shares.epoch, 0.0, 1500)
    silent.rewarded("m:1", world.rollouts.shares.epoch, 0.0, 3200)
    world.rollouts.hear(silent)
    world.ask(1, none_bad)
    assert world.ended() == "failed"
    world.state.close()


def test_rewards_that_are_only_observed_hold_nothing(tmp_path: Path) -> None:
    world = rewarded(tmp_path, observe=True)
    mean_rewards(world, 0.9, 0.4)
    world.run(none_bad, 100_000)
    assert world.ended() == "passed"
    assert sum("would have failed. Rewards are lower" in text for text in world.texts) == 1
    world.state.close()


def deal(share: float, *, sticky: bool = False) -> Deal:
    found = Deal(lambda: CLOCK[0], random.Random(1).random)
    found.configure([RolloutSpec(1, "m", "1", "2", sticky)])
    from clipper_server.rollouts import Shares

    found.hear(Shares(1, {1: share}))
    return found


CLOCK = [0.0]
OF_M = Decision([Arm.of("m")])


def test_frontends_ask_both_sides_by_the_share() -> None:
    deals = deal(0.2)
    decisions = [deals.resolve(OF_M, None, lambda _: True) for _ in range(5000)]
    canaries = [decision for decision in decisions if decision.arms[0].name == "m:2"]
    assert len(canaries) / 5000 == pytest.approx(0.2, abs=0.017)
    assert {round(decision.propensity, 3) for decision in canaries} == {0.2}
    assert {d.arms[0].name for d in decisions} == {"m:1", "m:2"}


def test_a_version_that_was_asked_for_is_none_of_a_rollouts_affair() -> None:
    decision = deal(1.0).resolve(Decision([Arm.of("m:1"), Arm.of("other")]), None, lambda _: True)
    assert [arm.name for arm in decision.arms] == ["m:1", "other"]
    assert list(decision.sides) == [None, None]


def test_where_the_canary_has_no_replica_the_control_answers() -> None:
    deals = deal(0.5)
    for _ in range(20):
        decision = deals.resolve(OF_M, None, lambda arm: arm.name != "m:2")
        assert decision.arms[0].name == "m:1"
        assert decision.propensity == 1.0
        assert list(decision.sides) == [None]  # which is no evidence for either
    assert deals.report() == []


def dealt(deals: Deal) -> tuple[int, int]:
    """To the control and to the canary, in all epochs."""
    told = deals.report()
    return sum(each.control.dealt for each in told), sum(each.canary.dealt for each in told)


def test_requests_are_counted_when_they_are_dealt_whatever_becomes_of_them() -> None:
    deals = deal(0.2)
    chosen = [deals.resolve(OF_M, f"user-{i % 3}", lambda _: True).arms[0].name for i in range(1000)]
    assert dealt(deals) == (chosen.count("m:1"), chosen.count("m:2"))


def test_a_unit_that_sticks_counts_once_however_often_it_asks() -> None:
    deals = deal(0.5, sticky=True)
    for i in range(1000):
        deals.resolve(OF_M, f"user-{min(i, 99)}", lambda _: True)
    assert sum(dealt(deals)) == 100
    deals.resolve(OF_M, None, lambda _: True)
    assert sum(dealt(deals)) == 101, "who names no unit is drawn for"


def test_more_units_than_are_told_apart_leave_the_sample_ratio_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("clipper_server.query.rollouts.UNITS", 1000)
    deals = deal(0.1, sticky=True)
    for i in range(20_000):
        deals.resolve(OF_M, f"user-{i}", lambda _: True)
    control, canary = dealt(deals)
    assert control + canary == 1000
    assert canary / 1000 == pytest.approx(0.1, abs=0.04)


def test_a_unit_stays_where_it_is_while_the_share_grows() -> None:
    units = [f"user-{i}" for i in range(500)]

    def canaries(share: float) -> set[str]:
        deals = deal(share, sticky=True)
        return {u for u in units if deals.resolve(OF_M, u, lambda _: True).arms[0].name == "m:2"}

    assert canaries(0.1) < canaries(0.3) < canaries(0.7)


def test_frontends_go_back_to_the_control_where_management_is_silent_for_too_long() -> None:
    deals = deal(0.99)
    assert deals.resolve(OF_M, None, lambda _: True).arms[0].name == "m:2"
    CLOCK[0] += 15.1
    try:
        assert deals.lapsed()
        assert {deals.resolve(OF_M, None, lambda _: True).arms[0].name for _ in range(50)} == {"m:1"}
    finally:
        CLOCK[0] = 0.0
