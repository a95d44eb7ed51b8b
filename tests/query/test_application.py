"""The seam for policies: what an application asks of one, and what comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
import pytest

from clipper_container.errors import BadRequest
from clipper_container.tensors import Tensor
from clipper_container.wire import Fault
from clipper_server.policies import PolicySpec, SplitSpec, VoteSpec
from clipper_server.query.application import Application
from clipper_server.query.configuration import Configuration
from clipper_server.query.policies import Able, Arm, Combined, Decision
from clipper_server.query.request import Answer, Request
from clipper_server.query.task import Outcome
from clipper_server.query.traces import describe
from clipper_server.snapshot import ApplicationSpec, Snapshot
from tests.support.fakes import FakeReplica, version_spec
from tests.support.virtual_time import run


class LongestWins:
    """Asks all models, and takes the longest output; a missing one has none."""

    name = "LongestWins"
    choice, sticky, early, steps = True, False, False, False

    def __init__(self, models: Sequence[str]) -> None:
        self.arms = [Arm.of(model) for model in models]
        self.seen: list[tuple[Decision, list[Outcome]]] = []

    def decide(self, unit: str | None, able: Able, context: str = "", features: bytes = b"") -> Decision:
        return Decision(self.arms)

    def combine(self, decision: Decision, outcomes: Sequence[Outcome]) -> Combined:
        self.seen.append((decision, list(outcomes)))
        there = [outcome for outcome in outcomes if isinstance(outcome, bytes)]
        return Combined(max(there, key=len) if there else outcomes[0], 0.5, len(there))

    def certain(self, decision: Decision, outcomes: Sequence[Outcome | None]) -> bool:
        return False


def ensemble(*models: str) -> tuple[Configuration, Application, LongestWins]:
    configuration, application = configured(*models)
    application.policy = policy = LongestWins(models)
    return configuration, application, policy


def configured(*models: str, policy: PolicySpec | None = None) -> tuple[Configuration, Application]:
    loop = asyncio.get_running_loop()
    configuration = Configuration("0", lambda: None, loop, loop.time)
    spec = ApplicationSpec("app", "strings", "?", 100_000, list(models), policy=policy)
    versions = [
        version_spec(model=model, version=version, input_type="strings")
        for model in models
        for version in "12"
    ]
    configuration.apply(Snapshot(1, [spec], versions, dict.fromkeys(models, "1")))
    return configuration, configuration.applications["app"]


def attach(
    configuration: Configuration, model: str, output: bytes, cost_s: float = 0.01, version: str = "1"
) -> FakeReplica:
    queue = configuration.queue(model, version)
    assert queue is not None
    return FakeReplica(queue, cost_s=cost_s, answer=lambda inputs: [output] * len(inputs))


async def ask(application: Application, *texts: str, **options: object) -> Sequence[Answer]:
    answered: asyncio.Future[Sequence[Answer]] = asyncio.get_running_loop().create_future()
    tensors = [Tensor(text.encode(), (len(text),), "str") for text in texts]
    application.ask(Request("test", tensors, **options), answered.set_result)  # type: ignore[arg-type]
    return await answered


def test_several_models_make_one_answer() -> None:
    async def main() -> None:
        configuration, application, policy = ensemble("a", "b")
        attach(configuration, "a", b"1")
        attach(configuration, "b", b"22")
        answers = await ask(application, "x", "y")
        assert [answer.output for answer in answers] == [b"22", b"22"]
        assert policy.seen == [(Decision(policy.arms), [b"1", b"22"])] * 2
        trace = configuration.traces.find(answers[1].query_id)
        assert trace is not None
        assert isinstance(trace.legs, list)
        assert [leg.version for leg in trace.legs] == ["a:1", "b:1"]

    run(main())


def test_at_the_deadline_a_policy_makes_its_answer_of_what_is_there() -> None:
    async def main() -> None:
        configuration, application, policy = ensemble("a", "b")
        attach(configuration, "a", b"1")
        attach(configuration, "b", b"22", cost_s=9)
        began = asyncio.get_running_loop().time()
        (answer,) = await ask(application, "x")
        assert answer.output == b"1"
        assert asyncio.get_running_loop().time() - began == pytest.approx(0.1, abs=1e-3)
        missing = policy.seen[0][1][1]
        assert isinstance(missing, Fault)
        assert missing.reason == "deadline"

    run(main())


def test_one_input_twice_in_a_request_is_asked_once_and_answered_twice() -> None:
    async def main() -> None:
        configuration, application, _ = ensemble("a")
        configuration.cache.resize(1 << 20)
        replica = attach(configuration, "a", b"1")
        answers = await ask(application, "x", "x", "x")
        assert [answer.output for answer in answers] == [b"1"] * 3
        assert replica.batches == [["x"]]

    run(main())


def test_a_request_without_inputs_is_answered_at_once() -> None:
    async def main() -> None:
        _, application, _ = ensemble("a")
        assert await ask(application) == []

    run(main())


def test_a_version_that_is_not_there_is_told() -> None:
    async def main() -> None:
        _, application, _ = ensemble("a")
        with pytest.raises(BadRequest, match="Its versions: 1, 2"):
            application.ask(Request("test", [], version="9"), lambda _: None)

    run(main())


def test_query_ids_are_unique_over_frontends_and_safe_as_javascript_numbers() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        ids = set()
        for frontend in range(64):
            configuration = Configuration(str(frontend), lambda: None, loop, loop.time)
            spec = ApplicationSpec("app", "strings", "?", 100_000, [])
            configuration.apply(Snapshot(1, [spec], [], {}))
            answers = await ask(configuration.applications["app"], *"abcdefgh")
            assert {answer.query_id % 64 for answer in answers} == {frontend}
            ids |= {answer.query_id for answer in answers}
        assert len(ids) == 64 * 8
        assert max(ids) < 2**53

    run(main())


def test_the_deadline_may_come_before_all_inputs_are_asked() -> None:
    async def main() -> None:
        configuration, application, _ = ensemble("a", "b")
        texts = [str(i) for i in range(300)]
        tensors = [Tensor(text.encode(), (len(text),), "str") for text in texts]
        answered: asyncio.Future[Sequence[Answer]] = asyncio.get_running_loop().create_future()
        query = application.ask(Request("test", tensors), answered.set_result)
        query.expire()  # before its first slice
        answers = await answered
        assert [answer.fault and answer.fault.reason for answer in answers] == ["no_replicas"] * 300
        assert configuration.queue("a", "1").waiting.count == 0  # type: ignore[union-attr]

    run(main())


def test_what_fails_while_many_inputs_are_asked_is_one_answer() -> None:
    async def main() -> None:
        _, application, _ = ensemble("a")
        texts = [str(i) for i in range(300)]
        tensors = [Tensor(text.encode(), (len(text),), "str") for text in texts]
        answered: asyncio.Future[Sequence[Answer]] = asyncio.get_running_loop().create_future()
        application.parts.cache.resize(1 << 20)
        application.parts.cache.key = broken  # type: ignore[method-assign, assignment]
        application.ask(Request("test", tensors), answered.set_result)
        (answer,) = await answered
        assert answer.fault is not None
        assert answer.fault.reason == "internal_error"

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    run(main())


def test_a_split_asks_one_arm_for_all_inputs_of_a_request_and_says_which() -> None:
    async def main() -> None:
        configuration, application = configured("a", "b", policy=SplitSpec({"a": 0.5, "b:2": 0.5}))
        attach(configuration, "a", b"1")
        attach(configuration, "b", b"2", version="2")
        chosen = set()
        for _ in range(40):
            answers = await ask(application, "x", "y", "z")
            (choice,) = {answer.choice for answer in answers}
            assert choice is not None
            assert {answer.output for answer in answers} == {b"1" if choice.model == "a:1" else b"2"}
            assert (choice.asked, choice.used, choice.confidence) == (1, 1, None)
            chosen.add(choice.model)
        assert chosen == {"a:1", "b:2"}
        trace = configuration.traces.find(answers[0].query_id)
        assert trace is not None
        assert trace.policy == "Split"
        assert trace.chosen is not None
        assert (trace.chosen.propensity, trace.chosen.skipped) == (0.5, ())
        arms = application.metrics.arms
        assert arms["a"].chosen + arms["b:2"].chosen == 120
        assert arms["a"].latency.count == arms["a"].chosen

    run(main())


def test_an_arm_whose_replicas_are_gone_is_skipped_and_counted() -> None:
    async def main() -> None:
        configuration, application = configured("a", "b", policy=SplitSpec({"a": 0.5, "b": 0.5}))
        attach(configuration, "a", b"1")
        answers = [(await ask(application, "x"))[0] for _ in range(20)]
        assert {answer.output for answer in answers} == {b"1"}
        assert application.metrics.arms["b"].skipped == 20
        trace = configuration.traces.find(answers[0].query_id)
        assert trace is not None
        assert trace.chosen is not None
        assert (trace.chosen.propensity, trace.chosen.skipped) == (1.0, ("b",))

    run(main())


def test_an_arm_that_comes_has_its_share_at_once_and_one_that_goes_leaves_it() -> None:
    async def main() -> None:
        configuration, application = configured("a", "b", policy=SplitSpec({"a": 0.5, "b": 0.5}))
        attach(configuration, "a", b"1")

        async def asked() -> set[object]:
            return {(await ask(application, "x"))[0].output for _ in range(40)}

        assert await asked() == {b"1"}
        there = attach(configuration, "b", b"2")
        assert await asked() == {b"1", b"2"}
        there.die()
        assert await asked() == {b"1"}
        snapshot = configuration.snapshot
        assert snapshot is not None
        attach(configuration, "b", b"3", version="2")
        assert await asked() == {b"1"}, "which is not the current version"
        configuration.apply(msgspec.structs.replace(snapshot, current={"a": "1", "b": "2"}))
        assert await asked() == {b"1", b"3"}

    run(main())


def test_what_an_arm_did_is_forgotten_with_the_policy_that_had_it() -> None:
    async def main() -> None:
        configuration, application = configured("a", "b", policy=SplitSpec({"a": 0.5, "b": 0.5}))
        attach(configuration, "a", b"1")
        await ask(application, "x")
        assert set(application.metrics.arms) == {"a", "b"}
        assert configuration.snapshot is not None
        spec = msgspec.structs.replace(application.spec, policy=VoteSpec(["a", "a:2"]))
        configuration.apply(msgspec.structs.replace(configuration.snapshot, applications=[spec]))
        assert set(configuration.applications["app"].metrics.arms) == {"a"}

    run(main())


def test_a_request_for_a_version_is_no_matter_for_the_policy() -> None:
    async def main() -> None:
        configuration, application = configured("a", "b", policy=SplitSpec({"a": 0.5, "b": 0.5}))
        attach(configuration, "a", b"1", version="2")
        for _ in range(5):
            (answer,) = await ask(application, "x", version="2")
            assert (answer.output, answer.version, answer.choice) == (b"1", "2", None)
        assert not application.metrics.arms

    run(main())


def test_a_vote_answers_at_the_deadline_with_what_has_come_and_the_rest_leaves_the_queue() -> None:
    async def main() -> None:
        configuration, application = configured("a", "b", "c", policy=VoteSpec(["a", "b", "c"]))
        attach(configuration, "a", b"1")
        attach(configuration, "b", b"1")
        slow = attach(configuration, "c", b"2", cost_s=1.0)
        slow.credits = 1
        first = asyncio.ensure_future(ask(application, "x"))
        await asyncio.sleep(0.01)
        (answer,) = await ask(application, "y")
        await first
        assert answer.output == b"1"
        assert answer.choice is not None
        assert (answer.choice.asked, answer.choice.used) == (3, 2)
        assert answer.choice.confidence == pytest.approx(2 / 3)
        queue = configuration.queue("c", "1")
        assert queue is not None
        assert queue.waiting.count == 0
        assert queue.metrics.not_begun == 1
        assert application.metrics.arms["c"].faults == {"deadline": 2}
        assert application.metrics.confidence.counts == [0, 2, 0, 0]
        (told,) = configuration.report().applications
        assert told.confidence == [0, 2, 0, 0]
        assert [(arm.name, arm.chosen, arm.used, arm.late) for arm in told.arms][-1] == ("c", 2, 0, 2)

    run(main())


def test_an_early_vote_does_not_wait_for_who_could_not_change_it() -> None:
    async def main() -> None:
        spec = VoteSpec(["a", "b", "c"], early=True)
        configuration, application = configured("a", "b", "c", policy=spec)
        attach(configuration, "a", b"1")
        attach(configuration, "b", b"1", cost_s=0.02)
        attach(configuration, "c", b"2", cost_s=0.05)
        began = asyncio.get_running_loop().time()
        (answer,) = await ask(application, "x")
        assert answer.output == b"1"
        assert asyncio.get_running_loop().time() - began == pytest.approx(0.02, abs=2e-3)
        trace = configuration.traces.find(answer.query_id)
        assert trace is not None
        told = describe(trace, "0")["models"]
        assert [leg["fault"] for leg in told] == [None, None, "not_needed"]
        assert told[2]["explanation"] == "c:1 was not waited for: it could not change the answer."
        (reported,) = configuration.report().applications
        assert [(arm.used, arm.errors, arm.late) for arm in reported.arms] == [
            (1, 0, 0),
            (1, 0, 0),
            (0, 0, 0),
        ]

    run(main())
