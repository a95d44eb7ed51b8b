"""The seam for policies: what an application asks of one, and what comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from clipper_container.errors import BadRequest
from clipper_container.inputs import Tensor
from clipper_container.wire import Fault
from clipper_server.query.application import Answer, Application, Request
from clipper_server.query.configuration import Configuration
from clipper_server.query.policy import Asked
from clipper_server.query.task import Outcome
from clipper_server.snapshot import ApplicationSpec, Snapshot
from tests.support.fakes import FakeReplica, version_spec
from tests.support.virtual_time import run


class LongestWins:
    """Asks all models, and takes the longest output; a missing one has none."""

    def __init__(self) -> None:
        self.seen: list[tuple[list[str], list[Outcome], float]] = []

    def select(self, models: Sequence[str]) -> Sequence[str]:
        return models

    def combine(self, outcomes: Sequence[Outcome]) -> Outcome:
        there = [outcome for outcome in outcomes if isinstance(outcome, bytes)]
        return max(there, key=len) if there else outcomes[0]

    def observe(self, asked: Sequence[Asked], outcomes: Sequence[Outcome], latency_s: float) -> None:
        self.seen.append(([queue.spec.model for queue in asked], list(outcomes), latency_s))


def ensemble(*models: str) -> tuple[Configuration, Application, LongestWins]:
    loop = asyncio.get_running_loop()
    configuration = Configuration("0", lambda: None, loop, loop.time)
    spec = ApplicationSpec("app", "strings", "?", 100_000, list(models))
    versions = [version_spec(model=model, input_type="strings") for model in models]
    configuration.apply(Snapshot(1, [spec], versions, dict.fromkeys(models, "1")))
    application = configuration.applications["app"]
    application.policy = policy = LongestWins()
    return configuration, application, policy


def attach(configuration: Configuration, model: str, output: bytes, cost_s: float = 0.01) -> FakeReplica:
    queue = configuration.queue(model, "1")
    assert queue is not None
    return FakeReplica(queue, cost_s=cost_s, answer=lambda inputs: [output] * len(inputs))


async def ask(application: Application, *texts: str, **options: float) -> Sequence[Answer]:
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
        assert policy.seen[0][:2] == (["a", "b"], [b"1", b"22"])
        assert 0 < policy.seen[0][2] < 1
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
        with pytest.raises(BadRequest, match="Its versions: 1"):
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
        application.parts.cache.key = broken  # type: ignore[method-assign, assignment]
        application.ask(Request("test", tensors), answered.set_result)
        (answer,) = await answered
        assert answer.fault is not None
        assert answer.fault.reason == "internal_error"

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    run(main())
